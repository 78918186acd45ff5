"""Postmill: one milter to the MTA, one MTA to the milters."""

__version__ = "0.1.0"

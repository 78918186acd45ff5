"""Tests of ``postmill.filtering``."""

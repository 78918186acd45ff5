"""Tests of the built-in filters."""

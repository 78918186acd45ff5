"""Tests of ``postmill.filters``."""

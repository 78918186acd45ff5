"""Tests of ``postmill.stores``."""

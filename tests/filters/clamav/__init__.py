"""Tests of the filter ``clamav``."""

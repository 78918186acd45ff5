"""Tests of the filter ``spamassassin``."""

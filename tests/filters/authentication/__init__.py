"""Tests of the filter authentication, and of what it shares: SPF and DKIM."""

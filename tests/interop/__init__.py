"""Tests with real mail software: everything here starts real daemons, privately and on loopback."""

"""Greylisting in the demo: Postmill's filter `greylist`, asked only about mail from one domain.

So that one sample shows it, and all other mail is spared the delay.
"""

from __future__ import annotations

NAME = "greylist"
NEWCOMER = "newcomer.example"
DELAY = 2
"""Seconds that mail from `NEWCOMER` has to wait."""

WHAT = f"has mail from {NEWCOMER} come again after {DELAY} s"
TABLE = f"""\
[[filter]]
use = "{NAME}"
when = [{{ name = "sender-domain", domains = ["{NEWCOMER}"] }}]

[filter.settings]
delay = "{DELAY}s"
rules = "nospf"
"""

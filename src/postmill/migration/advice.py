"""What to do about code that was not carried over."""

from __future__ import annotations

from collections.abc import Sequence

CONDITION = "write it in Python, as a file in policy.d, and name it in `when`"
_BRANCHES = frozenset({"if", "unless", "case", "while", "until"})
_BRANCH = "it depends on a condition: say in TOML what holds on this machine"
_ADVICE: tuple[tuple[frozenset[str], str], ...] = (
    (frozenset({"define_applicable_condition", "restrict_accounts_generic"}), CONDITION),
    (
        frozenset({"s25r", "trust", "dnsbl", "remote_network", "stress"}),
        "say it in [conditions.NAME], in plain values",
    ),
    (
        frozenset({"define_policy", "define_connection_checker", "use_netstat_connection_checker"}),
        "Postmill has no such thing",
    ),
    (
        frozenset({"report_memory_statistics", "maintained", "event_loop_created"}),
        "Postmill needs no such thing",
    ),
    (frozenset({"database"}), "conditions in Python can ask a database themselves"),
    (frozenset({"defined_milters"}), "say it of each milter, in its [milters.NAME]"),
)
_CODE = "Ruby is not run here: say in TOML what it comes to"


def for_code(words: Sequence[str]) -> str:
    """Advise about code by the words in it."""
    branches = _BRANCH if set(words) & _BRANCHES else _CODE
    if set(words[:1]) & _BRANCHES:
        return branches
    return next((text for known, text in _ADVICE if known & set(words)), branches)

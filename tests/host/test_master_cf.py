"""Changing the -o options of master.cf: both forms, over several lines, and nothing else."""

from __future__ import annotations

from postmill.host.master_cf import edit_overrides

TEXT = """\
smtp inet n - y - - smtpd
# -o smtpd_milters=unix:/no
submission inet n - - - - smtpd
  -o smtpd_milters=$smtpd_milters,unix:/a -o other_smtpd_milters=unix:/a
# -o smtpd_milters=unix:/no
  -o { smtpd_milters = unix:/a
       { inet:b:1, default_action=accept } } -v
smtps inet n - - - - smtpd -o smtpd_milters=
"""


def test_each_value_is_put_through() -> None:
    seen = []

    def edit(value: str) -> str:
        seen.append(value)
        return "x, y"

    text = edit_overrides(TEXT, "smtpd_milters", edit)
    assert seen == ["", "unix:/a { inet:b:1, default_action=accept }", "$smtpd_milters,unix:/a"]
    assert (
        text
        == """\
smtp inet n - y - - smtpd
# -o smtpd_milters=unix:/no
submission inet n - - - - smtpd
  -o smtpd_milters=x,y -o other_smtpd_milters=unix:/a
# -o smtpd_milters=unix:/no
  -o { smtpd_milters = x, y } -v
smtps inet n - - - - smtpd -o smtpd_milters=x,y
"""
    )


def test_what_does_not_change_stays_as_it_is_written() -> None:
    assert edit_overrides(TEXT, "smtpd_milters", lambda value: value) == TEXT

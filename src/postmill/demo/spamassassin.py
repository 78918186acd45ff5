"""SpamAssassin in the demo: Postmill's filter `spamassassin`, and a private spamd.

It has the rules that are installed, asks nobody on the network, learns nothing and reads no preferences.
Nothing below /etc/spamassassin is read either: it has the plugins named here, and starts the sooner for it.
"""

from __future__ import annotations

from pathlib import Path

from postmill.demo.scanner import Scanner

_REJECT_SCORE = 15
_PLUGINS = (
    "Check",
    "HeaderEval",
    "BodyEval",
    "MIMEEval",
    "HTMLEval",
    "RelayEval",
    "MIMEHeader",
    "ReplaceTags",
)
_SETTINGS = """\
use_bayes 0
dns_available no
skip_rbl_checks 1
"""


def _lay_out(home: Path) -> tuple[str, ...]:
    site = home / "site"
    site.mkdir()
    lines = [f"loadplugin Mail::SpamAssassin::Plugin::{name}\n" for name in _PLUGINS]
    (site / "plugins.pre").write_text("".join(lines))
    (site / "demo.cf").write_text(_SETTINGS)
    return (
        "--local",
        "--nouser-config",
        f"--siteconfigpath={site}",
        f"--socketpath={home}/spamd.sock",
        "--socketmode=0600",
        "--min-children=1",
        "--max-children=2",
        "--syslog=stderr",
    )


SPAMASSASSIN = Scanner(
    filter="spamassassin",
    what=f"refuses mail that scores {_REJECT_SCORE} or more",
    settings=f'reject_score = {_REJECT_SCORE}\npatience = "10s"\n',
    product="SpamAssassin",
    program="spamd",
    package="spamd",
    lay_out=_lay_out,
    ping=b"PING SPAMC/1.2\r\n\r\n",
    pong=b"PONG",
)

"""rspamd as a self-scanning milter without redis; it rewrites headers that others made."""

from __future__ import annotations

from collections.abc import Sequence

from tests.stack.component import MilterComponent, as_user

#: Modules that need the network, redis or training.
SWITCHED_OFF = (
    "rbl",
    "greylist",
    "surbl",
    "fuzzy_check",
    "neural",
    "ratelimit",
    "history_redis",
    "phishing",
    "asn",
    "url_redirector",
    "replies",
    "mx_check",
    "reputation",
    "bimi",
    "dmarc",
    "arc",
    "dkim_signing",
    "classifier-bayes",
)
OTHER_WORKERS = ("worker-normal", "worker-controller", "worker-fuzzy")

#: The full public suffix list costs ten seconds of regular expression compilation at the first start.
SUFFIXES = "com\norg\nnet\nexample\nco.uk\n"

PROXY = """\
bind_socket = "{directory}/milter.sock mode=0666";
milter = yes;
timeout = 30s;
count = 1;
upstream "local" {{ default = yes; self_scan = yes; }}
reject_message = "Rejected by rspamd";
"""
OPTIONS = """\
dns {{ nameserver = ["127.0.0.1:53"]; timeout = 0.2s; retransmits = 1; }}
enable_test_patterns = true;
map_watch_interval = 1h;
url_tld = "{directory}/etc/tld.dat";
"""
LOGGING = 'type = "file"; filename = "{directory}/log/rspamd.log"; level = "info";\n'
HEADERS = (
    'use = ["x-spamd-bar", "x-spam-level", "authentication-results", "x-spam-status", "x-rspamd-server"];\n'
)


class Rspamd(MilterComponent):
    """rspamd's proxy worker on a milter socket, with Debian's stock rules."""

    name = "rspamd"
    user = "_rspamd"

    def prepare(self) -> None:
        """Write the local.d files over Debian's configuration."""
        local = self.directory / "etc" / "local.d"
        local.mkdir(parents=True)
        for name in ("etc/override.d", "run", "db", "log"):
            (self.directory / name).mkdir()
        (self.directory / "etc" / "tld.dat").write_text(SUFFIXES)
        for name, text in (("worker-proxy", PROXY), ("options", OPTIONS), ("logging", LOGGING)):
            (local / f"{name}.inc").write_text(text.format(directory=self.directory))
        (local / "milter_headers.conf").write_text(HEADERS)
        for name in OTHER_WORKERS:
            (local / f"{name}.inc").write_text("enabled = false;\n")
        for name in SWITCHED_OFF:
            (local / f"{name}.conf").write_text("enabled = false;\n")

    def command(self) -> Sequence[str]:
        """Return the command line; rspamd is started as its own user."""
        places = {"LOCAL_CONFDIR": "etc", "RUNDIR": "run", "DBDIR": "db", "LOGDIR": "log"}
        return as_user(
            self.user,
            "/usr/bin/rspamd",
            "-f",
            "-c",
            "/etc/rspamd/rspamd.conf",
            *(f"--var={name}={self.directory / sub}" for name, sub in places.items()),
        )

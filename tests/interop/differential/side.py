"""One arrangement: a private Postfix, three scripted filters, a sink; the filters listed directly or behind
Postmill.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from postmill.testing.script import Script
from postmill.wire.codes import VERSION
from tests.interop.differential.client import SmtpClient
from tests.interop.differential.manager import Manager, Managers, child_socket
from tests.interop.differential.observation import (
    Mask,
    Observation,
    queue_ids_in_macros,
    queue_ids_in_text,
)
from tests.interop.differential.plays import script
from tests.interop.differential.scenario import Child, Profile, Scenario, Step
from tests.interop.differential.secured import Secured
from tests.interop.differential.sink import Sink
from tests.interop.differential.tools import Address
from tests.interop.differential.watched import WatchedChild
from tests.interop.postfix import PrivatePostfix, Service, free_port, public_directory, smtpd

Kind = Literal["direct", "behind"]
MOST_CHILDREN = 3
SETTLE_SECONDS = 30.0
QUIET_SECONDS = 0.15
REFUSED = (
    "nosuch@example.org=550 5.1.1 User unknown in local recipient table",
    "blocked@example.org=554 5.7.1 blocked by policy",
    "defer@example.org=450 4.7.1 try later",
)
MAIN = {
    "inet_protocols": "all",
    "smtpd_recipient_restrictions": "check_recipient_access inline:{"
    + ", ".join(f"{{ {rule} }}" for rule in REFUSED)
    + "}",
    "message_size_limit": "20000000",
    "max_use": "2000",
    "lmtp_host_lookup": "native",
    "smtpd_sasl_auth_enable": "no",
    "notify_classes": "",
    "service_throttle_time": "1s",
    "milter_connect_timeout": "4s",
}


class Side:
    """One arrangement.  ``profiles`` must name every configuration that is going to be played."""

    def __init__(self, kind: Kind, profiles: Iterable[Profile]) -> None:
        self.kind = kind
        self.base = public_directory(f"pm-{kind}-")
        self.children = [
            WatchedChild(child_socket(self.base, number, False)) for number in range(1, MOST_CHILDREN + 1)
        ]
        self.sink = Sink(self.base / "sink.sock")
        self.managers = Managers(self.base)
        self._submission = _submission_profile()
        self._ports: dict[Profile, int] = {}
        self._secured: Secured | None = None
        services = [service for profile in dict.fromkeys(profiles) for service in self._smtpd(profile)]
        (self.base / "postfix").mkdir(mode=0o755)
        self.postfix = PrivatePostfix(
            {**MAIN, "default_transport": f"lmtp:unix:{self.base}/sink.sock"},
            [*services, *self._cleanups()],
            base=self.base / "postfix",
        ).start()

    def close(self) -> None:
        """Stop everything and remove the directory."""
        self.postfix.stop()
        self.managers.stop()
        if self._secured is not None:
            self._secured.close()
        for child in self.children:
            child.close()
        self.sink.close()
        shutil.rmtree(self.base, ignore_errors=True)

    def knows(self, profile: Profile) -> bool:
        """Whether scenarios of this profile can be played."""
        return profile in self._ports

    def add_profiles(self, profiles: Iterable[Profile]) -> None:
        """Configure more profiles; takes seconds, so name as many as possible at once."""
        new = [
            service
            for profile in dict.fromkeys(profiles)
            if not self.knows(profile)
            for service in self._smtpd(profile)
        ]
        if new:
            self.postfix.services[:0] = new
            self.postfix.reload()

    def play(self, scenario: Scenario) -> Observation:
        """Play the scenario once, wait until all has come to rest, and say what was seen."""
        profile = self._submission if scenario.submits else scenario.profile
        self._make_ready(scenario, profile)
        log_start = self.postfix.log.stat().st_size if self.postfix.log.exists() else 0
        host = "::1" if scenario.postfix.ipv6 else "127.0.0.1"
        certificate = self._secured.client if self._secured is not None else None
        client = SmtpClient(Address(host, self._ports.get(profile, 0)), certificate)
        client.play(scenario, self._submit)
        left = self._settle(scenario.submits)
        return self._observe(scenario, client, left, log_start)

    def _make_ready(self, scenario: Scenario, profile: Profile) -> None:
        plans = [*scenario.children, *[Child()] * MOST_CHILDREN][: len(profile.fates)]
        scripts = [script(plan) for plan in plans]
        for child in self.children:
            child.follow(Script())
        if self.kind == "behind":
            self._prime(scripts, profile)
        for child, child_script in zip(self.children, scripts, strict=False):
            child.follow(child_script)

    def _prime(self, scripts: list[Script], profile: Profile) -> None:
        manager = self.managers.running(profile)
        version = int(profile.postfix.protocol[0])
        answers = tuple(child_script.negotiate for child_script in scripts)
        if manager.primed == answers:
            return
        if profile.manager.pool and manager.primed is None:
            self._let_it_try_the_pool(manager, len(scripts))
        for child, child_script in zip(self.children, scripts, strict=False):
            child.follow(Script(child_script.negotiate))
        for _ in range(len(scripts) + 1):  # in turn, one stale answer hides those behind it
            manager.prime(version)
        self._wait(self._idle)
        manager.primed = answers

    def _let_it_try_the_pool(self, manager: Manager, children: int) -> None:
        """Before it keeps the first link to a child, Postmill finds out on another one whether it can."""
        manager.prime(VERSION, unknown=True)
        tried = self.children[:children]
        self._wait(lambda: all("K" in {entry.letter for entry in child.seen} for child in tried))
        self._wait(self._idle)

    def _submit(self, step: Step) -> bytes:
        result = self.postfix.sendmail(step[2:], step[1].encode("latin-1"))
        self._wait(lambda: bool(self.children[0].seen))
        self._wait_for_submission()
        return b"%d %s%s" % (result.returncode, result.stdout, result.stderr)

    def _idle(self) -> bool:
        return all(child.idle for child in self.children)

    def _wait(self, condition: object, seconds: float = SETTLE_SECONDS) -> bool:
        assert callable(condition)
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.002)
        return True

    def _settle(self, submitted: bool) -> list[str]:
        """Wait for the end of all filter sessions and deliveries; name what stays behind and remove it."""
        left = []
        if not self._wait(self._idle):
            left.append("filter session still open")
        for child in self.children:
            if child.kept:
                child.drop()
        if submitted:
            self._wait_for_submission()
        if not self._wait(lambda: self._queue_empty() and self._queue_empty()):
            left.append("queue not empty")
        left += self._remove_left_mail("maildrop") + self._remove_left_mail("deferred")
        return left

    def _wait_for_submission(self) -> None:
        """Until pickup has taken the mail, or clearly has left it in the maildrop for later."""
        maildrop = self.postfix.spool / "maildrop"
        quiet_since = time.monotonic()
        deadline = quiet_since + SETTLE_SECONDS
        while os.listdir(maildrop) and time.monotonic() < deadline:
            if not self._idle() or not self._queue_empty():
                quiet_since = time.monotonic()
            elif time.monotonic() - quiet_since > QUIET_SECONDS:
                return
            time.sleep(0.005)

    def _queue_empty(self) -> bool:
        return not any(os.listdir(self.postfix.spool / queue) for queue in ("incoming", "active"))

    def _remove_left_mail(self, queue: str) -> list[str]:
        files = list(_files(self.postfix.spool / queue))
        for file in files:
            file.unlink(missing_ok=True)
        return [f"mail left in {queue}"] * len(files)

    def _take_held(self) -> list[bytes]:
        texts = []
        for file in sorted(_files(self.postfix.spool / "hold"), key=lambda file: file.stat().st_mtime_ns):
            texts.append(self.postfix.command("postcat", "-e", "-b", "-h", str(file)))
            file.unlink()
        return texts

    def _observe(
        self, scenario: Scenario, client: SmtpClient, left: list[str], log_start: int
    ) -> Observation:
        delivered = self.sink.take()
        held = [_held_essence(text) for text in self._take_held()]
        mask = Mask(str(self.base), numbered=not scenario.concurrent)
        seen = sorted(entry for child in self.children for entry in child.seen)
        mask.learn(queue_ids_in_macros(entry.payload for entry in seen if entry.letter == "D"))
        mask.learn(queue_ids_in_text(answer for _, answer in client.replies))
        mask.learn(queue_ids_in_text(delivery.content for delivery in delivered))
        children = tuple(child.connections(mask) for child in self.children[: len(scenario.children)])
        return Observation(
            tuple((said, mask.text(answer)) for said, answer in client.replies),
            children,
            tuple(sorted(map(mask.delivery, delivered), key=repr)),
            tuple(sorted(map(mask.text, held))),
            tuple(left),
            self.log_since(log_start),
        )

    def log_since(self, start: int) -> str:
        """The mail log from a position on."""
        return self.postfix.log_text()[start:]

    def _smtpd(self, profile: Profile) -> Iterator[Service]:
        port = self._ports[profile] = free_port()
        options = self._options(profile)
        yield smtpd(port, options)
        if profile.postfix.ipv6:
            yield smtpd(port, options, host="[::1]")

    def _options(self, profile: Profile) -> dict[str, str]:
        settings = profile.postfix
        return {
            "smtpd_milters": self._milters(profile),
            "milter_protocol": settings.protocol,
            "smtpd_delay_open_until_valid_rcpt": "yes" if settings.delay_open else "no",
            "cleanup_service_name": "cleanup_submission" if settings.phantom else "cleanup",
            **(self._secure() if settings.secure else {}),
            **dict(settings.main),
        }

    def _secure(self) -> dict[str, str]:
        """What STARTTLS and AUTH need, made when the first scenario asks for it."""
        self._secured = self._secured or Secured(self.base)
        return self._secured.options

    def _milters(self, profile: Profile) -> str:
        if self.kind == "behind":
            manager = self.managers.socket_for(profile)
            return f"{{ unix:{manager}, command_timeout=60s, content_timeout=60s }}"
        settings = profile.postfix
        limits = f"command_timeout={settings.command_timeout}, content_timeout={settings.content_timeout}"
        return ", ".join(
            f"{{ unix:{child_socket(self.base, number, absent)}, default_action={on_error}, {limits} }}"
            for number, (on_error, absent) in enumerate(profile.fates, 1)
        )

    def _cleanups(self) -> Iterator[Service]:
        options = {"non_smtpd_milters": self._milters(self._submission)}
        yield Service("cleanup_submission", "unix", "cleanup", options, private="n", maxproc="0")
        pickup = {"cleanup_service_name": "cleanup_submission"}
        yield Service("pickup", "unix", "pickup", pickup, private="n", wakeup="60", maxproc="1")


def _submission_profile() -> Profile:
    """Mail by sendmail(1) has no port to choose by: always three filters; the last may just continue."""
    return Scenario("", (Child(),) * MOST_CHILDREN, ()).profile


def _files(directory: Path) -> Iterator[Path]:
    for parent, _, names in os.walk(directory):
        yield from (Path(parent, name) for name in names)


def _held_essence(text: bytes) -> bytes:
    """Of postcat's output: envelope addresses, reason, and the message; not its times and offsets."""
    keep = (b"sender:", b"recipient:", b"original_recipient:", b"dsn_", b"named_attribute: dsn_")
    envelope, _, content = text.partition(b"*** MESSAGE CONTENTS")
    lines = [line for line in envelope.splitlines() if line.startswith(keep)]
    content = content.partition(b"***\n")[2].partition(b"*** HEADER EXTRACTED")[0]
    return b"\n".join([*lines, b"", content])

"""The ways to sockets: Postfix's user to ours, ours to the milters'."""

from __future__ import annotations

import pytest

from postmill.host.accounts import Account, Owned
from postmill.host.checkups import milters, own_socket
from postmill.host.diagnosis import Level
from postmill.host.talking import Answer
from tests.host.checkups.patients import ACCOUNTS, MAIN, SOCKET, TWO, only, with_postfix, wrong
from tests.host.texts import QUEUE

DIRECTORY = f"{QUEUE}/postmill"
MILTER = "/run/opendkim/opendkim.sock"


@pytest.mark.parametrize(
    ("path", "owned", "command", "safe"),
    [
        (SOCKET, Owned(0o140600, 990, 105), ("chmod", "g+w", SOCKET), True),
        (SOCKET, Owned(0o140660, 990, 990), ("chgrp", "postfix", SOCKET), True),
        (SOCKET, Owned(0o140000, 102, 105), ("chmod", "u+w", SOCKET), True),
        (DIRECTORY, Owned(0o040700, 990, 105), ("chmod", "g+x", DIRECTORY), True),
        (DIRECTORY, Owned(0o040750, 990, 990), ("chgrp", "postfix", DIRECTORY), True),
        (DIRECTORY, Owned(0o040750, 0, 0), ("chgrp", "postfix", DIRECTORY), False),
        ("/var", Owned(0o040750, 0, 0), ("chmod", "a+x", "/var"), False),
    ],
)
def test_what_keeps_postfix_from_us(path: str, owned: Owned, command: tuple[str, ...], safe: bool) -> None:
    found = only(own_socket.check(with_postfix(paths={path: owned})))
    assert f"postfix, the user of Postfix, cannot connect to unix:{SOCKET}: it may not" in found.text
    assert f" {path} (mode " in found.text
    assert (found.level, found.command, found.safe) == (Level.ERROR, command, safe)
    assert ("socket_mode" in found.advice) == (path == SOCKET)


@pytest.mark.parametrize("mode", [0o140666, 0o140602])
def test_a_socket_that_is_open_to_all(mode: int) -> None:
    assert wrong(own_socket.check(with_postfix(paths={SOCKET: Owned(mode, 990, 990)}))) == []


def test_nobody_answers() -> None:
    dead = {f"unix:{SOCKET}": Answer(trouble="Connection refused")}
    found = only(own_socket.check(with_postfix(answers=dead)))
    assert found.text == f"Postmill does not answer on unix:{SOCKET}: Connection refused"
    assert "systemctl start postmill" in found.advice


def test_only_sockets_that_postfix_uses_matter() -> None:
    text = TWO.replace(f'["unix:{SOCKET}"]', f'["unix:{SOCKET}", "unix:/run/private.sock"]')
    assert (
        wrong(own_socket.check(with_postfix(text, paths={"/run/private.sock": Owned(0o140600, 0, 0)}))) == []
    )


def test_a_path_that_means_another_in_the_chroot() -> None:
    main = MAIN.replace("unix:postmill", f"unix:{QUEUE}/postmill")
    found = wrong(own_socket.check(with_postfix(main=main)))
    assert {one.text.partition(" ")[0] for one in found} == {
        "smtp/inet",
        "submission/inet",
        "non_smtpd_milters",
    }
    assert f"so looks for Postmill, unix:{SOCKET}, at unix:{QUEUE}{SOCKET}" in found[0].text
    assert found[0].command[:3] == ("postmill", "setup", "postfix")
    assert found[0].safe
    assert wrong(own_socket.check(with_postfix(main=main, chroot="n"))) == []


def test_a_socket_that_no_chroot_reaches() -> None:
    text = TWO.replace(SOCKET, "/run/postmill.sock")
    found = wrong(own_socket.check(with_postfix(text, MAIN.replace("postmill/postmill", "/run/postmill"))))
    assert "Postfix cannot reach unix:/run/postmill.sock" in found[0].text
    assert not any(one.safe or one.command for one in found)
    reached = "smtpd_milters = unix:/run/postmill.sock\nmynetworks =\n"
    assert wrong(own_socket.check(with_postfix(text, reached, chroot="n"))) == []


@pytest.mark.parametrize(
    ("path", "owned", "command", "safe"),
    [
        (MILTER, Owned(0o140660, 991, 60), ("usermod", "-aG", "games", "postmill"), True),
        (MILTER, Owned(0o140660, 991, 0), ("usermod", "-aG", "root", "postmill"), False),
        (MILTER, Owned(0o140600, 991, 990), ("chmod", "g+w", MILTER), True),
        (MILTER, Owned(0o140755, 991, 0), ("chmod", "g+w", MILTER), False),
        ("/run/opendkim", Owned(0o040750, 991, 60), ("usermod", "-aG", "games", "postmill"), True),
        ("/run/opendkim", Owned(0o040700, 991, 991), ("chmod", "a+x", "/run/opendkim"), False),
        ("/run/opendkim", Owned(0o040700, 991, 990), ("chmod", "g+x", "/run/opendkim"), False),
    ],
)
def test_what_keeps_us_from_a_milter(path: str, owned: Owned, command: tuple[str, ...], safe: bool) -> None:
    found = only(milters.check(with_postfix(paths={path: owned})))
    assert "postmill, the user of Postmill, cannot connect to opendkim at" in found.text
    assert (found.command, found.safe) == (command, safe)
    assert ("restart Postmill" in found.advice) == (command[0] == "usermod")


def test_a_group_that_the_running_process_does_not_have_yet() -> None:
    paths = {MILTER: Owned(0o140660, 991, 60)}
    accounts = {"postmill": Account("postmill", 990, 990, frozenset({990, 60}))}
    found = only(
        milters.check(
            with_postfix(paths=paths, accounts=accounts, listener=lambda path: ACCOUNTS["postmill"])
        )
    )
    assert "the Postmill that runs now cannot connect to opendkim" in found.text
    assert found.advice.startswith("restart Postmill")
    assert wrong(milters.check(with_postfix(paths=paths, accounts=accounts))) == []


def test_root_is_kept_from_nothing() -> None:
    root = {"postmill": Account("root", 0, 0, frozenset({0}))}
    paths = {MILTER: Owned(0o140000, 991, 60)}
    assert wrong(milters.check(with_postfix(paths=paths, accounts=root))) == []


@pytest.mark.parametrize(
    ("mode", "advice"), [("enforce", "on_error = accept"), ("evaluate", "it is only evaluated"), ("off", "")]
)
def test_a_dead_milter(mode: str, advice: str) -> None:
    text = f'{TWO}mode = "{mode}"\n'
    dead = {"inet:11332@127.0.0.1": Answer(trouble="Connection refused")}
    found = wrong(milters.check(with_postfix(text, answers=dead)))
    assert len(found) == bool(advice)
    for one in found:
        assert one.text == "rspamd does not answer at inet:11332@127.0.0.1: Connection refused"
        assert one.advice == f"is it running? Meanwhile: {advice}"


def test_who_may_not_look_does_not_judge() -> None:
    barred = Answer(trouble="Permission denied", barred=True)
    host = with_postfix(talk=lambda endpoint, within: barred)
    assert wrong([*milters.check(host), *own_socket.check(host)]) == []
    assert all(one.level == Level.NOTE for one in milters.check(host))

"""What the pages say of real mail, and what operators do with them, on a running daemon."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest

from postmill.testing.plan import Mail
from tests.interop.postfix import wait_until
from tests.web.staging import HOSTILE, Stage, address, fill, stage
from tests.web.visitor import Page, Visitor


@pytest.fixture(scope="module")
def one() -> Iterator[Stage]:
    with stage() as made:
        fill(made)
        yield made


@pytest.fixture(scope="module")
def anna(one: Stage) -> Visitor:
    visitor = Visitor(one.url)
    assert visitor.log_in("anna").status == 303
    wait_until(lambda: "4XkVI5" in visitor.get("/messages").text, "the last message in the history", 20)
    return visitor


class _Tags(HTMLParser):
    """Finds what the policy would not run anyway, and elements that are not closed."""

    VOID = ("meta", "link", "img", "input", "br")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.inline: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if tag not in self.VOID:
            self.open.append(tag)
        if (tag == "script" and not named.get("src")) or tag == "style":
            self.inline.append(tag)
        self.inline += [name for name in named if name == "style" or name.startswith("on")]
        self.inline += [
            value
            for name, value in attrs
            if name in ("href", "src") and value and ":" in value.partition("?")[0]
        ]
        if named.get("id"):
            self.ids.append(str(named["id"]))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, tag
        assert self.open.pop() == tag


def checked(page: Page) -> Page:
    assert page.status == 200, page.words
    tags = _Tags()
    tags.feed(page.text)
    assert (tags.open, tags.inline) == ([], [])
    assert len({*tags.ids}) == len(tags.ids)
    return page


def message(visitor: Visitor, search: str) -> Page:
    """The page of the one message that a search finds."""
    found = re.findall(r'href="(/messages/\d+)"', checked(visitor.get(f"/messages?{search}")).text)
    assert len(found) == 1, found
    return checked(visitor.get(found[0]))


@pytest.mark.parametrize("path", ["/", "/?period=day", "/?period=week", "/?period=month", "/?period=odd"])
def test_the_overview_counts_what_the_daemon_counts(one: Stage, anna: Visitor, path: str) -> None:
    words = checked(anna.get(path)).words
    counts = one.daemon.ask("status")["messages"]
    assert f"messages {sum(counts.values())} last" in words
    for verdict, count in counts.items():
        assert f"{verdict} {count} " in words
    assert "gone left-alone" in words or "gone down" in words
    assert "virus-trial up evaluate" in words


def test_messages_are_found(anna: Visitor) -> None:
    everything = checked(anna.get("/messages")).text
    assert everything.count("num took") == 6
    assert "reject at end-of-message by spam" in message(anna, "text=4XkSP2").words
    assert "tempfail at rcpt by greylist" in message(anna, "verdict=tempfail").words
    assert "spam@" not in message(anna, "address=eve@refused.example").words
    assert "offers@spam.example" in message(anna, "text=@spam.example").words
    assert "offers@spam.example" in message(anna, "child=spam").words
    assert "4XkVI5" in message(anna, "child=virus-trial&said=reject").words
    assert "No message fits" in anna.get("/messages?child=spam&said=tempfail").words
    assert "No message fits" in anna.get("/messages?text=4XkSP2&until=2001-01-01T00:00").words
    assert "4XkSP2" in anna.get("/messages?text=4XkSP2&since=2001-01-01T00:00").words


@pytest.mark.parametrize("query", ["before=99999999999999999999", "before=x", "since=9999-99-99", "until=nan", "text=%00", "text=%ff", "verdict=%27%3B--",
                                   "said=reject", "since=0001-01-01", "until=9999-12-31T23:59"])  # fmt: skip
def test_no_question_breaks_the_list(anna: Visitor, query: str) -> None:
    checked(anna.get(f"/messages?{query}"))


def test_the_picture_of_a_message(anna: Visitor) -> None:
    words = message(anna, "text=4XkSP2").words
    assert "milter connect helo mail rcpt data message said" in words
    assert "spam decided" in words
    assert "550 5.7.1 Spam: GTUBE test line" in words
    assert "gone" in words
    assert "lost:" in words
    assert "X-Spam-Status" in message(anna, "text=4XkPL1").words


def test_what_comes_from_mail_is_text(anna: Visitor) -> None:
    page = message(anna, "text=4XkEV4")
    for part in (b"<script>alert", b"<img src=x", b"\x1b", "\u202e".encode()):
        assert part not in page.data
    assert "{{7*7}}" in page.words
    assert r"\x1b[31m\u202e" in page.text
    assert HOSTILE.decode()[:25] in page.words
    assert "<b>no</b>" not in message(anna, "text=@refused.example").text


def test_older_messages_are_on_the_next_page(one: Stage, anna: Visitor) -> None:
    one.send(*(Mail(sender=b"<many@list.example>", queue_id=b"4XkMANY%d" % number) for number in range(60)))

    def all_there() -> bool:
        return "4XkMANY59" in anna.get("/messages?text=@list.example").text

    wait_until(all_there, "the last of them", 20)
    first = checked(anna.get("/messages?text=@list.example"))
    more = re.search(r'href="(/messages\?[^"]*before=\d+)"', first.text)
    assert more
    second = checked(anna.get(more[1].replace("&amp;", "&")))
    seen = [re.findall(r"4XkMANY\d+", page.text) for page in (first, second)]
    assert [len(each) for each in seen] == [50, 10]
    assert len({*seen[0], *seen[1]}) == 60


def test_milters(one: Stage, anna: Visitor) -> None:
    words = checked(anna.get("/milters")).words
    assert "virus-trial" in words
    assert "evaluate" in words
    page = checked(anna.get("/milters/spam?period=day"))
    assert "How long it took at end-of-message" in page.words
    assert "Times by stage" in page.words
    trial = checked(anna.get("/milters/virus-trial")).words
    assert "What it would have done" in trial
    assert "reject accept 1" in trial
    assert "No such file or directory" in checked(anna.get("/milters/gone")).words
    assert anna.get("/milters/nobody").status == 404
    assert anna.get("/milters/spam/mode?to=drop").status == 404


def test_an_operator_takes_a_milter_out_and_puts_it_back(one: Stage, anna: Visitor) -> None:
    asked = checked(anna.get("/milters/opendkim/mode?to=off"))
    assert "Disable opendkim?" in asked.words
    assert one.daemon.milter("opendkim")["mode"] == "enforce", "asking changes nothing"
    page = anna.post("/milters/opendkim/mode", {"token": asked.token(), "mode": "off"})
    assert (page.status, page.headers["location"]) == (303, "/milters/opendkim?done=off")
    assert "opendkim is in mode off now" in checked(anna.get(page.headers["location"])).words
    milter = one.daemon.milter("opendkim")
    assert milter["mode"] == "off"
    user = one.daemon.ask("status")["user"]
    assert milter["overridden"]["by"] == f"anna through {user}"
    assert f"anna through {user} (process " in one.daemon.log
    changes = checked(anna.get("/changes")).words
    assert "opendkim off by anna" in changes
    assert "mode opendkim off done" in changes
    one.daemon.run("enable", "opendkim")
    wait_until(
        lambda: f"{user} enable opendkim done" in anna.get("/changes").words, "what was done elsewhere", 10
    )
    assert anna.post("/milters/nobody/mode", {"token": asked.token(), "mode": "off"}).status == 409
    wait_until(lambda: "refused there is no milter" in anna.get("/changes").words, "what was refused", 10)
    assert anna.post("/milters/spam/mode", {"token": asked.token(), "mode": "drop"}).status == 400


def test_the_configuration_is_shown_checked_and_taken(one: Stage, anna: Visitor) -> None:
    assert "socket" in checked(anna.get("/configuration")).words
    every = checked(anna.get("/configuration?all=1&check=1")).words
    assert "The file can be used" in every
    assert "drain_timeout" in every
    before = one.daemon.ask("status")["configuration"]["since"]
    asked = checked(anna.get("/configuration/reload"))
    time.sleep(0.01)
    page = anna.post("/configuration/reload", {"token": asked.token()})
    assert page.headers["location"] == "/configuration?done=1"
    assert one.daemon.ask("status")["configuration"]["since"] > before
    assert "The daemon has taken" in checked(anna.get("/configuration?done=1")).words, (
        "and nobody was logged out"
    )
    text = one.daemon.config.read_text()
    one.daemon.config.write_text(text.replace("workers", "wrokers"))
    wrong = checked(anna.get("/configuration")).words
    assert "did you mean workers?" in wrong
    assert "did you mean workers?" in checked(anna.get("/configuration/reload")).words
    assert anna.post("/configuration/reload", {"token": asked.token()}).status == 409
    one.daemon.config.write_text(text)


def test_findings(anna: Visitor) -> None:
    page = checked(anna.get("/findings"))
    assert "Nobody has looked yet" in page.words
    assert anna.post("/findings", {"token": page.token()}).headers["location"] == "/findings"
    wait_until(lambda: "The doctor" in anna.get("/findings").words.partition("Looked")[2], "the doctor", 90)
    words = checked(anna.get("/findings")).words
    assert "gone" in words
    assert "error" in words


def test_without_a_history_and_without_the_daemon() -> None:
    with stage() as bare:
        del bare.daemon.tables["history"]
        assert bare.daemon.reload().returncode == 0
        visitor = Visitor(address(bare.daemon, 2))
        visitor.log_in("anna")
        fill(bare)
        words = checked(visitor.get("/")).words
        assert "since the start" in words
        assert "No charts without a history" in words
        assert "No history is kept" in checked(visitor.get("/messages")).words
        assert visitor.get("/messages/5").status == 404
        assert "reject" in checked(visitor.get("/milters/spam")).words
        bare.daemon.control["socket"] = ""
        assert bare.daemon.reload().returncode == 0
        visitor = Visitor(address(bare.daemon, 3))
        visitor.log_in("anna")
        for path in ("/", "/milters", "/configuration", "/changes", "/findings"):
            assert checked(visitor.get(path)).status == 200
        assert "control.socket is empty" in visitor.get("/").words


def test_a_history_that_cannot_be_read_is_said() -> None:
    with stage() as made:
        made.daemon.tables["history"] = {"url": f"sqlite:{made.daemon.directory}/nowhere/history.db"}
        assert made.daemon.reload().returncode == 0
        visitor = Visitor(address(made.daemon, 2))
        visitor.log_in("anna")
        for path in ("/", "/messages", "/milters", "/milters/spam"):
            assert "history: " in checked(visitor.get(path)).words
        assert visitor.get("/messages/5").status == 404
        (made.daemon.directory / "nowhere").mkdir()
        fill(made)
        wait_until(lambda: "4XkSP2" in visitor.get("/messages").text, "the history", 30)
        assert "history: " not in checked(visitor.get("/")).words


def test_static_files_are_kept_by_browsers(anna: Visitor) -> None:
    page = anna.get("/")
    for link in re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text):
        static = anna.get(link)
        assert static.status == 200
        assert "immutable" in static.headers["cache-control"]
        assert not static.cookies
    assert page.headers["cache-control"] == "no-store"


def test_samples_are_sent_only_where_a_server_is_named(anna: Visitor) -> None:
    assert anna.get("/samples").status == 404
    assert "Samples" not in anna.get("/").words


def test_samples_are_sent_by_operators_only() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        with stage(samples=f"inet:{nobody.getsockname()[1]}@127.0.0.1") as made:
            bert, anna = Visitor(made.url), Visitor(made.url)
            bert.log_in("bert")
            assert "Only operators may send" in checked(bert.get("/samples")).words
            token = bert.get("/samples").token()
            assert bert.post("/samples", {"token": token, "sample": "spam"}).status == 403
            anna.log_in("anna")
            token = checked(anna.get("/samples")).token()
            assert anna.post("/samples", {"token": token, "sample": "more"}).status == 400
            sent = anna.post("/samples", {"token": token, "sample": "spam"})
            assert "Connection refused" in anna.get(sent.headers["location"]).words

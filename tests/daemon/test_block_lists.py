"""A daemon that asks DNS block lists: real packets from its event loop to a DNS server, answers in its records."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Generator
from contextlib import contextmanager

from postmill.testing.child import ScriptedChild
from postmill.testing.mta import FakeMta
from postmill.testing.script import Script
from tests.daemon.running import Daemon
from tests.interop.postfix import wait_until
from tests.net.name_server import NameServer, name_server


@contextmanager
def beside(server: NameServer) -> Generator[NameServer, None, None]:
    """Run a DNS server in a thread of its own."""
    loop = asyncio.new_event_loop()
    ready, over = threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with name_server(server):
            ready.set()
            await over.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(10)
        yield server
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
        loop.close()


def send(endpoint: str, address: bytes, sender: bytes) -> None:
    """One session up to MAIL."""
    with FakeMta(endpoint) as mta:
        mta.negotiate()
        mta.client(b"unknown", b"6" if b":" in address else b"4", 25, address)
        mta.helo()
        mta.mail(sender)
        mta.abort()
        mta.quit()


RECORDS = {
    "5.2.0.192.bl.example A": ("127.0.0.2",),
    "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.bl.example A": ("127.0.0.3",),
}


def test_a_daemon_asks_block_lists() -> None:
    dns = NameServer(RECORDS, failing=("8.2.0.192.bl.example",), silent=("9.2.0.192.bl.example",))
    with beside(dns), ScriptedChild(Script()) as child:
        settings = {"zones": {"bl.example": []}, "servers": [dns.address], "timeout": "3s"}
        milter = {"socket": str(child.endpoint), "when": [{"name": "dnsbl-listed", **settings}]}
        daemon = Daemon({"greylist": milter})
        daemon.log_settings["format"] = "json"
        clients = ("192.0.2.5", "2001:db8::1", "192.0.2.7", "192.0.2.8", "192.0.2.9", "192.0.2.7")
        with daemon:
            for number, address in enumerate(clients):
                send(daemon.endpoint, address.encode(), b"<%d@example.com>" % number)
            wait_until(lambda: daemon.log.count("@example.com") >= len(clients), "the records")
            lines = [json.loads(line).get("message") for line in daemon.log.splitlines()]
    records = [line for line in lines if isinstance(line, dict) and "@example.com" in str(line["sender"])]
    decisions = [child["conditions"][0] for record in records for child in record["children"]]
    assert [(decision["applies"], decision["because"]) for decision in decisions] == [
        (True, "192.0.2.5 is listed in bl.example (127.0.0.2)"),
        (True, "2001:db8::1 is listed in bl.example (127.0.0.3)"),
        (False, "192.0.2.7 is not listed in bl.example"),
        (False, "192.0.2.8 is taken as not listed: bl.example gave no answer (the DNS server said SERVFAIL)"),
        (False, "192.0.2.9 is taken as not listed: bl.example gave no answer (no answer within 3 s)"),
        (False, "192.0.2.7 is not listed in bl.example"),
    ]
    assert dns.asked.count("7.2.0.192.bl.example") == 1

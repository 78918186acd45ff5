"""The process inside a box: a DNS server for a handful of names, and a stand-in for syslogd.

Run as `box_services.py ADDRESS|none ZONE LOG READY`. It touches READY when both answer, and ends with its
parent. It imports nothing of the project, so that it starts quickly.
"""

from __future__ import annotations

import os
import socket
import socketserver
import sys
import threading
import time
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

TTL = 60


class Zone:
    """Names with their records, read from lines `name type value`."""

    def __init__(self, text: str) -> None:
        self.records: dict[tuple[str, str], list[str]] = {}
        for line in text.splitlines():
            name, kind, value = line.split(None, 2)
            self.records.setdefault((name.lower().rstrip(".") + ".", kind), []).append(value)
        self.names = {name for name, _ in self.records}

    def answer(self, wire: bytes) -> bytes:
        """Return the response to a query; a name that is not in the zone does not exist."""
        query = dns.message.from_wire(wire)
        response = dns.message.make_response(query)
        response.flags |= dns.flags.AA | dns.flags.RA
        question = query.question[0]
        name = question.name.to_text().lower()
        values = self.records.get((name, dns.rdatatype.to_text(question.rdtype)))
        if values:
            response.answer.append(
                dns.rrset.from_text_list(question.name, TTL, "IN", question.rdtype, values)
            )
        elif not any(known == name or known.endswith("." + name) for known in self.names):
            response.set_rcode(dns.rcode.NXDOMAIN)
        return response.to_wire(max_size=65535)


def serve_dns(address: str, zone: Zone) -> None:
    """Answer on port 53, UDP and TCP, from threads of their own."""

    class Datagram(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            data, reply = self.request
            reply.sendto(zone.answer(data), self.client_address)

    class Stream(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while length := self.rfile.read(2):
                answer = zone.answer(self.rfile.read(int.from_bytes(length, "big")))
                self.wfile.write(len(answer).to_bytes(2, "big") + answer)

    servers = (
        socketserver.ThreadingUDPServer((address, 53), Datagram),
        socketserver.ThreadingTCPServer((address, 53), Stream),
    )
    for server in servers:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()


def serve_log(path: Path) -> None:
    """Append every datagram that arrives on /dev/log to `path`."""
    log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    log.bind("/dev/log")
    Path("/dev/log").chmod(0o666)

    def collect() -> None:
        with path.open("ab", buffering=0) as out:
            while True:
                out.write(log.recv(65536).rstrip(b"\0\n") + b"\n")

    threading.Thread(target=collect, daemon=True).start()


def main(address: str, zone: str, log: str, ready: str) -> None:
    """Serve until the parent has gone."""
    parent = os.getppid()
    if address != "none":
        serve_dns(address, Zone(Path(zone).read_text()))
    serve_log(Path(log))
    Path(ready).touch()
    while os.getppid() == parent:
        time.sleep(0.5)


if __name__ == "__main__":
    main(*sys.argv[1:])

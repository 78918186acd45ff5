"""What the daemon runs beside the mail: metrics and traces. The dashboard is in ``tests/web``."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from urllib.error import URLError
from urllib.request import urlopen

from postmill.testing.child import ScriptedChild
from postmill.testing.mta import FakeMta
from postmill.testing.plan import Mail, SessionPlan
from tests.daemon.running import Daemon
from tests.interop.postfix import free_port, wait_until


def companion(daemon: Daemon, command: str) -> int:
    """The process of a companion; 0 when there is none."""
    word = f"\0{command}\0".encode()
    return next((pid for pid in daemon.workers if word in Path(f"/proc/{pid}/cmdline").read_bytes()), 0)


def test_metrics_are_told_while_they_are_wanted() -> None:
    port = free_port()
    with ScriptedChild() as child:
        daemon = Daemon({"spam": {"socket": str(child.endpoint)}})
        daemon.tables["metrics"] = {"listen": f"inet:{port}@127.0.0.1"}
        with daemon:
            FakeMta(daemon.endpoint).session(SessionPlan())
            wanted = b'postmill_messages_total{verdict="accept"} 1'

            def told() -> bool:
                try:
                    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
                        return wanted in answer.read()
                except URLError:
                    return False

            wait_until(told, "the metrics", 30)
            pid = companion(daemon, "metrics")
            assert pid
            daemon.tables["metrics"] = {"listen": ""}
            assert daemon.reload().returncode == 0
            wait_until(lambda: not Path(f"/proc/{pid}").exists(), "its end", 20)
            assert FakeMta(daemon.endpoint).session(SessionPlan()).error == ""


def test_traces_are_sent_and_end_with_the_daemon() -> None:
    bodies: list[bytes] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Collector) as server, ScriptedChild() as child:
        Thread(target=server.serve_forever, daemon=True).start()
        daemon = Daemon({"spam": {"socket": str(child.endpoint)}})
        daemon.tables["history"] = {"url": f"sqlite:{daemon.directory}/history.db"}
        daemon.tables["tracing"] = {
            "endpoint": f"http://127.0.0.1:{server.server_port}",
            "place": f"{daemon.directory}/place",
        }
        with daemon:
            FakeMta(daemon.endpoint).session(SessionPlan(mails=(Mail(queue_id=b"EARLIER"),)))
            wait_until((daemon.directory / "place").exists, "its first look", 30)
            FakeMta(daemon.endpoint).session(SessionPlan(mails=(Mail(queue_id=b"TRACED"),)))
            wait_until(lambda: any(b"TRACED" in body for body in bodies), "a trace", 30)
            pid = companion(daemon, "trace")
            assert daemon.stop() == 0
            assert not Path(f"/proc/{pid}").exists()
        server.shutdown()

"""The SMTP client inside the container, run by its own Python: nothing of this project or of the tests is there.

traffic.py send [FROM [TO [CLIENT]]]   one message from the standard input; prints [code, text]. CLIENT: from this
                               address of the machine, to its first one that is not 127.0.0.1
traffic.py hold                a session up to RCPT, the message after a line on the standard input; the same
traffic.py flow                message after message until the standard input ends; prints {sent, failed}
"""

from __future__ import annotations

import json
import smtplib
import sys
import threading
from typing import Any

MESSAGE = "From: bob@example.com\r\nTo: alice@localhost\r\nSubject: lunch\r\n\r\nAt noon?\r\n"
SERVER = "198.51.100.1"
FROM, TO = "bob@example.com", "alice@localhost"


class Client(smtplib.SMTP):
    """A client that lets the server be slow."""

    def __init__(self, client: str = "") -> None:
        server = SERVER if client else "127.0.0.1"
        source = (client, 0) if client else None
        super().__init__(server, 25, local_hostname="client.example.com", timeout=100, source_address=source)

    def up_to_recipient(self, sender: str, recipient: str) -> None:
        """Raise SMTPResponseException at the first command that is refused."""
        self.ehlo_or_helo_if_needed()
        for code, text in (self.mail(sender), self.rcpt(recipient)):
            if code >= 400:
                raise smtplib.SMTPResponseException(code, text)

    def message(self, text: str) -> list[Any]:
        """Give the message and return the answer's code and text."""
        code, answer = self.data(text)
        return [code, answer.decode()]


def send(sender: str = FROM, recipient: str = TO, client: str = "", *, text: str = MESSAGE) -> list[Any]:
    """Send one message in a session of its own."""
    try:
        with Client(client) as session:
            session.up_to_recipient(sender, recipient)
            return session.message(text)
    except smtplib.SMTPResponseException as error:
        return [error.smtp_code, str(error.smtp_error)]
    except (OSError, smtplib.SMTPException) as error:
        return [0, f"{type(error).__name__}: {error}"]


def hold() -> list[Any]:
    """Wait in the middle of a session until told to go on."""
    with Client() as client:
        client.up_to_recipient(FROM, TO)
        print("held", flush=True)
        sys.stdin.readline()
        return client.message(MESSAGE)


def flow() -> dict[str, Any]:
    """Send until told to stop."""
    stop = threading.Event()
    threading.Thread(target=_wait_for_end, args=(stop,), daemon=True).start()
    answers = []
    while not stop.is_set():
        answers.append(send())
        if len(answers) == 1:
            print("flowing", flush=True)
        stop.wait(0.05)
    return {"sent": len(answers), "failed": [answer for answer in answers if answer[0] != 250]}


def _wait_for_end(stop: threading.Event) -> None:
    sys.stdin.read()
    stop.set()


def main(verb: str, *addresses: str) -> None:
    """Do what is asked for and print what came of it."""
    if verb == "send":
        result: Any = send(*addresses, text=sys.stdin.read())
    else:
        result = {"hold": hold, "flow": flow}[verb]()
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

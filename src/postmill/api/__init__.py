"""The words that authors use, floor 4: nouns for what is known at each stage, conditions, settings, ports.

Built-in conditions and filters are written with what stands here and nothing else; so are an administrator's
own in ``/etc/postmill/policy.d/``. Nothing here does I/O: a port is what the daemon, or a test, hands in.
"""

from postmill.api.conditions import Applies, Apply, Condition, Skip, condition
from postmill.api.detection import Detector, detector
from postmill.api.host import Finding, Host, Platform, Source, State
from postmill.api.nouns import Address, Client, Envelope, Greeting, Head, Header, Message, Recipient, Sender
from postmill.api.ports import Clock, Load, Resolver, Verdicts
from postmill.api.settings import key, required
from postmill.wire.endpoint import Endpoint

__all__ = [
    "Address",
    "Applies",
    "Apply",
    "Client",
    "Clock",
    "Condition",
    "Detector",
    "Endpoint",
    "Envelope",
    "Finding",
    "Greeting",
    "Head",
    "Header",
    "Host",
    "Load",
    "Message",
    "Platform",
    "Recipient",
    "Resolver",
    "Sender",
    "Skip",
    "Source",
    "State",
    "Verdicts",
    "condition",
    "detector",
    "key",
    "required",
]

"""The words that authors use, floor 4: nouns by stage, milters, verdicts, conditions, settings, ports.

Built-in conditions and filters are written with what stands here and nothing else; so are an administrator's
own in ``/etc/postmill/policy.d/``. Nothing here does I/O: a port is what the daemon, or a test, hands in.
"""

from postmill.api.conditions import Applies, Apply, Condition, Skip, condition
from postmill.api.detection import Detector, detector
from postmill.api.edits import BodyEdit, Edit, EnvelopeEdit, HeaderEdit
from postmill.api.host import Finding, Host, Platform, Source, State
from postmill.api.milter import Milter
from postmill.api.nouns import Address, Client, Envelope, Greeting, Head, Header, Message, Recipient, Sender
from postmill.api.ports import Clock, Load, Resolver, Store, Verdicts
from postmill.api.settings import key, required
from postmill.api.verdicts import Accept, Discard, Quarantine, Reject, Tempfail, Verdict
from postmill.wire.endpoint import Endpoint

__all__ = [
    "Accept",
    "Address",
    "Applies",
    "Apply",
    "BodyEdit",
    "Client",
    "Clock",
    "Condition",
    "Detector",
    "Discard",
    "Edit",
    "Endpoint",
    "Envelope",
    "EnvelopeEdit",
    "Finding",
    "Greeting",
    "Head",
    "Header",
    "HeaderEdit",
    "Host",
    "Load",
    "Message",
    "Milter",
    "Platform",
    "Quarantine",
    "Recipient",
    "Reject",
    "Resolver",
    "Sender",
    "Skip",
    "Source",
    "State",
    "Store",
    "Tempfail",
    "Verdict",
    "Verdicts",
    "condition",
    "detector",
    "key",
    "required",
]

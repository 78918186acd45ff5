"""How Postmill becomes the one milter of a Postfix: what to change in main.cf and master.cf, and why.

``plan`` is a function of texts and values: postconf has been asked before (`postfix`), and the files are
written afterwards (`files`). Which macros are needed: protocol §5.2, §6.5; what
``milter_default_action`` does: §7.3.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from postmill.config import Loaded
from postmill.host import main_cf
from postmill.host.adoption import Adoption, adopt, named
from postmill.host.known import is_ours, other_failure, why_kept
from postmill.host.master_cf import edit_overrides
from postmill.host.milter_lists import REFERENCES, Sorter, same_elements
from postmill.host.plan import Change, Plan, changed
from postmill.host.postfix import (
    MACRO_PARAMETERS,
    ListedMilter,
    Postfix,
    Service,
    parse_milters,
    split_list,
)
from postmill.host.reach import address_for_postfix
from postmill.host.times import seconds

NEEDED_MACROS: Mapping[str, tuple[str, ...]] = {
    "connect": ("j", "{daemon_name}", "{daemon_addr}", "{daemon_port}", "v"),
    "mail": ("{auth_author}", "{auth_type}", "{auth_authen}"),
    "rcpt": ("{rcpt_mailer}",),
    "data": ("i",),
    "eoh": ("i",),
    "eom": ("i",),
}
"""What Postmill itself makes use of: which MTA, where the client connected, who logged in, which recipients
the MTA has refused, and the queue id."""

ACTION = "tempfail"
STRICTNESS = ("accept", "quarantine", ACTION, "shutdown", "reject")
"""The words of ``milter_default_action``, the laxest first."""

COMMENT = "Postmill is the milter here: `postmill setup postfix` wrote this, and its --undo takes it back."

_PATIENCE = {"connect": 30.0, "command": 30.0, "content": 300.0}
"""Postfix's defaults of ``milter_connect_timeout`` and its like, in seconds."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the administrator asked for besides."""

    non_smtpd: bool = False
    """Put Postmill into ``non_smtpd_milters``, too."""
    adopt: bool = False
    """Take milters that Postmill does not know over into postmill.toml."""


@dataclass(frozen=True, slots=True)
class Texts:
    """The files as they are."""

    main: str
    master: str
    postmill: str


NO_WISHES = Wishes()


def plan(postfix: Postfix, texts: Texts, loaded: Loaded, wishes: Wishes = NO_WISHES) -> Plan:
    """Decide all changes; ConfigError when Postfix could not reach Postmill."""
    return _Decision(postfix, texts, loaded, wishes).plan()


class _Decision:
    """All that is known while one plan is made."""

    def __init__(self, postfix: Postfix, texts: Texts, loaded: Loaded, wishes: Wishes) -> None:
        self.postfix = postfix
        self.texts = texts
        self.loaded = loaded
        self.wishes = wishes
        self.written = main_cf.written(texts.main)
        self.smtpd = parse_milters(postfix.value("smtpd_milters"))
        self.concerned = (*self.smtpd, *(postfix.non_smtpd_milters() if wishes.non_smtpd else ()))
        self.sorter = Sorter(postfix.queue_directory, loaded.settings)
        self.adoptions = self._adoptions() if wishes.adopt else {}
        self.sorter = replace(self.sorter, adopted=frozenset(self.adoptions))
        self.own = next((milter for milter in self.smtpd if self._works(milter)), None)
        self.address = self.own.address if self.own else address_for_postfix(postfix, self._askers(), loaded)

    def plan(self) -> Plan:
        """Put everything together."""
        directory, texts = self.postfix.directory, self.texts
        main = main_cf.set_parameters(texts.main, self._values(), COMMENT)
        master = edit_overrides(texts.master, "smtpd_milters", self.sorter.without_doubles)
        new_children = {adoption.name: adoption for adoption in self.adoptions.values()}.values()
        names = {text: adoption.name for text, adoption in self.adoptions.items()}
        fates = {milter.text: (self.sorter.fate(milter), milter) for milter in self.concerned}
        return Plan(
            address=self.address,
            changes=changed(
                Change(f"{directory}/main.cf", texts.main, main),
                Change(f"{directory}/master.cf", texts.master, master),
                Change(self.loaded.file, texts.postmill, adopt(texts.postmill, new_children)),
            ),
            removed=tuple(
                (text, self.sorter.name(milter))
                for text, (fate, milter) in fates.items()
                if fate == "child" and text not in names
            ),
            adopted=tuple((adoption.written, adoption.name) for adoption in new_children),
            kept=tuple(
                (text, why_kept(self.sorter.child(milter), bool(self.sorter.readings(milter))))
                for text, (fate, milter) in fates.items()
                if fate == "stranger"
            ),
            notes=tuple(filter(None, self._notes())),
            warnings=tuple(self._warnings()),
        )

    # --- who asks, and whom ------------------------------------------------------------------------------

    def _askers(self) -> list[Service]:
        """The services that will ask Postmill."""
        askers = [service for service in self.postfix.smtpd_services if self._asks(service)]
        if self._is_included(self._non_smtpd()):
            askers += self.postfix.of_command("cleanup")
        return askers

    def _asks(self, service: Service) -> bool:
        own = service.written.get("smtpd_milters")
        return not self.postfix.asks_no_milters(service) and (own is None or self._is_included(own))

    def _is_included(self, value: str) -> bool:
        """Whether a list names Postmill, itself or with the general list."""
        return any(
            text in REFERENCES or self.sorter.fate(parse_milters(text)[0]) == "ours"
            for text in split_list(value)
        )

    def _others_remain(self) -> bool:
        """Whether milters besides Postmill go on living by Postfix's general ``milter_…`` parameters."""
        overrides = (service.written.get("smtpd_milters", "") for service in self.postfix.smtpd_services)
        lists = [self._non_smtpd(), *(self.sorter.without_doubles(value) for value in overrides)]
        others = [
            milter for value in lists for milter in parse_milters(value) if milter.text not in REFERENCES
        ]
        strangers = any(self.sorter.fate(milter) == "stranger" for milter in self.concerned)
        return strangers or any(self.sorter.fate(milter) != "ours" for milter in others)

    def _adoptions(self) -> dict[str, Adoption]:
        """The strangers that can be taken over, by how they are written."""
        chrooted = any(service.chroot for service in self.postfix.smtpd_services)
        found = {}
        for milter in self.concerned:
            socket = milter.endpoint(self.postfix.queue_directory, chrooted=chrooted)
            known = bool(self.sorter.name(milter)) or self.sorter.fate(milter) == "ours"
            if socket is not None and not known:
                found[milter.text] = Adoption(
                    milter.text, "", socket, self._action(milter), self._times(milter)
                )
        return named(found, [milter.name for milter in self.loaded.settings.milters])

    def _action(self, milter: ListedMilter) -> str:
        return milter.options.get("default_action", self.postfix.milter_default_action)

    def _times(self, milter: ListedMilter) -> dict[str, float]:
        """The times to wait for a milter that differ from Postfix's defaults."""
        times = {
            name: seconds(milter.options.get(f"{name}_timeout", self.postfix.value(f"milter_{name}_timeout")))
            for name in _PATIENCE
        }
        return {name: time for name, time in times.items() if time and time != _PATIENCE[name]}

    # --- main.cf -----------------------------------------------------------------------------------------

    def _values(self) -> dict[str, str]:
        """The parameters to set."""
        return {**self._lists(), **self._protocol(), **self._macros(), **self._default_action()}

    def _lists(self) -> dict[str, str]:
        values = {}
        elements = self.sorter.with_postmill(self.smtpd, self._own_element())
        if not same_elements(self.postfix.value("smtpd_milters"), elements):
            values["smtpd_milters"] = ", ".join(elements)
        non_smtpd = self._non_smtpd()
        if non_smtpd != self.written.get("non_smtpd_milters", ""):
            values["non_smtpd_milters"] = non_smtpd
        return values

    def _non_smtpd(self) -> str:
        """The new value of ``non_smtpd_milters``."""
        value = self.sorter.without_doubles(self.written.get("non_smtpd_milters", ""))
        if not self.wishes.non_smtpd or self._is_included(value):
            return value
        others = [m.text for m in self.postfix.non_smtpd_milters() if self.sorter.fate(m) == "stranger"]
        general = {milter.text for milter in self.smtpd}
        return ", ".join(["$smtpd_milters", *(text for text in others if text not in general)])

    def _own_element(self) -> str:
        """Postmill as an element of a list: as it stands there if that will do."""
        options = dict(self.own.options) if self.own else {}
        if _is_lax(options.get("default_action", "")):
            del options["default_action"]
        if options.get("protocol", "6") < "6":
            del options["protocol"]
        if self._others_remain():
            options |= {"default_action": ACTION} if _is_lax(self._own_or(options, "default_action")) else {}
            options |= {"protocol": "6"} if self._own_or(options, "protocol") < "6" else {}
        if self.own and self.own.options == options:
            return self.own.text
        settings = "".join(f", {name}={value}" for name, value in options.items())
        return f"{{ {self.address}{settings} }}" if options else self.address

    def _own_or(self, options: Mapping[str, str], name: str) -> str:
        return options.get(name, self.postfix.value(f"milter_{name}"))

    def _works(self, milter: ListedMilter) -> bool:
        """Whether every service that asks finds Postmill by this element."""
        places = {service.chroot for service in self._askers()} or {False}
        endpoints = (milter.endpoint(self.postfix.queue_directory, chrooted=chrooted) for chrooted in places)
        return all(found is not None and is_ours([found], self.loaded.settings) for found in endpoints)

    def _protocol(self) -> dict[str, str]:
        value = self.postfix.value("milter_protocol")
        if value < "6":
            return {} if self._others_remain() else {"milter_protocol": "6"}
        return {} if "milter_protocol" in self.written else {"milter_protocol": "6"}

    def _default_action(self) -> dict[str, str]:
        value = self.postfix.milter_default_action
        if _is_lax(value):
            return {} if self._others_remain() else {"milter_default_action": ACTION}
        return {} if "milter_default_action" in self.written else {"milter_default_action": value}

    def _macros(self) -> dict[str, str]:
        values = {}
        for stage, needed in NEEDED_MACROS.items():
            sent = self.postfix.macros(stage)
            missing = [name for name in needed if name.strip("{}") not in {each.strip("{}") for each in sent}]
            parameter = MACRO_PARAMETERS[stage]
            if missing or (stage == "mail" and parameter not in self.written):
                values[parameter] = " ".join([*sent, *missing])
        return values

    # --- what to say about it ----------------------------------------------------------------------------

    def _notes(self) -> Iterator[str]:
        yield from self._about_default_action()
        for milter in self.concerned:
            child = self.sorter.child(milter)
            if child is not None and self.sorter.fate(milter) == "child":
                yield other_failure(child, self._action(milter))
        for service in self.postfix.smtpd_services:
            if "smtpd_milters" in service.overrides:
                yield self._about_override(service)
        if self.wishes.non_smtpd:
            return
        if not self._is_included(self._non_smtpd()):
            yield "mail from sendmail(1) does not pass Postmill; --non-smtpd puts it there, too"

    def _about_default_action(self) -> Iterator[str]:
        action = self.postfix.milter_default_action
        if _is_lax(action) and self._others_remain():
            yield (
                f"milter_default_action stays {action} for the other milters; Postmill has {ACTION} of its "
                "own: while it is away mail is deferred, not let in unfiltered"
            )
        elif _is_lax(action) or self._default_action():
            yield (
                f"milter_default_action = {ACTION}: while Postmill is away mail is deferred, neither let in "
                "unfiltered nor refused for good; what happens when a milter fails says its on_error"
            )

    def _about_override(self, service: Service) -> str:
        own = self.sorter.without_doubles(service.written.get("smtpd_milters", ""))
        start = f"{service.key} of master.cf has its own smtpd_milters"
        if not own:
            return f"{start}, none: its mail passes no milter"
        if self._is_included(own):
            return f"{start}, {own}: Postmill is among them"
        names = [f"{m.text} ({self.sorter.name(m) or 'unknown here'})" for m in parse_milters(own)]
        return f"{start}, {', '.join(names)}: Postmill does not see its mail"

    def _warnings(self) -> Iterator[str]:
        for name, numbers in main_cf.repeated(self.texts.main).items():
            if "milter" in name:
                lines = ", ".join(str(number) for number in numbers)
                yield f"{name} is set more than once in main.cf, on lines {lines}: the last one counts"
        if self.postfix.asks_no_milters():
            yield "receive_override_options has no_milters in main.cf: Postfix asks none; take it out there"
        maps = self.postfix.value("smtpd_milter_maps")
        if maps:
            yield f"smtpd_milter_maps = {maps} chooses other milters for some clients; look through it"


def _is_lax(action: str) -> bool:
    return action in STRICTNESS and STRICTNESS.index(action) < STRICTNESS.index(ACTION)

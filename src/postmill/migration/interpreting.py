"""What a configuration of the predecessor declares, statement by statement, as the predecessor would take it.

What only running it would tell is not guessed at: it is named with its line. What the declared values mean
here is said in ``carrying``.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from postmill.migration import advice, conditions
from postmill.migration.conditions import Additions
from postmill.migration.equivalents import BY_NAME, GROUPS
from postmill.migration.faults import Unreadable
from postmill.migration.grammar import Assignment, Block, Call, Foreign, Statement, read
from postmill.migration.remarks import Given, Place, Remarks
from postmill.migration.ruby import literal
from postmill.migration.tokens import Pattern

MILTER_SETTINGS = (
    "connection_spec", "description", "enabled", "fallback_status", "evaluation_mode",
    "applicable_conditions", "command", "command_options", "user_name", "connection_timeout",
    "writing_timeout", "reading_timeout", "end_of_message_timeout",
)  # fmt: skip

_SHOWN = 70
"""How many characters of code are shown."""


@dataclass(slots=True)
class OldMilter:
    """One milter of the predecessor: its settings by name, and its conditions in their order."""

    name: str
    place: Place
    given: dict[str, Given] = field(default_factory=dict)
    conditions: dict[str, Given] = field(default_factory=dict)


@dataclass(slots=True)
class Restriction:
    """A list of accounts under the name of a condition."""

    accounts: Given
    name: str


@dataclass(slots=True)
class Declared:
    """Everything that was declared."""

    values: dict[str, Given] = field(default_factory=dict)
    milters: dict[str, OldMilter] = field(default_factory=dict)
    additions: Additions = field(default_factory=Additions)
    restrictions: dict[str, Restriction] = field(default_factory=dict)
    foreign_conditions: dict[str, Place] = field(default_factory=dict)
    detection: Place | None = None
    """Where the predecessor was told to look for installed milters."""


def interpret(texts: Mapping[str, str], remarks: Remarks) -> Declared:
    """Go through the texts of files, by name; one that another one loads is read there if it is among them.

    Raises ConfigError, with line and column, for a text that is not whole.
    """
    return _Interpreter(texts, remarks).run()


@dataclass(slots=True)
class _Interpreter:
    texts: Mapping[str, str]
    remarks: Remarks
    declared: Declared = field(default_factory=Declared)
    _done: set[str] = field(default_factory=set)
    _file: str = ""

    def run(self) -> Declared:
        for file in self.texts:
            self.read(file)
        for name in self.declared.restrictions:
            self.declared.foreign_conditions.pop(name, None)
        for name, place in self.declared.foreign_conditions.items():
            self.remarks.lost(place, f'the condition "{name}"', advice.CONDITION)
        return self.declared

    def read(self, file: str) -> None:
        if file in self._done:
            return
        self._done.add(file)
        try:
            statements = read(self.texts[file])
        except Unreadable as fault:
            raise fault.as_error(file) from fault
        outer, self._file = self._file, file
        for statement in statements:
            self.statement(statement)
        self._file = outer

    def statement(self, statement: Statement) -> None:
        match statement:
            case Assignment():
                self.assignment(statement)
            case Call():
                self.call(statement)
            case Block(name="define_milter"):
                self.define_milter(statement)
            case Block(name="define_applicable_condition"):
                self.define_condition(statement)
            case Block():
                self.code(statement, f'{statement.name}("{statement.argument}") do', (statement.name,))
            case Foreign():
                self.foreign(statement)

    # What cannot be carried over

    def place(self, statement: Statement) -> Place:
        return Place(self._file, statement.line)

    def foreign(self, statement: Foreign) -> None:
        lines = statement.last_line - statement.line
        more = f" … to line {statement.last_line}" if lines else ""
        text = statement.text if len(statement.text) <= _SHOWN else statement.text[:_SHOWN] + "…"
        self.code(statement, f"{text}{more}", statement.words)

    def code(self, statement: Statement, text: str, words: Sequence[str]) -> None:
        self.remarks.lost(self.place(statement), text, advice.for_code(words))

    def unknown(self, statement: Statement, name: str, known: Iterable[str]) -> None:
        near = difflib.get_close_matches(name, list(known), 1)
        hint = f"did you mean {near[0]}?" if near else "milter-manager has no such setting either"
        self.remarks.lost(self.place(statement), f"unknown setting {name}", hint)

    # Settings

    def assignment(self, statement: Assignment) -> None:
        full = f"{statement.owner}.{statement.name}"
        given = Given(statement.value, self.place(statement), statement.comment)
        key = conditions.ASSIGNMENTS.get((statement.owner, statement.name))
        if statement.operator != "=" or not {statement.owner} & {*GROUPS, *conditions.FAMILIES}:
            self.code(statement, f"{full} {statement.operator} …", (statement.owner,))
        elif key:
            self.declared.additions.add(statement.owner, key, given)
        elif full in BY_NAME:
            self.declared.values[full] = given
        else:
            names = [f"{owner}.{name}" for owner, name in conditions.ASSIGNMENTS]
            self.unknown(statement, full, [*BY_NAME, *names])

    def call(self, statement: Call) -> None:
        if key := conditions.CALLS.get((statement.owner, statement.name)):
            self.addition(statement, key)
            return
        named: dict[str, Callable[[Call], bool]] = {
            "load": self.load,
            "load_if_exist": self.load,
            "load_default": self.load_default,
            "remove_milter": self.remove_milter,
            "restrict_accounts_by_list": self.restrict,
            "trust.clear": self.clear_trust,
        }
        full = f"{statement.owner}.{statement.name}".lstrip(".")
        if full not in named or not named[full](statement):
            self.code(statement, full, (statement.owner, statement.name))

    def addition(self, statement: Call, key: str) -> None:
        values = statement.values
        most = 2 if key == "zones" else 1
        kinds = (str, Pattern) if key in ("whitelist", "blacklist", "domains") else (str,)
        if (
            statement.options
            or not 1 <= len(values) <= most
            or not all(isinstance(one, kinds) for one in values)
        ):
            self.code(statement, f"{statement.owner}.{statement.name}", (statement.owner,))
            return
        value = values if key == "zones" else values[0]
        self.declared.additions.add(statement.owner, key, Given(value, self.place(statement)))

    def clear_trust(self, statement: Call) -> bool:
        self.declared.additions.clear_trust()
        return not statement.values

    # Files

    def load(self, statement: Call) -> bool:
        if len(statement.values) != 1 or not isinstance(statement.values[0], str):
            return False
        wanted = os.path.basename(statement.values[0])
        beside = [file for file in self.texts if os.path.basename(file) == wanted]
        for file in beside:
            self.read(file)
        if not beside and not statement.values[0].startswith("applicable-conditions/"):
            hint = "name that file, too: postmill import milter-manager FILE FILE"
            self.remarks.lost(self.place(statement), f"what {statement.values[0]} says", hint)
        return True

    def load_default(self, statement: Call) -> bool:
        self.declared.detection = self.place(statement)
        return not statement.values

    # Milters

    def define_milter(self, block: Block) -> None:
        """Define a milter, or go on defining it; either way it comes last now, as in the predecessor."""
        milter = self.declared.milters.pop(block.argument, None)
        milter = milter or OldMilter(block.argument, self.place(block))
        before = dict(milter.given)
        for statement in block.statements:
            if isinstance(statement, Assignment | Call) and statement.owner == block.variable:
                self.in_milter(milter, statement)
            else:
                self.statement(statement)
        self.declared.milters[block.argument] = milter
        self.defined_again(milter, before, self.place(block))

    def defined_again(self, milter: OldMilter, before: Mapping[str, Given], place: Place) -> None:
        """Two settings do not survive there when a milter is defined again; hardly anybody means that."""
        for name, default in (("fallback_status", "accept"), ("evaluation_mode", False)):
            kept = before.get(name)
            if kept and kept is milter.given.get(name) and kept.value not in (default, None):
                text = f"milter.{name} of {milter.name} is kept, which milter-manager forgets here"
                self.remarks.note(place, text)

    def in_milter(self, milter: OldMilter, statement: Assignment | Call) -> None:
        text = f"milter.{statement.name}"
        if isinstance(statement, Call):
            if statement.name == "add_applicable_condition" and len(statement.values) == 1:
                self.set_conditions(milter, statement, "+=", list(statement.values))
            elif statement.name == "clear_applicable_conditions" and not statement.values:
                milter.conditions.clear()
            else:
                self.code(statement, text, ())
        elif statement.name == "applicable_conditions":
            names = statement.value or []
            self.set_conditions(milter, statement, statement.operator, names)
        elif statement.operator != "=":
            self.code(statement, f"{text} {statement.operator} …", ())
        elif statement.name not in MILTER_SETTINGS:
            self.unknown(statement, text, [f"milter.{name}" for name in MILTER_SETTINGS])
        else:
            milter.given[statement.name] = Given(statement.value, self.place(statement), statement.comment)

    def set_conditions(self, milter: OldMilter, statement: Statement, operator: str, names: object) -> None:
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            self.code(statement, "milter.applicable_conditions", ())
            return
        if operator == "=":
            milter.conditions.clear()
        for name in names:
            if operator == "-=":
                milter.conditions.pop(name, None)
            else:
                milter.conditions.setdefault(name, Given(name, self.place(statement)))

    def remove_milter(self, statement: Call) -> bool:
        if len(statement.values) != 1 or not isinstance(statement.values[0], str):
            return False
        if self.declared.milters.pop(statement.values[0], None) is None:
            self.remarks.lost(
                self.place(statement),
                f"remove_milter: no milter {statement.values[0]} is defined before it",
                "milter-manager may have detected it",
            )
        return True

    # Conditions

    def define_condition(self, block: Block) -> None:
        """A description alone, as it is printed, says nothing new of a condition that is known here."""
        code = [
            one for one in block.statements if not (isinstance(one, Assignment) and one.name == "description")
        ]
        is_known = block.argument in conditions.NAMES or block.argument.startswith(conditions.LIST_IN_NAME)
        if code or not is_known:
            self.declared.foreign_conditions[block.argument] = self.place(block)

    def restrict(self, statement: Call) -> bool:
        milters = statement.options.get("milters", list(self.declared.milters))
        own_name = conditions.LIST_IN_NAME + literal(statement.values)
        name = statement.options.get("condition_name") or own_name
        known = set(statement.options) <= {"milters", "condition_name"}
        if not known or not isinstance(name, str) or not isinstance(milters, list) or not statement.values:
            return False
        place = self.place(statement)
        self.declared.restrictions[name] = Restriction(Given(statement.values, place), name)
        for milter_name in milters:
            milter = self.declared.milters.pop(str(milter_name), None)
            if milter is None:
                self.remarks.lost(place, f"the milter {milter_name}, which is not defined before this line")
                continue
            milter.conditions.setdefault(name, Given(name, place))
            self.declared.milters[milter.name] = milter
            self.defined_again(milter, milter.given, place)
        return True

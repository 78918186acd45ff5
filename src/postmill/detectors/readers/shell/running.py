"""What a script for sh would do, without running it: the variables it sets and the programs it would start.

Start scripts of Debian, Red Hat, FreeBSD and pkgsrc decide about sockets with ``if``, ``case``, defaults
files and functions, so those are followed. Whatever only a program could tell (the output of awk, say) is
unknown, and what depends on something unknown is not done. Libraries of start scripts are known by what
they offer: ``run_rc_command`` stands in ``rc_subr``, ``start-stop-daemon`` and ``daemon`` are programs like
any other.
"""

from __future__ import annotations

import contextlib
import fnmatch
import posixpath
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from postmill.api.host import Host, Source
from postmill.detectors.readers.shell import rc_subr, syntax
from postmill.detectors.readers.shell.test_command import evaluate
from postmill.detectors.readers.shell.words import expand, expand_whole
from postmill.detectors.readers.values import UNKNOWN, Pieces, Value, joined, plain

_MOST_STEPS = 20_000
_DEEPEST = 20
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
_LIBRARY = re.compile(r"/lib/lsb/|/lib/init/|/functions$|/rc\.subr$")

Status = bool | None
Words = tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Script:
    """What became of a script."""

    variables: Mapping[str, Value]
    commands: tuple[Words, ...]
    """Programs it would start, with their arguments."""


def run_script(
    host: Host,
    path: str,
    arguments: Sequence[str] = ("start",),
    variables: Mapping[str, Value] | None = None,
) -> Script:
    """Follow a script file; an empty result where there is none."""
    text = host.read(path)
    return run_text(host, text or "", path, arguments, variables)


def run_text(
    host: Host,
    text: str,
    path: str,
    arguments: Sequence[str] = (),
    variables: Mapping[str, Value] | None = None,
    line: int = 1,
) -> Script:
    """Follow the text of a script that stands in a file from a line on."""
    shell = _Shell(host, path)
    shell.parameters = [(Value(argument, Source(path)),) for argument in arguments]
    shell.variables = {name: (value,) for name, value in (variables or {}).items()}
    with contextlib.suppress(_ExitError, _TooMuchError, RecursionError):
        shell.run(syntax.parse(text, line))
    found = {name: joined(pieces, Source(path)) for name, pieces in shell.variables.items()}
    return Script(found, tuple(shell.commands))


class _TooMuchError(Exception):
    """The script does too much, or goes too deep, to be followed."""


class _ExitError(Exception):
    """The shell ends, or the subshell that a command substitution is."""


class _ReturnError(_ExitError):
    """A function or a sourced file returns; where there is neither, the shell ends, as dash does."""


@dataclass(slots=True)
class _Shell:
    """A shell half way through a script."""

    host: Host
    file: str
    variables: dict[str, Pieces] = field(default_factory=dict)
    parameters: list[Pieces] = field(default_factory=list)
    functions: dict[str, syntax.Body] = field(default_factory=dict)
    commands: list[Words] = field(default_factory=list)
    output: list[Value] | None = None
    """What a command substitution has written so far."""
    builtins: dict[str, Builtin] = field(default_factory=lambda: dict(_BUILTINS))
    steps: int = 0
    depth: int = 0

    # -- Scope ----------------------------------------------------------------------------------------

    def get(self, name: str) -> Pieces | None:
        """See ``Scope``."""
        if name in {"@", "*"}:
            space = Value(" ", Source(self.file))
            return tuple(piece for one in self.parameters for piece in (space, *one))[1:]
        if name == "0":
            return (Value(self.file, Source(self.file)),)
        if name == "#":
            return (Value(str(len(self.parameters)), Source(self.file)),)
        if name.isdigit():
            place = int(name[:4])
            return self.parameters[place - 1] if place <= len(self.parameters) else None
        if name in {"?", "$", "!", "-"}:
            return (Value(UNKNOWN, Source(self.file)),)
        return self.variables.get(name)

    def set(self, name: str, value: Pieces) -> None:
        """See ``Scope``."""
        self.variables[name] = value

    def substitute(self, script: str, source: Source) -> Pieces:
        """See ``Scope``: only what ``echo`` and its like write is known."""
        kept, self.output = self.output, []
        try:
            self.run_subshell(syntax.parse(script, source.line))
            return tuple(self.output)
        finally:
            self.output = kept

    # -- commands -------------------------------------------------------------------------------------

    def run(self, body: syntax.Body) -> Status:
        status: Status = True
        for node in body:
            status = self.run_node(node)
        return status

    def run_node(self, node: syntax.Node) -> Status:
        match node:
            case syntax.Chain(links):
                return self.run_chain(links)
            case syntax.Pipeline(parts, negated):
                status = self.run_node(parts[0]) if len(parts) == 1 else self.unknown()
                return status if status is None or not negated else not status
            case syntax.Command(words):
                return self.run_command(words)
            case syntax.If(branches, otherwise):
                return self.run_if(branches, otherwise)
            case syntax.Case(word, choices):
                return self.run_case(word, choices)
            case syntax.For(name, words, body):
                return self.run_for(name, words, body)
            case syntax.Group(body):
                return self.run(body)
            case syntax.Subshell(body):
                return self.run_subshell(body)
            case syntax.Function(name, body):
                self.functions[name] = body
                return True
        return self.unknown()

    def run_subshell(self, body: syntax.Body) -> Status:
        """What it sets and where it ends means nothing to the shell that it was begun by."""
        kept = self.variables.copy(), self.parameters, self.functions.copy(), self.builtins.copy(), self.file
        try:
            return self.run(body)
        except _ExitError:
            return None
        finally:
            self.variables, self.parameters, self.functions, self.builtins, self.file = kept

    def unknown(self) -> Status:
        """Do something whose result cannot be known."""
        if self.output is not None:
            self.output.append(Value(UNKNOWN, Source(self.file)))
        return None

    def run_chain(self, links: Sequence[tuple[str, syntax.Pipeline]]) -> Status:
        status: Status = None
        for operator, pipeline in links:
            if (operator == "&&" and status is not True) or (operator == "||" and status is not False):
                if status is None:
                    self.unknown()
                continue
            status = self.run_node(pipeline)
        return status

    def run_if(self, branches: Sequence[tuple[syntax.Body, syntax.Body]], otherwise: syntax.Body) -> Status:
        for condition, body in branches:
            status = self.run(condition)
            if status is None:
                return self.unknown()
            if status:
                return self.run(body)
        return self.run(otherwise)

    def run_case(
        self, word: syntax.Token, choices: Sequence[tuple[tuple[syntax.Token, ...], syntax.Body]]
    ) -> Status:
        text = plain(self.whole(word.text, word.line))
        if UNKNOWN in text or len(text) > 1000:
            return self.unknown()
        for patterns, body in choices:
            shapes = [plain(self.whole(pattern.text, pattern.line)) for pattern in patterns]
            if any(fnmatch.fnmatchcase(text, shape) for shape in shapes):
                return self.run(body)
        return True

    def run_for(self, name: str, words: Sequence[syntax.Token], body: syntax.Body) -> Status:
        for item in [one for word in words for one in self.fields(word)]:
            self.set(name, item)
            self.run(body)
        return True

    def fields(self, word: syntax.Token) -> list[Pieces]:
        return expand(word.text, self, Source(self.file, word.line))

    def whole(self, raw: str, line: int) -> Pieces:
        return expand_whole(raw, self, Source(self.file, line))

    def run_command(self, words: Sequence[syntax.Token]) -> Status:
        self.steps += 1
        if self.steps > _MOST_STEPS:
            raise _TooMuchError
        at = 0
        while at < len(words) and self.assign(words[at]):
            at += 1
        if at < len(words) and words[at].text in {"export", "readonly", "local", "declare", "typeset"}:
            for word in words[at + 1 :]:
                self.assign(word)
            return True
        fields = [one for word in words[at:] for one in self.fields(word)]
        return self.call(fields, words[at].line) if fields else True

    def assign(self, word: syntax.Token) -> bool:
        found = _ASSIGNMENT.fullmatch(word.text)
        if found:
            self.set(found[1], self.whole(found[2], word.line))
        return found is not None

    def call(self, fields: Sequence[Pieces], line: int) -> Status:
        name, arguments = plain(fields[0]), fields[1:]
        if name in self.functions:
            return self.call_function(self.functions[name], arguments)
        builtin = self.builtins.get(name)
        if builtin is not None:
            return builtin(self, arguments, line)
        self.commands.append(tuple(joined(one, Source(self.file, line)) for one in fields))
        return self.unknown()

    def call_function(self, body: syntax.Body, arguments: Sequence[Pieces]) -> Status:
        if self.depth >= _DEEPEST:
            raise _TooMuchError
        kept, self.parameters = self.parameters, list(arguments)
        self.depth += 1
        try:
            return self.run(body)
        except _ReturnError:
            return None
        finally:
            self.depth -= 1
            self.parameters = kept

    def plain_of(self, name: str) -> str:
        """Return the text of a variable; empty when it is not set."""
        return plain(self.variables.get(name, ()))

    # -- commands of the shell itself -----------------------------------------------------------------

    def source(self, arguments: Sequence[Pieces], _line: int = 0) -> Status:
        path = plain(arguments[0]) if arguments else ""
        if UNKNOWN in path or not path.startswith("/"):
            return None
        if _LIBRARY.search(path):
            if path.endswith("/rc.subr"):
                self.builtins |= rc_subr.FUNCTIONS
            return True
        text = self.host.read(path)
        if text is None or self.depth >= _DEEPEST:
            return False
        kept, self.file = self.file, path
        self.depth += 1
        try:
            with contextlib.suppress(_ReturnError):
                self.run(syntax.parse(text))
        finally:
            self.depth -= 1
            self.file = kept
        return True

    def evaluate_text(self, arguments: Sequence[Pieces], line: int) -> Status:
        text = " ".join(plain(one) for one in arguments)
        return None if UNKNOWN in text else self.run(syntax.parse(text, line))

    def test(self, arguments: Sequence[Pieces], _line: int) -> Status:
        words = [plain(one) for one in arguments]
        return evaluate(self.host, words[:-1] if words[-1:] == ["]"] else words)

    def echo(self, arguments: Sequence[Pieces], line: int) -> Status:
        if self.output is not None:
            for index, one in enumerate(arguments):
                self.output += [Value(" ", Source(self.file, line))] * (index > 0) + list(one)
        return True

    def part_of_path(self, part: Callable[[str], str], arguments: Sequence[Pieces]) -> Status:
        path = plain(arguments[0]) if arguments else UNKNOWN
        if self.output is not None:
            text = UNKNOWN if UNKNOWN in path else part(path) or "."
            self.output.append(Value(text, joined(arguments[0] if arguments else (), Source()).source))
        return True

    def has_command(self, arguments: Sequence[Pieces], _line: int) -> Status:
        names = [plain(one) for one in arguments]
        return True if names and (names[-1] in self.functions or names[-1] in self.builtins) else None

    def unset(self, arguments: Sequence[Pieces], _line: int) -> Status:
        for one in arguments:
            self.variables.pop(plain(one), None)
        return True

    def run_exec(self, arguments: Sequence[Pieces], line: int) -> Status:
        return self.call(arguments, line) if arguments else True

    def exit(self, _arguments: Sequence[Pieces], _line: int) -> Status:
        raise _ExitError

    def return_from(self, _arguments: Sequence[Pieces], _line: int) -> Status:
        raise _ReturnError


Builtin = Callable[[_Shell, Sequence[Pieces], int], Status]


def _always(status: Status) -> Builtin:
    return lambda _shell, _arguments, _line: status


_BUILTINS: Mapping[str, Builtin] = {
    ".": _Shell.source,
    "source": _Shell.source,
    "eval": _Shell.evaluate_text,
    "test": _Shell.test,
    "[": _Shell.test,
    "echo": _Shell.echo,
    "dirname": lambda shell, arguments, _: shell.part_of_path(posixpath.dirname, arguments),
    "basename": lambda shell, arguments, _: shell.part_of_path(posixpath.basename, arguments),
    "type": _Shell.has_command,
    "command": _Shell.has_command,
    "unset": _Shell.unset,
    "exec": _Shell.run_exec,
    "exit": _Shell.exit,
    "return": _Shell.return_from,
    ":": _always(True),
    "true": _always(True),
    "false": _always(False),
    "set": _always(True),
    "shift": _always(None),
    "trap": _always(True),
    "umask": _always(True),
    "break": _always(None),
    "continue": _always(None),
}

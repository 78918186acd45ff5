"""What a script for sh would do, without running it: the variables it sets and the programs it would start.

Start scripts of Debian, Red Hat, FreeBSD and pkgsrc decide about sockets with ``if``, ``case``, defaults
files and functions, so those are followed. Whatever only a program could tell (the output of awk, say) is
unknown, and what depends on something unknown is not done. Libraries of start scripts are known by what
they offer: ``run_rc_command`` of rc.subr(8) is here, ``start-stop-daemon`` and ``daemon`` are programs like
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
from postmill.detectors.readers.shell import syntax
from postmill.detectors.readers.shell.test_command import evaluate
from postmill.detectors.readers.shell.words import expand, expand_whole
from postmill.detectors.readers.values import UNKNOWN, Pieces, Value, joined, plain, split

_MOST_STEPS = 20_000
_DEEPEST = 20
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
_LIBRARY = re.compile(r"/lib/lsb/|/lib/init/|/functions$|/rc\.subr$")
_YES = {"yes", "true", "on", "1"}
RC_CONF = ("/etc/defaults/rc.conf", "/etc/rc.conf", "/etc/rc.conf.local")
RC_CONF_D = ("/etc/rc.conf.d", "/usr/local/etc/rc.conf.d")

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
    with contextlib.suppress(_EndError, RecursionError):  # it ends, or goes too deep for a start script
        shell.run(syntax.parse(text, line))
    found = {name: joined(pieces, Source(path)) for name, pieces in shell.variables.items()}
    return Script(found, tuple(shell.commands))


class _EndError(Exception):
    """The script has ended, or does too much to be followed."""


class _ReturnError(Exception):
    """A function returns."""


@dataclass(slots=True)
class _Shell:
    host: Host
    file: str
    variables: dict[str, Pieces] = field(default_factory=dict)
    parameters: list[Pieces] = field(default_factory=list)
    functions: dict[str, syntax.Body] = field(default_factory=dict)
    commands: list[Words] = field(default_factory=list)
    output: list[Value] | None = None
    """What a command substitution has written so far."""
    builtins: dict[str, _Builtin] = field(default_factory=lambda: dict(_BUILTINS))
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
            self.run(syntax.parse(script, source.line))
            written = tuple(self.output)
        finally:
            self.output = kept
        return written

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
            case syntax.Function(name, body):
                self.functions[name] = body
                return True
        return self.unknown()

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
            raise _EndError
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
            raise _EndError
        kept, self.parameters = self.parameters, list(arguments)
        self.depth += 1
        try:
            return self.run(body)
        except _ReturnError:
            return None
        finally:
            self.depth -= 1
            self.parameters = kept

    # -- commands of the shell itself -----------------------------------------------------------------

    def source(self, arguments: Sequence[Pieces], _line: int = 0) -> Status:
        path = plain(arguments[0]) if arguments else ""
        if UNKNOWN in path or not path.startswith("/"):
            return None
        if _LIBRARY.search(path):
            if path.endswith("/rc.subr"):
                self.builtins |= _RC_SUBR
            return True
        text = self.host.read(path)
        if text is None or self.depth >= _DEEPEST:
            return False
        kept, self.file = self.file, path
        self.depth += 1
        try:
            self.run(syntax.parse(text))
        except _ReturnError:
            pass
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
        raise _EndError

    def return_from(self, _arguments: Sequence[Pieces], _line: int) -> Status:
        raise _ReturnError

    # -- rc.subr(8) -----------------------------------------------------------------------------------

    def load_rc_config(self, arguments: Sequence[Pieces], _line: int) -> Status:
        name = plain(arguments[0]) if arguments else ""
        files = [*RC_CONF]
        for folder in RC_CONF_D:
            path = f"{folder}/{name}"
            status = self.host.status(path)
            inside = self.host.names(path) if status and status.is_directory else ()
            files += [f"{path}/{one}" for one in inside] or [path]
        for path in files:
            self.source([(Value(path, Source(self.file)),)])
        return True

    def check_yes_no(self, arguments: Sequence[Pieces], _line: int) -> Status:
        return bool(arguments) and self.plain_of(plain(arguments[0])).lower() in _YES

    def set_rcvar(self, arguments: Sequence[Pieces], line: int) -> Status:
        name = plain(arguments[0]) if arguments else self.plain_of("name")
        return self.echo([(Value(f"{name}_enable", Source(self.file, line)),)], line)

    def run_rc_command(self, arguments: Sequence[Pieces], line: int) -> Status:
        name = self.plain_of("name")
        own = self.functions.get(self.plain_of(f"{plain(arguments[0]) if arguments else ''}_cmd"))
        if own is not None:
            return self.call_function(own, ())
        program = self.variables.get(f"{name}_program") or self.variables.get("command", ())
        flags, fixed = self.variables.get(f"{name}_flags", ()), self.variables.get("command_args", ())
        words = [*split(program), *split(flags), *split(fixed)]
        if words:
            self.commands.append(tuple(joined(word, Source(self.file, line)) for word in words))
        return True

    def plain_of(self, name: str) -> str:
        return plain(self.variables.get(name, ()))


_Builtin = Callable[[_Shell, Sequence[Pieces], int], Status]


def _always(status: Status) -> _Builtin:
    return lambda _shell, _arguments, _line: status


_BUILTINS: Mapping[str, _Builtin] = {
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
_RC_SUBR: Mapping[str, _Builtin] = {
    "load_rc_config": _Shell.load_rc_config,
    "checkyesno": _Shell.check_yes_no,
    "set_rcvar": _Shell.set_rcvar,
    "run_rc_command": _Shell.run_rc_command,
}

"""What a service of systemd runs: ``ExecStart=``, with its variables expanded (systemd.service(5))."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence

from postmill.api.host import Host
from postmill.detectors.readers.shell import Words, run_text
from postmill.detectors.readers.systemd.quoting import words_of
from postmill.detectors.readers.systemd.specifiers import specified
from postmill.detectors.readers.systemd.units import Unit
from postmill.detectors.readers.values import Value

_PREFIXES = "@-:+!|"
_SHELLS = {"sh", "bash", "dash"}
_VARIABLE = re.compile(r"\$(\$|\{[A-Za-z_][A-Za-z0-9_]*\})")
_WHOLE_VARIABLE = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)")


def started_by(host: Host, unit: Unit, variables: Mapping[str, Value]) -> Iterator[Words]:
    """Give the command lines that the unit starts; for a line of shell, what that would start."""
    for line in unit.all("Service", "ExecStart"):
        for words in _commands(words_of(line.text)):
            prefix = words[0][: len(words[0]) - len(words[0].lstrip(_PREFIXES))]
            command = [words[0].lstrip(_PREFIXES), *words[1:]]
            if "@" in prefix:
                del command[1:2]  # the name it is to run under
            expanded = [Value(specified(word, unit.name), line.source) for word in command]
            if ":" not in prefix:
                expanded = list(_expanded(expanded, variables))
            yield from _within_shell(host, expanded, variables)


def _commands(words: Sequence[str]) -> Iterator[Sequence[str]]:
    """Cut at each word that is a semicolon."""
    begun: list[str] = []
    for word in (*words, ";"):
        if word != ";":
            begun.append(word)
        elif begun:
            yield begun
            begun = []


def _expanded(words: Sequence[Value], variables: Mapping[str, Value]) -> Iterator[Value]:
    """Replace ``$NAME``, which becomes words, and ``${NAME}``, which stays within its word."""
    for word in words:
        whole = _WHOLE_VARIABLE.fullmatch(word.text)
        if whole:
            value = variables.get(whole[1], Value("", word.source))
            yield from (Value(part, value.source) for part in words_of(value.text))
            continue
        known = [variables[name[1:-1]] for name in _VARIABLE.findall(word.text) if name[1:-1] in variables]
        text = _VARIABLE.sub(lambda found: _text_of(found[1], variables), word.text)
        yield Value(text, known[-1].source if known else word.source)


def _text_of(name: str, variables: Mapping[str, Value]) -> str:
    if name == "$":
        return "$"
    value = variables.get(name[1:-1])
    return value.text if value else ""


def _within_shell(host: Host, words: Sequence[Value], variables: Mapping[str, Value]) -> Iterator[Words]:
    texts = [word.text for word in words]
    is_shell = bool(texts) and posixpath.basename(texts[0]) in _SHELLS
    at = next((index for index, text in enumerate(texts) if re.fullmatch(r"-[a-z]*c", text)), -1)
    if not is_shell or not 0 < at < len(words) - 1:
        yield tuple(words)
        return
    script, source = words[at + 1].text, words[at + 1].source
    arguments = [word.text for word in words[at + 3 :]]
    yield from run_text(host, script, source.file, arguments, variables, source.line).commands

"""The syntax of sh (POSIX.1, Shell Command Language), as far as start scripts and defaults files use it.

Only structure: which command stands where. Words keep their quotes and dollars; ``shell_words`` expands
them. Redirections and here-documents are dropped, for nothing is run. A script that is broken somewhere is
understood up to there.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_OPERATORS = ("&&", "||", ";;", ";", "&", "|", "(", ")")
_REDIRECTION = re.compile(r"<<-|<<<|<<|<&|<>|>>|>&|>\||<|>")
_ENDS_WORD = set(" \t\n;&|()<>")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CLOSING = {"then", "elif", "else", "fi", "do", "done", "esac", "}"}


@dataclass(frozen=True, slots=True)
class Token:
    """A word, an operator or, as the operator ``\\n``, the end of a line."""

    text: str
    line: int
    is_word: bool


@dataclass(frozen=True, slots=True)
class Command:
    """A simple command; its assignments stand among its words."""

    words: tuple[Token, ...]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Commands joined by ``|``."""

    parts: tuple[Node, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Chain:
    """Pipelines joined by ``&&`` and ``||``; the first has the operator ``""``."""

    links: tuple[tuple[str, Pipeline], ...]


@dataclass(frozen=True, slots=True)
class If:
    """Conditions with what they lead to; the last has no condition where there is an ``else``."""

    branches: tuple[tuple[Body, Body], ...]
    otherwise: Body = ()


@dataclass(frozen=True, slots=True)
class Case:
    """``case``: a word and, for each branch, its patterns."""

    word: Token
    branches: tuple[tuple[tuple[Token, ...], Body], ...]


@dataclass(frozen=True, slots=True)
class For:
    """``for``: a name that goes through words."""

    name: str
    words: tuple[Token, ...]
    body: Body


@dataclass(frozen=True, slots=True)
class Group:
    """Commands in braces."""

    body: Body


@dataclass(frozen=True, slots=True)
class Subshell:
    """Commands in parentheses."""

    body: Body


@dataclass(frozen=True, slots=True)
class Function:
    """The definition of a function."""

    name: str
    body: Body


@dataclass(frozen=True, slots=True)
class Loop:
    """``while`` and ``until``, whose end cannot be known."""


Node = Command | Pipeline | Chain | If | Case | For | Group | Subshell | Function | Loop
Body = tuple[Node, ...]


class _BrokenError(Exception):
    """The script cannot be understood from here on."""


def parse(text: str, line: int = 1) -> Body:
    """Return the commands of a script that begins at a line."""
    cut: list[Token] = []
    body: list[Node] = []
    with contextlib.suppress(RecursionError):
        cut.extend(tokens(text, line))
    with contextlib.suppress(_BrokenError, RecursionError):  # what was understood so far stands in the body
        parser = _Parser(cut)
        while parser.peek() is not None:
            parser.read_list(set(), body)
            if parser.peek() is not None:
                parser.take()  # a stray `)` or `fi`
    return tuple(body)


def tokens(text: str, line: int = 1) -> Iterator[Token]:
    """Cut a script into words and operators."""
    at, awaited = 0, list[str]()
    while at < len(text):
        char = text[at]
        if char == "\\" and text[at + 1 : at + 2] == "\n":
            at, line = at + 2, line + 1
        elif char in " \t\r":
            at += 1
        elif char == "#":
            at = _or_end(text.find("\n", at), text)
        elif char == "\n":
            yield Token("\n", line, is_word=False)
            at, line = at + 1, line + 1
            at, line = _skip_documents(text, at, line, awaited)
        elif found := _REDIRECTION.match(text, at):
            at = _skip_blanks(text, found.end())
            end = word_end(text, at)
            if found[0] in {"<<", "<<-"}:
                awaited.append(text[at:end].strip("'\"\\"))
            at = max(end, found.end())
        elif operator := next((one for one in _OPERATORS if text.startswith(one, at)), ""):
            yield Token(operator, line, is_word=False)
            at += len(operator)
        else:
            end = word_end(text, at)
            word = text[at:end]
            if not (word.isdigit() and text[end : end + 1] in {"<", ">"}):
                yield Token(word, line, is_word=True)
            at, line = end, line + word.count("\n")


def _skip_documents(text: str, at: int, line: int, awaited: list[str]) -> tuple[int, int]:
    while awaited:
        end = awaited.pop(0)
        while at < len(text):
            stop = _or_end(text.find("\n", at), text)
            row, at, line = text[at:stop], stop + 1, line + 1
            if row.strip() == end:
                break
    return min(at, len(text)), line


def _skip_blanks(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t":
        at += 1
    return at


def _or_end(at: int, text: str) -> int:
    return at if at >= 0 else len(text)


def word_end(text: str, at: int) -> int:
    """Return where the word that begins here ends; quotes and substitutions are parts of it."""
    while at < len(text) and text[at] not in _ENDS_WORD:
        at = skip_quoted(text, at)
    return at


def skip_quoted(text: str, at: int) -> int:
    """Return the place behind one character, or behind all that its quote or ``$(`` holds."""
    char = text[at]
    if char == "\\":
        return min(at + 2, len(text))
    if char == "'":
        return _or_end(text.find("'", at + 1), text) + 1
    if char == "`":
        return _skip_to("`", text, at + 1)
    if char == '"':
        return _skip_to('"', text, at + 1)
    if text.startswith("$(", at):
        return _skip_nested(text, at + 2, "(", ")")
    if text.startswith("${", at):
        return _skip_nested(text, at + 2, "{", "}")
    return at + 1


def _skip_to(mark: str, text: str, at: int) -> int:
    while at < len(text) and text[at] != mark:
        inner = text[at] in "\\`" or text.startswith(("$(", "${"), at)
        at = skip_quoted(text, at) if inner else at + 1
    return at + 1


def _skip_nested(text: str, at: int, opening: str, closing: str) -> int:
    depth = 1
    while at < len(text) and depth:
        if text[at] in "\\'\"`":
            at = skip_quoted(text, at)
            continue
        depth += (text[at] == opening) - (text[at] == closing)
        at += 1
    return at


@dataclass(slots=True)
class _Parser:
    rest: list[Token]
    at: int = 0

    def peek(self) -> Token | None:
        return self.rest[self.at] if self.at < len(self.rest) else None

    def take(self) -> Token:
        token = self.peek()
        if token is None:
            raise _BrokenError
        self.at += 1
        return token

    def is_next(self, *texts: str, word: bool) -> bool:
        token = self.peek()
        return token is not None and token.is_word is word and token.text in texts

    def accept(self, *texts: str, word: bool) -> bool:
        if self.is_next(*texts, word=word):
            self.at += 1
            return True
        return False

    def expect(self, *texts: str, word: bool) -> None:
        if not self.accept(*texts, word=word):
            raise _BrokenError

    def skip_lines(self) -> None:
        while self.accept("\n", ";", word=False):
            pass

    def list_until(self, *ends: str) -> Body:
        body: list[Node] = []
        self.read_list({*ends}, body)
        return tuple(body)

    def read_list(self, ends: set[str], body: list[Node]) -> None:
        """Add commands to the body, up to one of the words or to what ends any list."""
        while (token := self.peek()) is not None:
            if token.is_word and (token.text in ends or token.text in _CLOSING):
                break
            if not token.is_word and token.text in {")", ";;"}:
                break
            if not self.accept("\n", ";", "&", word=False):
                body.append(self.chain())

    def chain(self) -> Node:
        links = [("", self.pipeline())]
        while self.is_next("&&", "||", word=False):
            operator = self.take().text
            while self.accept("\n", word=False):
                pass
            links.append((operator, self.pipeline()))
        return Chain(tuple(links))

    def pipeline(self) -> Pipeline:
        negated = self.accept("!", word=True)
        parts = [self.command()]
        while self.accept("|", word=False):
            while self.accept("\n", word=False):
                pass
            parts.append(self.command())
        return Pipeline(tuple(parts), negated)

    def command(self) -> Node:
        token = self.take()
        if not token.is_word:
            if token.text != "(":
                raise _BrokenError
            return Subshell(self.group(")", word=False).body)
        compound: dict[str, Callable[[], Node]] = {
            "if": self.branches,
            "case": self.case,
            "for": self.loop_over,
            "while": self.loop,
        }
        if token.text == "{":
            return self.group("}", word=True)
        if token.text == "until":
            return self.loop()
        if token.text in compound:
            return compound[token.text]()
        if self.is_next("(", word=False) or token.text == "function":
            return self.function(token)
        words = [token]
        while (after := self.peek()) is not None and after.is_word:
            words.append(self.take())
        return Command(tuple(words))

    def group(self, end: str, *, word: bool) -> Group:
        body = self.list_until()
        self.expect(end, word=word)
        return Group(body)

    def function(self, token: Token) -> Function:
        name = self.take().text if token.text == "function" else token.text
        if self.accept("(", word=False):
            self.expect(")", word=False)
        while self.accept("\n", word=False):
            pass
        return Function(name, (self.command(),))

    def branches(self) -> If:
        branches = []
        while True:
            condition = self.list_until("then")
            self.expect("then", word=True)
            branches.append((condition, self.list_until("elif", "else", "fi")))
            if not self.accept("elif", word=True):
                break
        otherwise = self.list_until("fi") if self.accept("else", word=True) else ()
        self.expect("fi", word=True)
        return If(tuple(branches), otherwise)

    def case(self) -> Case:
        word = self.take()
        while self.accept("\n", word=False):
            pass
        self.expect("in", word=True)
        branches = []
        self.skip_lines()
        while not self.accept("esac", word=True):
            self.accept("(", word=False)
            patterns = [self.take()]
            while self.accept("|", word=False):
                patterns.append(self.take())
            self.expect(")", word=False)
            branches.append((tuple(patterns), self.list_until("esac")))
            self.accept(";;", word=False)
            self.skip_lines()
        return Case(word, tuple(branches))

    def loop_over(self) -> For:
        name = self.take()
        if not _NAME.fullmatch(name.text):
            raise _BrokenError
        words: list[Token] = []
        if self.accept("in", word=True):
            while (token := self.peek()) is not None and token.is_word:
                words.append(self.take())
        self.skip_lines()
        return For(name.text, tuple(words), self.done_body())

    def loop(self) -> Loop:
        self.list_until("do")
        self.done_body()
        return Loop()

    def done_body(self) -> Body:
        self.expect("do", word=True)
        body = self.list_until("done")
        self.expect("done", word=True)
        return body

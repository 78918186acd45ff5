"""From text to tokens: as much of Ruby's lexical rules as it takes to know where strings and blocks end.

Every program that Ruby accepts must come through, so that what stands between the declarations can be passed
over: interpolation, here-documents, ``%`` literals, regular expressions, ``=begin`` and ``__END__``. Whether
``/``, ``%``, ``<<`` or ``?`` begins a literal depends on what stands before it, as in Ruby.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable
from functools import cache
from typing import Any

from postmill.migration import literals
from postmill.migration.faults import Unreadable
from postmill.migration.tokens import UNKNOWN, Kind, Pattern, Token

_LETTER = r"A-Za-z_\u0080-\U0010FFFF"
_BLANK = re.compile(r"[ \t\f\v\r]+|\\\n")
_WORD = re.compile(rf"[{_LETTER}][0-9{_LETTER}]*(?:[?!](?!=))?")
_VARIABLE = re.compile(rf"@{{1,2}}[{_LETTER}][0-9{_LETTER}]*|\$(?:[{_LETTER}][0-9{_LETTER}]*|-?[^\s])")
_OPERATOR_NAME = re.compile(r"\[\]=?|[-+!~]@|\*\*|<=>|===?|=~|![=~]?|<<|>>|<=|>=|[-+*/%&|^<>~`]")
_SYMBOL = re.compile(
    rf":(?:[{_LETTER}][0-9{_LETTER}]*(?:[?!]|=(?![=~>]))?|{_VARIABLE.pattern}|{_OPERATOR_NAME.pattern})"
)
_PERCENT = re.compile(r"%([qQwWiIrsx]?)([^\w\s\u0080-\U0010FFFF])", re.ASCII)
_HEREDOC = re.compile(r"<<([~-]?)(?:([\"'`])([^\n]+?)\2|([A-Za-z_]\w*))")
_SPECIAL = r"[0-9~*$?!@/\\;,.=:<>\"&`'+]"
"""What may stand behind ``$`` in the name of a variable, beside letters."""
_CHARACTER = re.compile(r"\?(?:\\[\s\S]|[^\s\\])(?!\w)")
_MARK = re.compile(
    r"\*\*=|<=>|===|\.\.\.|<<=|>>=|&&=|\|\|=|&\.|::|\.\.|\*\*|==|=~|!=|!~|<=|>=|<<|>>|&&|\|\||=>|->"
    r"|[-+*/%&|^]=|[-!%&()*+,./:<=>?\[\]^{|}~]"
)
_DOT_BELOW = re.compile(r"\n(?:[ \t\r]*(?:#[^\n]*)?\n)*[ \t\r]*&?\.(?!\.)")

_NO_NAMES = """
    __ENCODING__ __FILE__ __LINE__ BEGIN END alias and begin break case class def defined? do else elsif end
    ensure for if in module next not or redo rescue retry return self super then undef unless until when
    while yield
"""
KEYWORDS = frozenset(_NO_NAMES.split())
_CONSTANTS = {"nil": None, "true": True, "false": False}
_PAIRS = {"(": ")", "[": "]", "{": "}", "<": ">"}
_CLOSING = (")", "]", "}")
_ARE_VALUES = ("end", "self", "__FILE__", "__LINE__", "__ENCODING__", "redo", "retry")
_DEEPEST = 40


def tokens(text: str) -> tuple[list[Token], dict[int, str]]:
    """Cut a text into tokens; give also the comments that have a line of their own, by line.

    Raises Unreadable with the place of what has no end or no meaning.
    """
    lexer = _Lexer(text)
    lexer.read()
    return lexer.tokens, lexer.comments


class _Lexer:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.tokens: list[Token] = []
        self.comments: dict[int, str] = {}
        self.spaced = False
        self.depth = 0
        self.heredocs: list[re.Pattern[str]] = []
        self.no_heredocs: set[str] = set()  # what is not the end of one from here on
        self.line_starts = [0, *(found.end() for found in re.finditer("\n", text))]
        self.ways = (self.word, self.operator_name, self.literal, self.variable_or_mark)

    def read(self) -> None:
        while self.skip():
            self.step()

    # Places and tokens

    def place(self, at: int) -> tuple[int, int]:
        line = bisect_right(self.line_starts, at)
        return line, at - self.line_starts[line - 1] + 1

    def unreadable(self, message: str, at: int) -> Unreadable:
        return Unreadable(message, *self.place(at))

    def add(self, kind: Kind, start: int, value: Any = UNKNOWN) -> None:
        line, column = self.place(start)
        text = self.text[start : self.at]
        self.tokens.append(Token(kind, text, line, column, start, self.at, self.spaced, value))

    def matches(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Match here, and go behind it."""
        found = pattern.match(self.text, self.at)
        if found:
            self.at = found.end()
        return found

    # Blanks, comments, ends of lines

    def skip(self) -> bool:
        """Pass over blanks and comments; False at the end of the text."""
        start = self.at
        while self.matches(_BLANK) or self.comment() or self.block_comment():
            pass
        self.spaced = self.at > start
        if re.compile(r"__END__(?:\r?\n|\Z)").match(self.text, self.at) and self.place(self.at)[1] == 1:
            self.at = len(self.text)
        return self.at < len(self.text)

    def comment(self) -> bool:
        if not self.text.startswith("#", self.at):
            return False
        start, self.at = self.at, self.end_of_line(self.at)
        line, _ = self.place(start)
        if not self.text[self.line_starts[line - 1] : start].strip():
            self.comments[line] = self.text[start : self.at].strip()
        return True

    def block_comment(self) -> bool:
        if not self.text.startswith("=begin", self.at) or self.place(self.at)[1] != 1:
            return False
        end = re.compile(r"^=end\b[^\n]*", re.MULTILINE).search(self.text, self.at)
        if not end:
            raise self.unreadable("`=begin` has no `=end`", self.at)
        self.at = end.end()
        return True

    def end_of_line(self, at: int) -> int:
        end = self.text.find("\n", at)
        return len(self.text) if end < 0 else end

    def line_end(self) -> None:
        """Take a newline: it ends a statement unless the statement goes on."""
        goes_on = self.goes_on()
        self.at += 1
        if not goes_on:
            self.add("newline", self.at - 1)
        for terminator in self.heredocs:
            end = terminator.search(self.text, self.at)
            assert end, "looked for when the here-document began"
            self.at = min(end.end() + 1, len(self.text))
        self.heredocs = []

    def goes_on(self) -> bool:
        last = self.tokens[-1] if self.tokens else None
        if last is None or last.kind == "newline":
            return True  # nothing to end
        if last.is_keyword("and", "or", "not") or (last.kind == "mark" and last.text not in _CLOSING):
            return True
        return _DOT_BELOW.match(self.text, self.at) is not None

    # One token

    def step(self) -> None:
        char, start = self.text[self.at], self.at
        if char == "\n":
            self.line_end()
        elif char == ";":
            self.at += 1
            self.add("newline", start)
        elif char in "\"'`":
            self.at += 1
            self.string(start, char, char)
        elif char.isdigit() and char.isascii():
            self.number(start)
        elif not any(take(start) for take in self.ways):
            raise self.unreadable(f"{char!r} has no meaning here", start)

    def number(self, start: int) -> None:
        found = self.matches(literals.NUMBER)
        if not found or len(found[0]) > literals.LONGEST_NUMBER:
            raise self.unreadable("this number cannot be read", start)
        value = UNKNOWN if found[0].endswith(("r", "i")) else literals.number(found[0])
        self.add("literal", start, value)

    def word(self, start: int) -> bool:
        found = self.matches(_WORD)
        if not found:
            return False
        word, last = found[0], self.tokens[-1] if self.tokens else None
        if self.text.startswith(":", self.at) and not self.text.startswith("::", self.at):
            self.at += 1
            self.add("label", start, word)
        elif last and (last.is_mark(".", "&.") or last.is_keyword("def", "alias", "undef")):
            self.add("name", start)
        elif word in _CONSTANTS:
            self.add("literal", start, _CONSTANTS[word])
        else:
            self.add("keyword" if word in KEYWORDS else "name", start)
        return True

    def operator_name(self, start: int) -> bool:
        """Take the name of a method that is an operator: ``def -@``."""
        if not self.tokens or not self.tokens[-1].is_keyword("def", "alias", "undef"):
            return False
        found = self.matches(_OPERATOR_NAME)
        if found:
            self.add("name", start)
        return found is not None

    def literal(self, start: int) -> bool:
        """Take what begins with a mark and is a literal only in the place of an operand."""
        if self.text.startswith(":", start):
            return self.symbol(start)
        attempts: dict[str, Callable[[int], bool]] = {
            "/": self.slash, "%": self.percent, "<": self.heredoc, "?": self.character, "-": self.negative
        }  # fmt: skip
        attempt = attempts.get(self.text[start])
        return attempt is not None and self.wants_operand() and attempt(start)

    def wants_operand(self) -> bool:
        last = self.tokens[-1] if self.tokens else None
        if last is None or last.kind in ("newline", "label"):
            return True
        if last.kind == "mark":
            return last.text not in _CLOSING
        if last.kind == "keyword" and last.text != "super":
            return last.text not in _ARE_VALUES
        follows = self.text[self.at + 1 : self.at + 2]
        return last.kind in ("name", "keyword") and self.spaced and not follows.isspace() and follows != "="

    def variable_or_mark(self, start: int) -> bool:
        if self.matches(_VARIABLE):
            self.add("variable", start)
        elif self.matches(_MARK):
            self.add("mark", start)
        return self.at > start

    # Literals

    def symbol(self, start: int) -> bool:
        if self.text.startswith((':"', ":'"), start):
            self.at += 2
            self.string(start, *self.text[start + 1] * 2)
            return True
        found = None if self.text.startswith("::", start) else self.matches(_SYMBOL)
        if found:
            self.add("literal", start, found[0][1:])
        return found is not None

    def negative(self, start: int) -> bool:
        if not self.text[start + 1 : start + 2].isdigit():
            return False
        self.number(start)
        return True

    def character(self, start: int) -> bool:
        found = self.matches(_CHARACTER)
        if found:
            self.add("literal", start)
        return found is not None

    def slash(self, start: int) -> bool:
        self.at += 1
        self.regexp(start, "/", "/")
        return True

    def regexp(self, start: int, opener: str, closer: str) -> None:
        raw, is_constant = self.scan(start, opener, closer, True)
        flags = self.matches(re.compile(r"[a-z]*"))
        value = Pattern(raw, flags[0] if flags else "") if is_constant else UNKNOWN
        self.add("literal", start, value)

    def percent(self, start: int) -> bool:
        found = self.matches(_PERCENT)
        if not found:
            return False
        kind, opener = found[1], found[2]
        closer = _PAIRS.get(opener, opener)
        if kind == "r":
            self.regexp(start, opener, closer)
        elif kind in ("w", "W", "i", "I"):
            raw, is_constant = self.scan(start, opener, closer, kind.isupper())
            self.add("literal", start, raw.split() if is_constant and "\\" not in raw else UNKNOWN)
        else:
            self.string(start, opener, closer, kind)
        return True

    def string(self, start: int, opener: str, closer: str, kind: str = "") -> None:
        """Take a string whose first quote is behind us; ``kind`` is the letter after ``%``."""
        is_single = kind in ("q", "s") or (not kind and closer == "'")
        raw, is_constant = self.scan(start, opener, closer, not is_single)
        if kind == "x" or closer == "`" or not is_constant:
            self.add("literal", start)  # a command or an interpolated string: never run
        else:
            value = literals.single(raw, opener + closer) if is_single else literals.double(raw)
            self.add("literal", start, value)

    def heredoc(self, start: int) -> bool:
        found = _HEREDOC.match(self.text, start)
        if not found:
            return False
        indent, word = r"[ \t]*" if found[1] else "", found[3] or found[4]
        terminator = re.compile(rf"^{indent}{re.escape(word)}\r?$", re.MULTILINE)
        is_known = terminator.pattern in self.no_heredocs
        if is_known or not terminator.search(self.text, self.end_of_line(start) + 1):
            self.no_heredocs.add(terminator.pattern)
            if self.tokens and self.tokens[-1].kind != "mark":
                return False  # `list <<Item`, `class <<self`
            raise self.unreadable(f"the here-document {word} has no end", start)
        self.at = found.end()
        self.heredocs.append(terminator)
        self.add("literal", start)
        return True

    def scan(self, start: int, opener: str, closer: str, interpolates: bool) -> tuple[str, bool]:
        """Go behind the closing mark; give the text before it, and whether nothing is interpolated."""
        begin, depth, is_constant = self.at, 1, True
        special = _special(opener, closer, interpolates)
        while depth:
            found = special.search(self.text, self.at)
            if not found:
                raise self.unreadable(f"{self.text[start : start + 20].splitlines()[0]!r} has no end", start)
            self.at = found.end()
            if found[0] == closer:
                depth -= 1
            elif found[0] == opener:
                depth += 1
            elif found[0].startswith("#"):
                is_constant = False
                self.interpolation(found.start(), found[0])
        return self.text[begin : self.at - 1], is_constant

    def interpolation(self, start: int, mark: str) -> None:
        """Pass over what stands in ``#{}``; behind ``#$`` and ``#@`` there is only a name."""
        if mark != "#{":
            return
        outer, self.tokens = self.tokens, []
        self.depth += 1
        if self.depth > _DEEPEST:
            raise self.unreadable("strings are nested too deeply", start)
        open_braces = 1
        while open_braces:
            if not self.skip():
                raise self.unreadable("`#{` has no `}`", start)
            before = len(self.tokens)
            self.step()
            for token in self.tokens[before:]:
                open_braces += token.is_mark("{") - token.is_mark("}")
        self.depth -= 1
        self.tokens = outer


@cache
def _special(opener: str, closer: str, interpolates: bool) -> re.Pattern[str]:
    """What matters between two delimiters: escapes, the delimiters themselves, interpolation."""
    inner = f"#{{|#@{{1,2}}(?=[{_LETTER}])|#\\$(?:(?=[{_LETTER}])|-\\w|{_SPECIAL})|" if interpolates else ""
    return re.compile(rf"\\[\s\S]|{inner}{re.escape(closer)}|{re.escape(opener)}")

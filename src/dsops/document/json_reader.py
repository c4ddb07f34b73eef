"""Parse JSON. The parser continues after problems from which it can recover."""

from __future__ import annotations

import re

from dsops.document.nodes import MAX_DEPTH, Document, Mapping, Node, Scalar, Sequence
from dsops.errors import ConfigTooLarge, Problem, SyntaxInvalid, Where

_SPACE = re.compile(r"[ \t\n\r]*")
_STRING = re.compile(r'"([^"\\\x00-\x1f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*)*)"')
# Patterns for the most frequent parts of a document. In an object such a part is a comma, a key, and a string or an
# opening bracket; in a list it is a comma and a string. Everything else is parsed more slowly.
_W, _TEXT = r"[ \t\n\r]*", r'"([^"\\\x00-\x1f]*)"'
_PAIR = rf"{_TEXT}{_W}:{_W}(?:{_TEXT}(?={_W}[,}}])|(?=[{{\[]))"
_FIRST_PAIR, _NEXT_PAIR = re.compile(_W + _PAIR), re.compile(f"{_W},{_W}{_PAIR}")
_ITEM = rf"{_TEXT}(?={_W}[,\]])"
_FIRST_ITEM, _NEXT_ITEM = re.compile(_W + _ITEM), re.compile(f"{_W},{_W}{_ITEM}")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?(?![0-9A-Za-z_.+-])")
_WORD = re.compile(r"(?:true|false|null)(?![0-9A-Za-z_])")
_ESCAPE = re.compile(r"\\(?:u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|(.))")
_LETTERS = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


def read(text: str, file: str, *, comments: bool = False) -> Document:
    """Parse a JSON text, as `dsops.document.parse_json` describes."""
    reader = _Reader(file, text, comments=comments)
    root = None
    is_too_large = False
    try:
        root = reader.document()
    except ConfigTooLarge as error:
        reader.problems.append(Problem(error.where or Where(file), "", error.message))
        is_too_large = True
    except SyntaxInvalid as error:
        reader.problems.append(Problem(error.where or Where(file), "", error.message, error.hint))
    reader.problems.sort(key=lambda problem: problem.where.line)
    return Document(root, tuple(reader.problems), is_too_large)


class _Reader:
    """Parses the text in one pass from left to right. Lines are only counted when a line number is needed."""

    def __init__(self, file: str, text: str, *, comments: bool) -> None:
        self.problems: list[Problem] = []
        self._file = file
        self._text = text.removeprefix("\ufeff")
        self._comments = comments
        self._at = 0
        self._line = 1
        self._counted = 0
        self._comma_line = 0
        # The methods are looked up only once, because finding a method takes as long as a short match.
        self._match_space, self._match_string = _SPACE.match, _STRING.match
        self._match_pair, self._match_item = _NEXT_PAIR.match, _NEXT_ITEM.match

    def document(self) -> Node | None:
        """Return the text's only value, or None if the text is only white space."""
        if not self._skip():
            return None
        root = self._value(1)
        if self._skip():
            raise self._wrong("something follows the end of the JSON value", "remove it, or check the brackets above")
        return root

    def _value(self, depth: int) -> Node:
        text, at = self._text, self._at
        first = text[at : at + 1]
        if first in ("{", "["):
            if depth > MAX_DEPTH:
                hint = "check that it is the right file"
                raise ConfigTooLarge(
                    f"the values are nested more than {MAX_DEPTH} levels deep", hint=hint, where=self._here()
                )
            return self._mapping(depth) if first == "{" else self._sequence(depth)
        if first == '"':
            return self._string()
        line = self._count_lines()
        if match := _NUMBER.match(text, at):
            self._at = match.end()
            return Scalar(match.group(), "number" if match.lastindex else "integer", line)
        if match := _WORD.match(text, at):
            self._at = match.end()
            return Scalar(match.group(), "null" if match.group() == "null" else "boolean", line)
        raise self._missing_value(first)

    def _mapping(self, depth: int) -> Mapping:
        line = self._count_lines()
        entries: dict[str, tuple[Scalar, Node]] = {}
        self._at += 1
        pair = _FIRST_PAIR.match(self._text, self._at)
        while pair or self._has_next("}", is_first=not entries):
            key, value = self._plain_entry(pair, depth) if pair else self._entry(depth)
            if key.text in entries:
                self._note(key.line, f"`{key.text}` occurs twice: on line {entries[key.text][0].line} and here")
            else:
                entries[key.text] = key, value
            pair = self._match_pair(self._text, self._at)
        return Mapping(tuple(entries.values()), line)

    def _plain_entry(self, pair: re.Match[str], depth: int) -> tuple[Scalar, Node]:
        key = Scalar(pair.group(1), "text", self._count_lines_to(pair.start(1)))
        text = pair.group(2)
        if text is None:
            self._at = pair.end()
            return key, self._value(depth + 1)
        value = Scalar(text, "text", self._count_lines_to(pair.start(2)))
        self._at = pair.end()
        return key, value

    def _entry(self, depth: int) -> tuple[Scalar, Node]:
        if self._text[self._at] != '"':
            raise self._wrong("a key in double quotes is missing here", 'write `"key": value`')
        key = self._string()
        if self._skip() != ":":
            raise self._wrong(f"no `:` after the key `{key.text}`")
        self._at += 1
        self._skip()
        return key, self._value(depth + 1)

    def _sequence(self, depth: int) -> Sequence:
        line = self._count_lines()
        items: list[Node] = []
        self._at += 1
        item = _FIRST_ITEM.match(self._text, self._at)
        while item or self._has_next("]", is_first=not items):
            if item:
                items.append(Scalar(item.group(1), "text", self._count_lines_to(item.start(1))))
                self._at = item.end()
            else:
                items.append(self._value(depth + 1))
            item = self._match_item(self._text, self._at)
        return Sequence(tuple(items), line)

    def _has_next(self, end: str, *, is_first: bool) -> bool:
        """Return whether another entry follows. Moves past the comma before that entry, or past the closing bracket."""
        has_comma = False
        while True:
            following = self._skip()
            if following == end:
                self._at += 1
                if has_comma:
                    self._note(self._comma_line, f"a comma before `{end}`", "remove the comma")
                return False
            if not following:
                raise self._wrong(f"the text ends before a `{end}`")
            if following != ",":
                break
            self._comma_line = self._count_lines()
            if is_first or has_comma:
                self._note(self._comma_line, "a comma with nothing before it", "remove the comma")
            has_comma = True
            self._at += 1
        if following in "]}:":
            raise self._wrong(f"a `{following}` where none fits", "check the brackets above")
        if not is_first and not has_comma:
            self._note(self._count_lines(), "no comma before this", "put one after the value above")
        return True

    def _string(self) -> Scalar:
        line = self._count_lines()
        match = self._match_string(self._text, self._at)
        if match is None:
            raise self._wrong("a text in quotes that doesn't end, or has a line break or a bad escape in it")
        self._at = match.end()
        raw = match.group(1)
        return Scalar(_ESCAPE.sub(self._unescape, raw) if "\\" in raw else raw, "text", line)

    def _unescape(self, match: re.Match[str]) -> str:
        high, low, code, letter = match.groups()
        if letter is not None:
            return _LETTERS.get(letter, letter)
        if high is not None:
            return chr(0x10000 + ((int(high, 16) - 0xD800) << 10) + int(low, 16) - 0xDC00)
        number = int(code, 16)
        if 0xD800 <= number <= 0xDFFF:
            # RFC 8259, section 8.2, calls the behaviour of software that gets lone surrogates "unpredictable", and
            # UTF-8 can't encode lone surrogates.
            self._note(self._line, f"`\\u{code}` is half a character", "write both halves, or the character itself")
            return "\ufffd"
        return chr(number)

    def _skip(self) -> str:
        """Skip white space and comments; return the next character, or "" at the end."""
        while True:
            match = self._match_space(self._text, self._at)
            self._at = match.end() if match else self._at
            two = self._text[self._at : self._at + 2]
            if two not in ("//", "/*"):
                return two[:1]
            line = self._count_lines()
            if not self._comments:
                self._note(line, "a comment: JSON has none", "remove it")
            end = self._text.find("\n" if two == "//" else "*/", self._at + 2)
            if end < 0 and two == "/*":
                raise self._wrong("a comment that doesn't end", "close it with `*/`")
            self._at = len(self._text) if end < 0 else end + (0 if two == "//" else 2)

    def _missing_value(self, first: str) -> SyntaxInvalid:
        if not first:
            return self._wrong("the text ends where a value should be")
        if first == "'":
            return self._wrong("single quotes: JSON has double ones only")
        if first in "]},:":
            return self._wrong(f"a `{first}` where a value should be")
        if first == "#":
            return self._wrong("a comment: JSON has none", "remove it")
        return self._wrong("no JSON value starts like this", "put text in double quotes")

    def _count_lines(self) -> int:
        return self._count_lines_to(self._at)

    def _count_lines_to(self, at: int) -> int:
        self._line += self._text.count("\n", self._counted, at)
        self._counted = at
        return self._line

    def _here(self) -> Where:
        return Where(self._file, self._count_lines())

    def _wrong(self, message: str, hint: str = "") -> SyntaxInvalid:
        return SyntaxInvalid(message, hint=hint, where=self._here())

    def _note(self, line: int, message: str, hint: str = "") -> None:
        self.problems.append(Problem(Where(self._file, line), "", message, hint))

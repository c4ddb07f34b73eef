"""Builds a document's tree from PyYAML's events.

PyYAML's composer and constructor are not used: their recursion is as deep as the text's nesting, they follow every
alias, and they drop the text of numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import yaml

from dsops.document.nodes import (
    MAX_CHARACTERS,
    MAX_DEPTH,
    MAX_EXPANDED_CHARACTERS,
    MAX_NODES,
    Document,
    Kind,
    Mapping,
    Node,
    Scalar,
    Sequence,
)
from dsops.errors import ConfigTooLarge, Problem, SyntaxInvalid, Where
from dsops.startup import Any

# The C parser is about ten times as fast. PyYAML has only the Python parser if it was built without libyaml.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# The event classes of PyYAML have different attributes, and the type stubs declare none of them in the base class.
_Event = Any

_LIBYAML_DEPTH = "exceeded maximum nesting depth"

_STANDARD = "tag:yaml.org,2002:"
_PLAIN_TAGS = frozenset({f"{_STANDARD}{name}" for name in ("int", "float", "bool", "null", "map", "seq")})
_MERGE = "<<"

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
# YAML 1.1's spellings of booleans; the configuration accepts all of them where it expects a boolean.
_BOOLEANS = frozenset(
    spelling for word in ("true", "false", "yes", "no", "on", "off") for spelling in (word, word.title(), word.upper())
)
# Numbers of YAML 1.2. YAML 1.1's `1_000` and `12:30` stay strings, because users do not mean 750 by `12:30`.
_INTEGER = re.compile(r"[-+]?[0-9]+|0x[0-9a-fA-F]+|0o[0-7]+")
_NUMBER = re.compile(
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)


def read(text: str, file: str, *, has_functions: bool = False) -> Document:
    """Parse a YAML text, as `dsops.document.parse_yaml` describes."""
    if len(text) > MAX_CHARACTERS:
        message = f"the file has {len(text):,} characters; at most {MAX_CHARACTERS:,} are read"
        return Document(None, (Problem(Where(file), "", message),), is_too_large=True)
    reader = _Reader(file, text.removeprefix("\ufeff"), has_functions=has_functions)
    root = None
    is_too_large = False
    try:
        root = reader.document()
    except ConfigTooLarge as error:
        reader.problems.append(Problem(error.where or Where(file), "", error.message))
        is_too_large = True
    except SyntaxInvalid as error:
        reader.problems.append(Problem(error.where or Where(file), "", error.message, error.hint))
    except yaml.YAMLError as error:
        reader.problems.append(_syntax_problem(error, reader.text, file))
        is_too_large = _LIBYAML_DEPTH in str(error)
    except UnicodeEncodeError as error:
        line = text.count("\n", 0, error.start) + 1
        reader.problems.append(Problem(Where(file, line), "", "half a character (a lone surrogate)"))
    reader.problems.sort(key=lambda problem: problem.where.line)
    return Document(root, tuple(reader.problems), is_too_large)


class _Reader:
    """Builds the tree. Counts every list, mapping and scalar, and counts an aliased node again at each use."""

    def __init__(self, file: str, text: str, *, has_functions: bool = False) -> None:
        self._has_functions = has_functions
        self.file = file
        self.text = text
        self.problems: list[Problem] = []
        self._events: Iterator[_Event] = yaml.parse(text, Loader=_LOADER)
        self._anchors: dict[str, tuple[Node, int, int]] = {}
        self._open: set[str] = set()
        self._count = 0
        self._characters = 0

    def document(self) -> Node | None:
        """Return the root of the only document, or None for an empty text."""
        root: Node | None = None
        is_first = True
        for event in self._events:
            if not isinstance(event, yaml.DocumentStartEvent):
                continue
            if not is_first:
                raise self._wrong(event, "a second document starts here (`---`)", "keep one document in a file")
            is_first = False
            root = self._node(next(self._events), 1)
        return None if isinstance(root, Scalar) and root.kind == "null" else root

    def _node(self, event: _Event, depth: int) -> Node:
        if type(event) is yaml.AliasEvent:
            return self._alias(event)
        anchor: str | None = event.anchor
        before, characters = self._count, self._characters
        self._add(1, event)
        if type(event) is yaml.ScalarEvent:
            node: Node = self._scalar(event)
            self._add(0, event, len(event.value))
        else:
            if depth > MAX_DEPTH:
                hint, where = "check that it is the right file", self._where(event)
                raise ConfigTooLarge(f"the values are nested more than {MAX_DEPTH} levels deep", hint=hint, where=where)
            if anchor is not None:
                self._open.add(anchor)
            if not self._is_function(event):
                self._check_tag(event)
            is_list = type(event) is yaml.SequenceStartEvent
            node = self._sequence(event, depth) if is_list else self._mapping(event, depth)
            if anchor is not None:
                self._open.discard(anchor)
        if self._is_function(event):
            node = self._function(event, node)
        if anchor is not None:
            self._anchors[anchor] = node, self._count - before, self._characters - characters
        return node

    def _is_function(self, event: _Event) -> bool:
        tag: str | None = event.tag
        return self._has_functions and tag is not None and tag.startswith("!") and len(tag) > 1

    def _function(self, event: _Event, value: Node) -> Mapping:
        """Convert `!Sub text` to `{"Fn::Sub": text}` (CloudFormation User Guide, "Intrinsic function reference")."""
        self._add(1, event)
        name, line = str(event.tag)[1:], event.start_mark.line + 1
        if name == "GetAtt" and isinstance(value, Scalar):
            resource, _, attribute = value.text.partition(".")
            value = Sequence((Scalar(resource, "text", line), Scalar(attribute, "text", line)), line)
        key = name if name in ("Ref", "Condition") else f"Fn::{name}"
        return Mapping(((Scalar(key, "text", line), value),), line)

    def _alias(self, event: _Event) -> Node:
        anchor: str = event.anchor
        if anchor in self._open:
            raise self._wrong(event, f"`*{anchor}` stands inside of `&{anchor}`: it would contain itself")
        if anchor not in self._anchors:
            message = f"`*{anchor}` refers to an anchor that doesn't stand above it"
            raise self._wrong(event, message, f"write `&{anchor}` before the value it stands for")
        node, size, characters = self._anchors[anchor]
        self._add(size, event, characters)
        return node

    def _sequence(self, start: _Event, depth: int) -> Sequence:
        items: list[Node] = []
        while type(event := next(self._events)) is not yaml.SequenceEndEvent:
            items.append(self._node(event, depth + 1))
        return Sequence(tuple(items), start.start_mark.line + 1)

    def _mapping(self, start: _Event, depth: int) -> Mapping:
        own: dict[str, tuple[Scalar, Node]] = {}
        merged: dict[str, tuple[Scalar, Node]] = {}
        merge_line = 0
        while type(event := next(self._events)) is not yaml.MappingEndEvent:
            is_merge = type(event) is yaml.ScalarEvent and event.value == _MERGE and event.implicit[0]
            key = self._node(event, depth + 1)
            value = self._node(next(self._events), depth + 1)
            if not isinstance(key, Scalar) or key.kind == "null":
                kind = "nothing" if isinstance(key, Scalar) else "a list or mapping"
                hint = "put text that starts with `{` or `[` in quotes"
                self._note(event.start_mark.line + 1, f"{kind} can't be a key", "" if isinstance(key, Scalar) else hint)
            elif is_merge:
                if merge_line:
                    hint = "merge several mappings with a list: `<<: [*one, *two]`"
                    self._note(key.line, f"`<<` occurs twice: on line {merge_line} and here", hint)
                merge_line = key.line
                self._merge(key.line, value, merged)
            elif key.text in own:
                message = f"`{key.text}` occurs twice: on line {own[key.text][0].line} and here"
                self._note(key.line, message, "keep one of them")
            else:
                own[key.text] = key, value
        return Mapping(tuple((merged | own).values()), start.start_mark.line + 1)

    def _merge(self, line: int, value: Node, into: dict[str, tuple[Scalar, Node]]) -> None:
        # If several merged mappings have a key, the first of them takes precedence (https://yaml.org/type/merge.html).
        for source in value.items if isinstance(value, Sequence) else (value,):
            if not isinstance(source, Mapping):
                self._note(
                    line, "`<<` takes a mapping or a list of mappings", "name an anchor of a mapping: `<<: *name`"
                )
                continue
            self._add(len(source.entries), None)
            for key, node in source.entries:
                into.setdefault(key.text, (key, node))

    def _scalar(self, event: _Event) -> Scalar:
        text: str = event.value
        tag: str | None = event.tag
        if tag is None or self._is_function(event):
            return Scalar(text, _kind(text) if event.implicit[0] else "text", event.start_mark.line + 1)
        self._check_tag(event)
        return Scalar(text, _kind(text) if tag in _PLAIN_TAGS else "text", event.start_mark.line + 1)

    def _check_tag(self, event: _Event) -> None:
        tag: str | None = event.tag
        if tag is not None and tag not in _PLAIN_TAGS and tag not in ("!", f"{_STANDARD}str"):
            shown_tag = tag.replace(_STANDARD, "!!")
            self._note(event.start_mark.line + 1, f"the tag `{shown_tag}` means nothing here", "leave it out")

    def _add(self, count: int, event: _Event | None, characters: int = 0) -> None:
        self._count += count
        self._characters += characters
        if self._count > MAX_NODES or self._characters > MAX_EXPANDED_CHARACTERS:
            where = Where(self.file) if event is None else self._where(event)
            is_long = self._count <= MAX_NODES
            limit = f"{MAX_EXPANDED_CHARACTERS:,} characters" if is_long else f"{MAX_NODES:,} values"
            message = f"the file expands to more than {limit}: an alias counts as often as it is used"
            raise ConfigTooLarge(message, hint="check that it is the right file write fewer aliases", where=where)

    def _where(self, event: _Event) -> Where:
        return Where(self.file, event.start_mark.line + 1)

    def _wrong(self, event: _Event, message: str, hint: str = "") -> SyntaxInvalid:
        return SyntaxInvalid(message, hint=hint, where=self._where(event))

    def _note(self, line: int, message: str, hint: str = "") -> None:
        self.problems.append(Problem(Where(self.file, line), "", message, hint))


def _kind(text: str) -> Kind:
    """Return the type of an unquoted scalar."""
    if text in _NULLS:
        return "null"
    if text[0] in "0123456789+-.":
        if _INTEGER.fullmatch(text):
            return "integer"
        if _NUMBER.fullmatch(text):
            return "number"
    return "boolean" if text in _BOOLEANS else "text"


# Tuples: a part of PyYAML's message, the message for users, a hint. If the parsers' messages differ, the C parser's
# comes first.
_CONTINUES = "this line doesn't continue what stands above it"
_LIST = "a `[` list without its `]`, or two items without a `,` between them"
_MAPPING = "a `{` mapping without its `}`, or two entries without a `,` between them"
_WORDS = (
    (
        "mapping values are not allowed",
        "a `: ` stands where no key can be",
        "put the value in quotes if the colon belongs to it, or check the indentation of this line",
    ),
    ("did not find expected key", _CONTINUES, "check its indentation and quotes"),
    ("expected <block end>", _CONTINUES, "check its indentation and quotes"),
    ("did not find expected '-' indicator", "this line is no further item of the list above", "check its indentation"),
    ("could not find expected ':'", "a key without `:`", "write `key: value`, with a space after the colon"),
    ("expected ',' or ']'", _LIST, ""),
    ("expected ',' or '}'", _MAPPING, ""),
    ("expected node content", "a value is missing here", "close the `[` or `{` above, or write the value"),
    ("unexpected end of stream", "a quote is opened here and not closed", "close it, or double it inside of the text"),
    (_LIBYAML_DEPTH, f"the values are nested more than {MAX_DEPTH} levels deep", ""),
    ("unknown escape character", "a backslash and a character that mean nothing together", "use single quotes"),
)


def _syntax_problem(error: yaml.YAMLError, text: str, file: str) -> Problem:
    """Convert PyYAML's syntax error to a message for the file's author. It contains no text of the file."""
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        words = error.problem or error.context or ""
        if "unexpected end of stream" in words and error.context_mark is not None:
            mark = error.context_mark
        line, column = (mark.line, mark.column) if mark is not None else (0, 0)
        opened = error.context_mark.line + 1 if error.context_mark is not None else 0
        return _marked_problem(words, text, Where(file, line + 1), column, opened)
    if isinstance(error, yaml.reader.ReaderError):
        # libyaml reports an offset in bytes, the Python parser one in characters; both give the correct line.
        line = text.encode("utf-8", "replace").count(b"\n", 0, error.position) + 1
        code = error.character if isinstance(error.character, int) else ord(error.character)
        return Problem(Where(file, line), "", f"the control character U+{code:04X} can't stand in YAML", "remove it")
    return Problem(Where(file), "", "the file is not well-formed YAML")


def _marked_problem(words: str, text: str, where: Where, column: int, opened: int) -> Problem:
    """Return the problem at the location that PyYAML reported.

    `opened` is the line where the enclosing list or mapping begins, or 0 if it is unknown.
    """
    lines = text.split("\n")
    for index in (where.line - 1, where.line - 2):
        if 0 <= index < len(lines):
            indentation = lines[index][: len(lines[index]) - len(lines[index].lstrip())]
            if "\t" in indentation:
                return Problem(Where(where.file, index + 1), "", "a tab indents this line", "YAML takes spaces only")
    if "cannot start any token" in words:
        here = lines[where.line - 1][column : column + 1] if where.line <= len(lines) else ""
        return Problem(
            where, "", f"no value can start with `{here}`" if here.strip() else words, "put the value in quotes"
        )
    for part, message, hint in _WORDS:
        if part in words:
            begins = f"it opens on line {opened}" if opened and message in (_LIST, _MAPPING) else ""
            return Problem(where, "", message, begins or hint)
    return Problem(where, "", f"not well-formed YAML: {words}")

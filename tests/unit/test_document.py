"""Parsing YAML and JSON into a tree with a line for every value."""

from __future__ import annotations

import time

import pytest
import yaml

from dsops.document import (
    MAX_CHARACTERS,
    MAX_DEPTH,
    Document,
    Kind,
    Mapping,
    Node,
    Scalar,
    Sequence,
    is_json_number,
    parse_json,
    parse_yaml,
    to_json,
    to_plain,
    yaml_reader,
)
from tests.founding_page import blocks


def value(document: Document, key: str) -> Node:
    """Return the value of a top-level key in a document without problems."""
    assert document.problems == ()
    assert isinstance(document.root, Mapping)
    node = document.root.get(key)
    assert node is not None
    return node


def told(document: Document) -> list[tuple[int, str]]:
    """Return the line and message of each problem."""
    return [(problem.where.line, problem.message) for problem in document.problems]


class TestYaml:
    """Parsing of YAML by `parse_yaml`."""

    @pytest.mark.parametrize(
        ("text", "kind"),
        [
            ("012345678901", "integer"),
            ("0x1F", "integer"),
            ("1.50", "number"),
            ("1e400", "number"),
            (".5", "number"),
            ("true", "boolean"),
            ("NO", "boolean"),
            ("on", "boolean"),
            ("~", "null"),
            ("null", "null"),
            ("2026-11-24", "text"),
            ("12:30", "text"),
            ("1_000", "text"),
            ("nO", "text"),
            ("0x", "text"),
        ],
    )
    def test_a_plain_scalar_keeps_its_text(self, text: str, kind: Kind) -> None:
        """A plain scalar keeps its text; its kind says how YAML would read it."""
        assert value(parse_yaml(f"a: {text}", "f"), "a") == Scalar(text, kind, 1)

    @pytest.mark.parametrize("written", ['"007"', "'007'", "!!str 007", "! 007", "|-\n  007"])
    def test_a_quoted_scalar_is_text(self, written: str) -> None:
        """A number in quotes, in block style or with !!str is text."""
        assert value(parse_yaml(f"a: {written}", "f"), "a") == Scalar("007", "text", 1)

    def test_every_value_has_its_line(self) -> None:
        """Every key, value, list and mapping has its line, also with CRLF and a BOM."""
        text = "\ufeffa: 1\r\nb:\r\n  - x\r\n  - {c: y}\r\n"
        root = parse_yaml(text, "f").root
        expected = Mapping(
            (
                (Scalar("a", "text", 1), Scalar("1", "integer", 1)),
                (
                    Scalar("b", "text", 2),
                    Sequence(
                        (Scalar("x", "text", 3), Mapping(((Scalar("c", "text", 4), Scalar("y", "text", 4)),), 4)), 3
                    ),
                ),
            ),
            1,
        )
        assert expected == root

    @pytest.mark.parametrize("text", ["", "# nothing\n", "\n\n", "---\n", "\ufeff", "---\n...\n", "~"])
    def test_nothing_is_no_problem(self, text: str) -> None:
        """An empty document has no root and no problem."""
        assert parse_yaml(text, "f") == Document(None, ())

    def test_a_repeated_key_is_a_problem_with_both_lines(self) -> None:
        """A repeated key is a problem that names both lines; the first value is kept."""
        document = parse_yaml("a: 1\nb: 2\na: 3\nb: 4\n", "f")
        assert [(3, "`a` occurs twice: on line 1 and here"), (4, "`b` occurs twice: on line 2 and here")] == told(
            document
        )
        assert isinstance(document.root, Mapping)
        assert document.root.get("a") == Scalar("1", "integer", 1)

    def test_the_same_key_in_two_mappings_is_none(self) -> None:
        """The same key in two different mappings is no problem."""
        assert parse_yaml("a: {x: 1}\nb: {x: 2}\n", "f").problems == ()

    def test_keys_that_yaml_reads_as_numbers_or_booleans_are_texts(self) -> None:
        """Keys such as account ids and `on` are texts."""
        root = parse_yaml("012345678901: a\non: b\n1.0: c\n", "f").root
        assert isinstance(root, Mapping)
        assert [key.text for key, _ in root.entries] == ["012345678901", "on", "1.0"]

    @pytest.mark.parametrize(
        ("text", "what"), [("[a]: 1", "a list or mapping"), ("~: 1", "nothing"), ("? \n: 1", "nothing")]
    )
    def test_other_keys_are_a_problem(self, text: str, what: str) -> None:
        """A list, a mapping or null is a problem if it is a key."""
        assert told(parse_yaml(text, "f")) == [(1, f"{what} can't be a key")]

    def test_a_template_left_unquoted_tells_to_quote_it(self) -> None:
        """The hint for an unquoted template `{{ x }}`, which YAML reads as a mapping, is to quote it."""
        document = parse_yaml("a: {{ x }}\n", "f")
        assert document.problems[0].hint == "put text that starts with `{` or `[` in quotes"

    def test_a_merge_takes_what_is_not_there(self) -> None:
        """The mapping's own keys take precedence over `<<`; among merged mappings the earlier ones take precedence."""
        text = "x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2}\nz:\n  <<: [*x, *y]\n  a: 0\n"
        assert to_plain(value(parse_yaml(text, "f"), "z")) == {"a": 0, "b": 1, "c": 2}

    def test_merged_values_keep_the_line_they_are_written_on(self) -> None:
        """Merged values keep the line where they are written."""
        node = value(parse_yaml("x: &x\n  a: 1\nz:\n  <<: *x\n", "f"), "z")
        assert isinstance(node, Mapping)
        assert node.get("a") == Scalar("1", "integer", 2)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("a:\n  <<: 1", "`<<` takes a mapping or a list of mappings"),
            ("a:\n  <<: [1]", "`<<` takes a mapping or a list of mappings"),
            ("a:\n  <<: {b: 1}\n  <<: {c: 1}", "`<<` occurs twice: on line 2 and here"),
        ],
    )
    def test_a_wrong_merge_is_a_problem(self, text: str, message: str) -> None:
        """`<<` with anything but mappings is a problem, and so is a repeated `<<`."""
        assert [problem.message for problem in parse_yaml(text, "f").problems] == [message]

    def test_a_quoted_merge_key_is_a_key(self) -> None:
        """A `<<` in quotes is an ordinary key."""
        assert to_plain(value(parse_yaml('a: {"<<": 1}', "f"), "a")) == {"<<": 1}

    @pytest.mark.parametrize(
        ("text", "line", "message"),
        [
            ("a: 1\nb:\n\tc: 1\n", 3, "a tab indents this line"),
            ("a: b: c\n", 1, "a `: ` stands where no key can be"),
            ("a:\n  b: 1\n c: 2\n", 3, "this line doesn't continue what stands above it"),
            ("a: 1\nb: 'x\nc: 2\n", 2, "a quote is opened here and not closed"),
            ("a: @x\n", 1, "no value can start with `@`"),
            ("a: 1\n---\nb: 2\n", 2, "a second document starts here (`---`)"),
            ("a: *x\n", 1, "`*x` refers to an anchor that doesn't stand above it"),
            ("a: &x\n  - *x\n", 2, "`*x` stands inside of `&x`: it would contain itself"),
            ("a: \x07\n", 1, "the control character U+0007 can't stand in YAML"),
            ("a: 1\nb: !x 1\n", 2, "the tag `!x` means nothing here"),
            ("a: 1\nb: !!binary aGk=\n", 2, "the tag `!!binary` means nothing here"),
            ("a\nb: 1\n", 2, "a `: ` stands where no key can be"),
            ("a: [\n", 2, "a value is missing here"),
            ("a: [1, 2\nb: 3\n", 2, "a `[` list without its `]`, or two items without a `,` between them"),
            ('a: "\\q"\n', 1, "a backslash and a character that mean nothing together"),
            ("a: \ud800\n", 1, "half a character (a lone surrogate)"),
        ],
    )
    def test_what_is_wrong_is_told_in_plain_words(self, text: str, line: int, message: str) -> None:
        """Each syntax error has its line and a plain message."""
        assert told(parse_yaml(text, "f")) == [(line, message)]

    def test_a_syntax_error_never_quotes_the_line(self) -> None:
        """A syntax error never quotes the text, which may be a secret."""
        for text in (
            "a: 'hunter2\n",
            "password: hunter2: x\n",
            "- hunter2\na: 1\n",
            "a: {hunter2\n",
            "hunter2\nb: 1\n",
        ):
            document = parse_yaml(text, "f")
            assert document.problems
            assert "hunter2" not in repr(document.problems)

    @pytest.mark.parametrize(
        "text",
        [
            "a" * (MAX_CHARACTERS + 1),
            "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1),
            "[" * 1_000_000,
            "a: &a [x, x, x, x, x, x, x, x, x]\n"
            + "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)),
            "a: &a {" + ", ".join(f"k{number}: 1" for number in range(600)) + "}\nb:\n" + "  - {<<: *a}\n" * 600,
        ],
        ids=["size", "depth", "depth of a megabyte", "alias bomb", "merge bomb"],
    )
    def test_what_is_too_large_is_refused_at_once(self, text: str) -> None:
        """Texts over the limits of size, depth or expansion are refused without delay."""
        started = time.process_time()
        document = parse_yaml(text, "f")
        assert time.process_time() - started < 5
        assert (document.root, document.is_too_large, len(document.problems)) == (None, True, 1)

    def test_the_limits_leave_room(self) -> None:
        """Texts just within the limits are read."""
        deep = "[" * MAX_DEPTH + "]" * MAX_DEPTH
        assert parse_yaml(deep, "f").problems == ()
        assert parse_yaml("a: &a [1, 2]\nb: [" + "*a, " * 1000 + "]", "f").problems == ()

    def test_the_parser_without_libyaml_reads_the_same(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """PyYAML without its C extension gives the same trees."""
        texts = [block.text for block in blocks("yaml")]
        with_libyaml = [parse_yaml(text, "f") for text in texts]
        monkeypatch.setattr(yaml_reader, "_LOADER", yaml.SafeLoader)
        assert with_libyaml == [parse_yaml(text, "f") for text in texts]
        for text in ("a: b: c\n", "a:\n\tb: 1\n", "a:\n  b: 1\n c: 2\n", "a: @x\n", "a: [1, 2\nb: 3\n", "a: \x07\n"):
            document = parse_yaml(text, "f")
            assert document.root is None
            assert document.problems[0].where.line > 0


class TestJson:
    """Parsing of JSON by `parse_json`."""

    def test_values_have_kinds_and_lines(self) -> None:
        """JSON values have kinds and lines; numbers keep their text, and CRLF counts as one line break."""
        document = parse_json('{"a": 1,\r\n "b": [1.50, "x", true, null]}', "f")
        expected = Sequence(
            (
                Scalar("1.50", "number", 2),
                Scalar("x", "text", 2),
                Scalar("true", "boolean", 2),
                Scalar("null", "null", 2),
            ),
            2,
        )
        assert value(document, "b") == expected
        assert value(document, "a") == Scalar("1", "integer", 1)

    def test_escapes_are_read(self) -> None:
        """Every escape of RFC 8259 is read, surrogate pairs included."""
        assert parse_json(r'"\" \\ \/ \b\f\n\r\t \u00e9 \ud83d\ude00 \\u0041"', "f").root == Scalar(
            '" \\ / \b\f\n\r\t é 😀 \\u0041', "text", 1
        )

    def test_the_founding_pages_mistakes_are_all_reported_in_line_order(self) -> None:
        """All mistakes on the AWS STS page (comments, a missing comma, a repeated key) are reported in line order."""
        text = next(block.text for block in blocks("json") if block.heading == "Trust Policy Issues")
        expected = [
            (6, "a comment: JSON has none"),
            (8, "a comment: JSON has none"),
            (9, "no comma before this"),
            (9, "`AWS` occurs twice: on line 7 and here"),
        ]
        document = parse_json(text, "f")
        assert expected == told(document)
        assert document.root is not None
        assert expected[2:] == told(parse_json(text, "f", comments=True))

    @pytest.mark.parametrize("comment", ["// x", "/* x */", "/* x\n y */", "// x // y", "/**/", "//"])
    def test_comments_can_stand_anywhere_where_they_are_allowed(self, comment: str) -> None:
        """With the option `comments`, comments may be between any two tokens."""
        text = '{~"a"~:~[~1~,~2~]~}~'.replace("~", f" {comment}\n")
        document = parse_json(text, "f", comments=True)
        assert document.problems == ()
        assert document.root is not None
        assert to_json(document.root) == '{"a":[1,2]}'
        assert len(parse_json(text, "f").problems) == 9

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ('{"a": 1,}', [(1, "a comma before `}`")]),
            ("[1,\n,2]", [(2, "a comma with nothing before it")]),
            ("[,1]", [(1, "a comma with nothing before it")]),
            ("[1\n 2]", [(2, "no comma before this")]),
            ('{"a": 1 "b": 2,}', [(1, "no comma before this"), (1, "a comma before `}`")]),
            ('"\\ud800"', [(1, "`\\ud800` is half a character")]),
        ],
    )
    def test_reading_goes_on_after_small_mistakes(self, text: str, expected: list[tuple[int, str]]) -> None:
        """Stray commas and lone surrogates are reported, and the rest of the text is parsed."""
        document = parse_json(text, "f")
        assert expected == told(document)
        assert document.root is not None

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("{", "the text ends before a `}`"),
            ("[1", "the text ends before a `]`"),
            ('{"a"}', "no `:` after the key `a`"),
            ("{a: 1}", "a key in double quotes is missing here"),
            ("{'a': 1}", "a key in double quotes is missing here"),
            ("['a']", "single quotes: JSON has double ones only"),
            ("[1}", "a `}` where none fits"),
            ('{"a": }', "a `}` where a value should be"),
            ('{"a":', "the text ends where a value should be"),
            ("[1] [2]", "something follows the end of the JSON value"),
            ('"a', "a text in quotes that doesn't end, or has a line break or a bad escape in it"),
            ('"a\nb"', "a text in quotes that doesn't end, or has a line break or a bad escape in it"),
            ('"\\x"', "a text in quotes that doesn't end, or has a line break or a bad escape in it"),
            ("01", "no JSON value starts like this"),
            ("NaN", "no JSON value starts like this"),
            ("truely", "no JSON value starts like this"),
            ("# x", "a comment: JSON has none"),
            ("/* x", "a comment that doesn't end"),
        ],
    )
    def test_what_can_not_be_read_ends_it(self, text: str, message: str) -> None:
        """If a text cannot be parsed, there is no root, and the message does not quote the text."""
        document = parse_json(text, "f", comments=True)
        assert (document.root, [(1, message)]) == (None, told(document))

    def test_nothing_is_no_problem(self) -> None:
        """A document of white space and a BOM is empty, which is no problem."""
        assert parse_json("\ufeff \n", "f") == Document(None, ())

    @pytest.mark.parametrize(
        "text",
        [
            "[" * 100_000,
            '{"a":' * 100_000,
            '"' + "\\" * 200_000,
            "[" + "1 " * 100_000,
            "/*" * 100_000,
            "//\n" * 100_000,
        ],
        ids=["lists", "mappings", "backslashes", "no commas", "comments", "lines of comments"],
    )
    def test_no_text_takes_long(self, text: str) -> None:
        """Parsing takes linear time for any text."""
        started = time.process_time()
        document = parse_json(text, "f")
        assert time.process_time() - started < 5
        assert document.problems

    def test_depth_is_bounded(self) -> None:
        """Nesting up to the limit is parsed; deeper nesting is refused."""
        assert parse_json("[" * MAX_DEPTH + "]" * MAX_DEPTH, "f").problems == ()
        assert parse_json("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), "f").is_too_large


class TestWriting:
    """Writing of nodes by `to_json` and `to_plain`."""

    def test_numbers_keep_their_text_and_other_notations_become_strings(self) -> None:
        """Numbers keep all digits; notations that JSON lacks become strings."""
        text = "{a: 1.50, b: 12345678901234567890, c: 012345678901, d: 0x1f, e: .5, f: +1, g: 1e400, h: .inf}"
        document = parse_yaml(text, "f")
        assert document.root is not None
        assert (
            to_json(document.root) == '{"a":1.50,"b":12345678901234567890,"c":"012345678901","d":"0x1f",'
            '"e":".5","f":"+1","g":1e400,"h":".inf"}'
        )

    def test_booleans_and_nulls_are_jsons(self) -> None:
        """YAML's booleans and nulls are written as JSON's; those in quotes stay strings."""
        document = parse_yaml('[yes, Off, TRUE, ~, "yes", "null"]', "f")
        assert document.root is not None
        assert to_plain(document.root) == [True, False, True, None, "yes", "null"]

    @pytest.mark.parametrize("text", ["0", "-0", "10", "1.0", "1e5", "1E-5"])
    def test_json_numbers(self, text: str) -> None:
        """Each text in the list is recognised as a JSON number."""
        assert is_json_number(text)

    @pytest.mark.parametrize("text", ["", "01", "+1", ".5", "1.", "1e", "٣", "1 ", "1\n", "0x1"])
    def test_other_texts_are_no_json_numbers(self, text: str) -> None:
        """No text in the list is recognised as a JSON number."""
        assert not is_json_number(text)

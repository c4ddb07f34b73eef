"""Transforms, which change a secret's value before it becomes a variable."""

from __future__ import annotations

import traceback

import pytest

from dsops.document import Mapping, parse_yaml
from dsops.errors import DsopsError, FieldMissing, Problem, TransformFailed, ValueUnusable, Where
from dsops.model import Transform
from dsops.secret import Secret
from dsops.transform import apply, describe, extract, parse_path, parse_transforms


def parsed(yaml: str) -> tuple[tuple[Transform, ...], tuple[Problem, ...]]:
    """Return the transforms and problems of this `transform:`."""
    root = parse_yaml(f"transform: {yaml}", "dsops.yaml").root
    assert isinstance(root, Mapping)
    return parse_transforms(root.entries[0][1], "dsops.yaml", "envs.p.A.transform")


def transformed(yaml: str, value: str) -> str:
    """Return the value after the transforms."""
    transforms, problems = parsed(yaml)
    assert problems == ()
    return apply(Secret(value), transforms).reveal()


def complaint(yaml: str) -> str:
    """Return the only problem of this `transform:`."""
    _, problems = parsed(yaml)
    assert len(problems) == 1
    assert (problems[0].where.file, problems[0].path) == ("dsops.yaml", "envs.p.A.transform")
    return problems[0].message


def failure(yaml: str, value: str) -> TransformFailed:
    """Return the error of transforms that cannot be applied; assert that it does not show the value."""
    transforms, problems = parsed(yaml)
    assert problems == ()
    with pytest.raises(TransformFailed) as raised:
        apply(Secret(value), transforms)
    error = raised.value
    shown_text = "".join(traceback.format_exception(error, chain=True))
    assert value not in shown_text
    assert value not in f"{error.message} {error.why} {error.hint}"
    linked: BaseException | None = error
    while linked is not None:
        assert value not in repr(vars(linked))
        linked = linked.__cause__ or linked.__context__
    return error


class TestSteps:
    """Each kind of transform, applied alone."""

    @pytest.mark.parametrize(
        ("yaml", "value", "expected"),
        [
            ("trim", " \t a b\n\u00a0", "a b"),
            ("multiline_to_single", "a\r\nb\n", "a\\nb\\n"),
            ("base64_encode", "hi?>", "aGk/Pg=="),
            ("base64_encode", "\udcff", "/w=="),
            ("base64_encode", "", ""),
            ("base64_decode", "aGk/Pg==", "hi?>"),
            ("base64_decode", "aGk_Pg", "hi?>"),
            ("base64_decode", " aG\nk= \r\n", "hi"),
            ("base64_decode", "/w==", "\udcff"),
            ('"json_extract:.a"', '{"a": "x"}', "x"),
            ('"json_extract:.a.b"', '{"a": {"b": 1.50}}', "1.50"),
            ('"json_extract:.a[1].b"', '{"a": [0, {"b": true}]}', "true"),
            ('"json_extract:.a[-1]"', '{"a": [1, 2]}', "2"),
            ('"json_extract:.n"', '{"n": null}', ""),
            ('"json_extract:.o"', '{"o": {"z": 1.0, "a": ["<", null, "\\u00e9"]}}', '{"z":1.0,"a":["<",null,"é"]}'),
            ('"json_extract:."', ' {"a" : 12345678901234567890} ', '{"a":12345678901234567890}'),
            ('"json_extract:[0]"', "[1e400]", "1e400"),
            ('"yaml_extract:.a"', "a: 007", "007"),
            ('"yaml_extract:.d"', "d: 2026-01-02", "2026-01-02"),
            ('"yaml_extract:.y"', "y: yes", "yes"),
            ('"yaml_extract:.t"', "t: True", "true"),
            ('"yaml_extract:.l"', "l: [1, x, {b: 1.0, n: ~}]", '[1,"x",{"b":1.0,"n":null}]'),
            ('"replace:a:b"', "banana", "bbnbnb"),
            ('"replace:an:"', "banana", "ba"),
            ('"join:,"', '["a", 1.50, null, {"x": 1.0}, true]', 'a,1.50,,{"x":1.0},true'),
            ('"join:+"', "a\n b \n\nc", "a+b+c"),
            ('"join:+"', "a, b,c", "a+b+c"),
            ('"join:+"', "a;b", "a+b"),
            ('"join:+"', "a|b", "a+b"),
            ('"join:+"', "a b", "a+b"),
            ('"join:+"', "one", "one"),
            ('"join:+"', "[a, b", "[a+b"),
            ('"join:+"', "[]", ""),
        ],
    )
    def test_gives(self, yaml: str, value: str, expected: str) -> None:
        """Each transform returns exactly the expected result."""
        assert expected == transformed(yaml, value)

    @pytest.mark.parametrize(
        ("yaml", "value", "why"),
        [
            ("base64_decode", "hunter2:", "the value is not base64"),
            ("base64_decode", "hunter2hunter", "the value is not base64"),
            ('"json_extract:.a"', "hunter2", "there is no field `.a`: the value is not JSON"),
            ('"json_extract:.a"', '{"a": NaN}', "there is no field `.a`: the value is not JSON"),
            ('"json_extract:.a"', "[" * 100_000, "there is no field `.a`: the value is not JSON"),
            ('"json_extract:.a.b"', '{"a": "hunter2"}', "`.a` is a text, not an object"),
            ('"json_extract:.a[0]"', '{"a": {"hunter2": 1}}', "`.a` is an object, not a list"),
            ('"json_extract:[2]"', '["hunter2", 1]', "the value has 2 items; the first is [0]"),
            ('"json_extract:[-3]"', '["hunter2", 1]', "the value has 2 items; the first is [0]"),
            ('"json_extract:.a"', "{}", "the value has no `a`"),
            ('"yaml_extract:.a"', "x: 1\na: *hunter2", "the value is not YAML (its line 2)"),
            ('"yaml_extract:.a"', "hunter2: x: y", "the value is not YAML (its line 1)"),
        ],
    )
    def test_what_can_not_be_applied_tells_why_and_never_the_value(self, yaml: str, value: str, why: str) -> None:
        """If a transform cannot be applied, the error has a reason; neither the error nor its causes show the value."""
        error = failure(yaml, value)
        assert why == error.why
        assert error.message == f"the transform `{yaml.strip(chr(34))}` can't be applied"
        assert error.where == Where("dsops.yaml", 1)

    def test_a_missing_field_lists_the_names_that_there_are(self) -> None:
        """A missing field is an error that lists the existing names, with a suggestion."""
        error = failure('"json_extract:.pasword"', '{"password": "hunter2", "db2.user_v3": "ada"}')
        assert error.why == "the value has no `pasword`; it has password, db2.user_v3"
        assert error.hint == "did you mean `password`?"

    def test_of_yaml_no_names_are_listed(self) -> None:
        """For YAML the error lists no names.

        A secret of two words with a colon would be a mapping, and its first word would be a name.
        """
        assert failure('"yaml_extract:.a"', "hunter2: x").why == "the value has no `a`"
        assert "hunter2" not in failure('"yaml_extract:.a"', "hunter2: x").hint

    def test_the_list_of_names_is_bounded(self) -> None:
        """The list of names in an error is limited."""
        fields = ", ".join(f'"key_{number}": 1' for number in range(500))
        error = failure('"json_extract:.other"', f"{{{fields}}}")
        assert len(error.why) < 200
        assert error.why.endswith("key_11 and 488 more")

    @pytest.mark.parametrize(
        "key",
        ["sk_live_51H8xyzPq0Z", "AKIAIOSFODNN7EXAMPLE1234", "4f3c2b1a", "correct horse", "k" * 41, "a/b+c==", "söd"],
    )
    def test_a_key_that_may_be_a_value_itself_is_not_listed(self, key: str) -> None:
        """Names that may be secret themselves (API keys mapped to owners) are counted instead of listed."""
        error = failure('"json_extract:.corect horse"', f'{{"{key}": "ada", "user": "ada"}}')
        assert error.why == "the value has no `corect horse`; it has user and 1 more"
        assert error.hint == ""
        assert failure('"json_extract:.x"', f'{{"{key}": "ada"}}').why == "the value has no `x`; it has 1 other field"


class TestForms:
    """The notations in which transforms are written."""

    @pytest.mark.parametrize(
        ("yaml", "expected"),
        [
            ("trim", ["trim"]),
            ('"trim | json_extract:.a"', ["trim", "json_extract:.a"]),
            ('"trim|json_extract:.a|base64_decode"', ["trim", "json_extract:.a", "base64_decode"]),
            ('"trim, json_extract:.a"', ["trim", "json_extract:.a"]),
            ('"trim,base64_decode | trim"', ["trim", "base64_decode", "trim"]),
            ('"join:,"', ["join:,"]),
            ('"join:|"', ["join:|"]),
            ('"join:, | trim"', ["join:,", "trim"]),
            ('"join:;|trim"', ["join:;", "trim"]),
            ('"replace:,:;"', ["replace:,:;"]),
            ('"replace:a,b:c"', ["replace:a,b:c"]),
            ('"replace:a:|"', ["replace:a:|"]),
            ('"replace: :_"', ["replace: :_"]),
            ('\'replace:":":"|"\'', ["replace:::|"]),
            ("'join:\", \" | trim'", ["join:, ", "trim"]),
            ("'join:\"\\n\"'", ["join:\n"]),
            ("\"join:' | '\"", ["join: | "]),
            ("'json_extract:[\"a|b\"] | trim'", ['json_extract:["a|b"]', "trim"]),
            ("'json_extract:.\"a, trim\"'", ['json_extract:."a, trim"']),
            ("json_extract:a", ["json_extract:a"]),
            ("~", []),
            ('""', []),
            ("[]", []),
            ("[trim, 'json_extract:.a']", ["trim", "json_extract:.a"]),
            ("['join:, ']", ["join:, "]),
            ("['join:|']", ["join:|"]),
            ("['replace:|:\"']", ['replace:|:"']),
            ("[{trim: }, {type: trim}]", ["trim", "trim"]),
            ("[{json_extract: .a}, {type: json_extract, path: .b}]", ["json_extract:.a", "json_extract:.b"]),
            ("[{join: ','}, {type: join, separator: ', '}]", ["join:,", "join:, "]),
            ("[{replace: {from: ':', to: ','}}]", ["replace:::,"]),
            ("[{type: replace, from: a, to: ''}, {replace: [a, b]}]", ["replace:a:", "replace:a:b"]),
            ("{json_extract: .a}", ["json_extract:.a"]),
        ],
    )
    def test_are_read(self, yaml: str, expected: list[str]) -> None:
        """Transforms are written as a text, a chain, or a list of texts or mappings."""
        transforms, problems = parsed(yaml)
        assert problems == ()
        assert expected == [describe(transform) for transform in transforms]

    def test_a_colon_in_a_mapping_belongs_to_the_argument(self) -> None:
        """In the mapping notation, unlike the text notation, an argument may contain colons."""
        assert transformed("[{replace: {from: ':', to: '::'}}]", "a:b") == "a::b"

    def test_steps_run_from_left_to_right(self) -> None:
        """Transforms are applied from left to right."""
        assert transformed('"base64_decode | json_extract:.a | trim"', "eyJhIjogIiB4ICJ9") == "x"

    @pytest.mark.parametrize(
        ("yaml", "message"),
        [
            ("upper", "there is no transform `upper`"),
            ('"trim | upper"', "there is no transform `upper`"),
            ('"trim |"', "an empty step"),
            ('"join:||"', "an empty step"),
            ("[trim | join]", "`trim | join` is no transform"),
            ("[[trim]]", "a step is a text or a mapping, not a list"),
            ("[{trim: , join: ','}]", "a step names one transform"),
            ("[~]", "an empty step"),
            ("{type: [1]}", "there is no transform ``"),
            ('"trim:x"', "`trim` takes no argument"),
            ("{trim: x}", "`trim` takes no arguments"),
            ("join", "`join` needs an argument"),
            ('"join:"', "`join` needs an argument"),
            ("json_extract", "`json_extract` needs an argument"),
            ('"json_extract:.a..b"', "`.a..b` is not a path to a field"),
            ('"json_extract:.a["', "`.a[` is not a path to a field"),
            ('"replace:a"', "`replace` needs the new text"),
            ('"replace::b"', "`replace` needs an argument"),
            ("[{replace: {from: a}}]", "`replace` needs `to`"),
            ("[{replace: {form: a, to: b}}]", "`replace` has no argument `form`"),
            ("[{replace: {from: [a], to: b}}]", "`from` of `replace` is a text"),
            ("[{replace: [a]}]", "`replace` takes 2 arguments"),
            ("[{join: [a, b]}]", "`join` takes 1 argument"),
        ],
    )
    def test_mistakes_are_problems(self, yaml: str, message: str) -> None:
        """Mistakes that do not depend on the value are reported as problems before any call."""
        assert message == complaint(yaml)

    def test_each_wrong_step_is_told_with_its_line(self) -> None:
        """Each wrong step is reported with its line; valid steps are kept."""
        transforms, problems = parsed("\n- trim\n- upperr\n- {jion: x}\n")
        assert ["trim"] == [describe(transform) for transform in transforms]
        assert [3, 4] == [problem.where.line for problem in problems]
        assert problems[1].hint == "did you mean `join`?"


class TestExtract:
    """Extraction of a field by a path, in `#.path` and `field`."""

    @pytest.mark.parametrize(
        ("path", "expected"),
        [
            ("password", "p"),
            (".password", "p"),
            ("a.b", "dotted"),
            (".a.b", "nested"),
            ('."a.b"', "dotted"),
            ("['a.b']", "dotted"),
            ('["a.b"]', "dotted"),
            (".list[0]", "x"),
            (".list.[0]", "x"),
            ("list[ 0 ]", "x"),
            (".with space-and:colon", "s"),
            ('."\\u00e9\\""', "quoted"),
            ('é"', "quoted"),
        ],
    )
    def test_finds(self, path: str, expected: str) -> None:
        """A name is first looked up as a key, then as a path; quotes allow any key."""
        value = (
            '{"password": "p", "a.b": "dotted", "a": {"b": "nested"}, "list": ["x"], '
            '"with space-and:colon": "s", "é\\"": "quoted"}'
        )
        assert extract(Secret(value), path) == Secret(expected)

    @pytest.mark.parametrize("path", ["", "a..b", ".", "[", ".a]", "[1.5]", '["a]', ".a'b", "[9999999999]"])
    def test_a_path_that_can_not_be_read_says_so(self, path: str) -> None:
        """A malformed path is an error; `.` is the whole value."""
        if path == ".":
            assert parse_path(path) == ()
            return
        with pytest.raises(FieldMissing, match="is not a path to a field"):
            extract(Secret("{}"), path)

    def test_a_value_that_no_variable_could_hold_is_refused(self) -> None:
        """An extracted value with a lone surrogate is refused, because no variable could hold it."""
        with pytest.raises(ValueUnusable) as raised:
            extract(Secret('{"a": "\\ud800"}'), ".a")
        assert raised.value.__context__ is None

    @pytest.mark.parametrize("depth", [10, 900, 5_000, 100_000])
    def test_a_nest_of_any_depth_comes_out_whole_or_is_an_error_of_ours(self, depth: int) -> None:
        """Deeply nested JSON is returned whole or raises a DsopsError, whatever Python's recursion limit is."""
        nest = "[" * depth + "]" * depth
        found: Secret | DsopsError
        try:
            found = extract(Secret(f'{{"a": {nest}}}'), ".a")
        except DsopsError as error:
            found = error
        if depth == 10 or isinstance(found, Secret):
            assert Secret(nest) == found
        else:
            assert found.__context__ is None

    def test_bytes_that_are_no_text_survive(self) -> None:
        """A transform keeps the bytes of a binary secret."""
        assert extract(Secret.from_bytes(b'{"a": "\xff\xfe"}'), "a").reveal_bytes() == b"\xff\xfe"

    def test_a_bom_before_the_json_is_nothing(self) -> None:
        """A BOM before JSON is ignored, since Windows editors write one."""
        assert extract(Secret('\ufeff{"a": 1}'), "a") == Secret("1")

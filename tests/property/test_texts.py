"""Any text can be given as a document, name or transform."""

from __future__ import annotations

import json
import string
from typing import NoReturn

import yaml
from hypothesis import given
from hypothesis import strategies as st

from dsops.document import parse_json, parse_yaml, to_json, to_plain
from dsops.errors import DsopsError, Where
from dsops.interpolate import expand, mask, names_in
from dsops.model import Transform
from dsops.secret import Secret
from dsops.transform import apply, describe, extract, parse_transforms

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
# Characters with a meaning in these grammars, so that examples reach the special cases.
SYNTAX = st.text(st.sampled_from("${}:-?AB_ax/#[]\"'\\\n\t,|.!&*<>"), max_size=40)
BMP_TEXT = st.text(st.characters(exclude_categories=["Cs"], max_codepoint=0xFFFF), max_size=30)


def refuse(name: str) -> NoReturn:
    """Refuse constants such as NaN."""
    raise ValueError(name)


def json_values(texts: st.SearchStrategy[str]) -> st.SearchStrategy[object]:
    """JSON values with these texts."""
    scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
    return st.recursive(
        scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=12
    )


HERE = Where("f", 1)


@given(json_values(TEXT), st.sampled_from([None, 1, "\t"]), st.booleans())
def test_json_reads_what_json_writes(value: object, indent: int | str | None, ascii_only: bool) -> None:  # noqa: FBT001
    """Our JSON code and the standard library can each read what the other has written."""
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    document = parse_json(text, "f")
    assert document.problems == ()
    assert document.root is not None
    assert json.loads(to_json(document.root)) == value
    assert to_plain(document.root) == value


@given(json_values(BMP_TEXT))
def test_yaml_reads_json(value: object) -> None:
    """ASCII JSON can be read as YAML, except for surrogate pairs, which YAML does not join."""
    document = parse_yaml(json.dumps(value), "f")
    assert document.problems == ()
    assert value is None or (document.root is not None and to_plain(document.root) == value)


@given(st.text(max_size=200) | SYNTAX)
def test_no_text_breaks_the_readers(text: str) -> None:
    """Any text gives a tree or problems, never an exception."""
    for document in (parse_yaml(text, "f"), parse_json(text, "f"), parse_json(text, "f", comments=True)):
        if document.root is not None:
            json.loads(to_json(document.root))
        assert [problem.where.line for problem in document.problems] == sorted(
            problem.where.line for problem in document.problems
        )


@given(SYNTAX)
def test_yaml_is_accepted_where_pyyaml_accepts_it(text: str) -> None:
    """Our YAML reader accepts what PyYAML's loader accepts."""
    try:
        yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError:
        assert parse_yaml(text, "f").root is None
    else:
        document = parse_yaml(text, "f")
        assert document.root is not None or not document.problems or "contain itself" in document.problems[0].message


@given(st.text(max_size=200) | SYNTAX)
def test_json_is_accepted_where_json_accepts_it(text: str) -> None:
    """Our JSON reader accepts what the standard library accepts, except NaN and lone surrogates."""
    try:
        json.loads(text, parse_constant=refuse)
    except ValueError:
        is_json = False
    else:
        is_json = True
    document = parse_json(text, "f")
    assert is_json == (document.root is not None and not document.problems)


@given(SYNTAX, st.dictionaries(st.sampled_from(["A", "B", "_A", "AB"]), TEXT))
def test_a_text_without_names_is_only_unescaped(text: str, environ: dict[str, str]) -> None:
    """In a text without variable names, expansion only turns `$${` into `${`."""
    if not names_in(text):
        assert text.replace("$${", "${") == expand(text, environ, HERE, "p")
    assert len(text) == len(mask(text))


@given(TEXT)
def test_an_escaped_text_comes_out_as_it_was(text: str) -> None:
    """A text in which every `${` is doubled to `$${` expands to the original text."""
    assert text == expand(text.replace("${", "$${"), {}, HERE, "p")


@given(st.lists(st.tuples(st.sampled_from(["A", "B"]), st.text(string.ascii_letters, max_size=5))), TEXT, TEXT)
def test_names_are_replaced_wherever_they_stand(pieces: list[tuple[str, str]], one: str, two: str) -> None:
    """Names are replaced at any position, and the text around them stays unchanged."""
    values = {"A": one, "B": two}
    text = "".join(f"${{{name}}}{plain}" for name, plain in pieces)
    assert "".join(values[name] + plain for name, plain in pieces) == expand(text, values, HERE, "p")


@given(st.dictionaries(TEXT, TEXT, min_size=1), st.data())
def test_any_key_can_be_named_in_quotes(fields: dict[str, str], data: st.DataObject) -> None:
    """`json_extract` can address any key in quotes."""
    key = data.draw(st.sampled_from(sorted(fields)))
    value = Secret(json.dumps(fields))
    assert extract(value, f".{json.dumps(key)}") == Secret(fields[key])
    assert extract(value, f"[{json.dumps(key, ensure_ascii=False)}]") == Secret(fields[key])


@given(st.binary(max_size=60))
def test_base64_there_and_back(data: bytes) -> None:
    """base64_decode reverses base64_encode for any bytes."""
    steps = (Transform("base64_encode", "", HERE), Transform("base64_decode", "", HERE))
    assert data == apply(Secret.from_bytes(data), steps).reveal_bytes()


@given(st.lists(TEXT, min_size=2), TEXT.filter(bool))
def test_join_is_pythons_for_a_json_list(items: list[str], separator: str) -> None:
    """The transform `join` on a JSON list equals Python's `str.join`."""
    joined = apply(Secret(json.dumps(items)), (Transform("join", separator, HERE),))
    assert joined == Secret(separator.join(items))


@given(SYNTAX | st.text(st.sampled_from("trimjoin:,|\"' .a"), max_size=30))
def test_no_transform_breaks_its_reader(text: str) -> None:
    """Any text gives transforms that can be described, or problems, but no other exception."""
    document = parse_yaml(json.dumps(text), "f")
    if document.root is not None:
        transforms, problems = parse_transforms(document.root, "f", "p")
        assert transforms or problems or not text.strip()
        assert all(map(describe, transforms))


@given(st.text(max_size=60), st.sampled_from(["json_extract:.a", "yaml_extract:.a", "base64_decode", "join:,", "trim"]))
def test_a_failing_transform_never_shows_the_value(value: str, step: str) -> None:
    """The error of a failing transform, with all its causes, never shows the value."""
    marked = f"hunter2{value}"
    name, _, argument = step.partition(":")
    try:
        apply(Secret(marked), (Transform(name, argument, HERE),))
    except DsopsError as error:
        linked: BaseException | None = error
        while linked is not None:
            assert "hunter2" not in repr(vars(linked)) + repr(linked.args)
            linked = linked.__cause__ or linked.__context__

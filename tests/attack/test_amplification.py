"""Small configurations that expand without limit: time and memory stay bounded, and the error names the limit."""

from __future__ import annotations

import json
import sys
import tracemalloc
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from dsops.config import load
from dsops.document import MAX_NODES, Scalar, parse_json, parse_yaml
from dsops.errors import ConfigError, ConfigTooLarge, DsopsError, TransformFailed, Where, nearest
from dsops.interpolate import InterpolationNames, expand_text
from dsops.model import MAX_RUN_CHARACTERS, MAX_VALUE_CHARACTERS, Budget, Config, Transform
from dsops.plan import Plan
from dsops.render import FORMATS, renderer
from dsops.secret import Secret
from dsops.transform import apply, parse_transforms
from dsops.transform.parse import MAX_STEPS
from tests.plans import plan_of

HERE = Where("dsops.yaml", 1)
MOST_MEMORY = 64 << 20
"""Memory limit in bytes; the largest valid configuration takes less."""


def peak(work: Callable[[], object]) -> tuple[object, int]:
    """Return the work's result or its DsopsError, and its peak memory in bytes."""
    tracemalloc.start()
    try:
        try:
            ended = work()
        except DsopsError as error:
            ended = error
        return ended, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def steps(work: Callable[[], object]) -> int:
    """The number of function calls that the work makes, calls into C included."""
    count = 0

    def see(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    sys.setprofile(see)
    try:
        work()
    except DsopsError:
        pass
    finally:
        sys.setprofile(None)
    return count


def loaded(folder: Path, text: str, environ: Mapping[str, str] | None = None) -> Config:
    """Load a configuration with this text."""
    (folder / "dsops.yaml").write_text(text)
    return load(folder=str(folder), environ=environ or {}, named="dsops.yaml")


def refusal(folder: Path, text: str) -> ConfigError:
    """The error of a configuration; asserts that finding it took little memory."""
    ended, most = peak(lambda: loaded(folder, text))
    assert isinstance(ended, ConfigError), ended
    assert most < MOST_MEMORY
    return ended


def said(error: DsopsError) -> str:
    """All texts of an error, joined."""
    return " ".join([error.message, error.why, *(problem.message for problem in error.problems)])


# --- transforms ----------------------------------------------------------------------------------------------------


def chain(yaml: str) -> tuple[Transform, ...]:
    """Parse the value of `transform:` into its steps."""
    root = parse_yaml(yaml, "dsops.yaml").root
    assert root is not None
    transforms, problems = parse_transforms(root, "dsops.yaml", "")
    assert problems == ()
    return transforms


GROWING = {
    "replace": "[" + ", ".join(f'"replace:{"x" if number else "a"}:{"x" * 60}"' for number in range(5)) + "]",
    "join": "[" + ", ".join('"join:' + "1,2,3,4,5,6,7,8,9,0" * 3 + '"' for _ in range(12)) + "]",
    "base64_encode": "[" + ", ".join(["base64_encode"] * 32) + "]",
    "lines": "[" + ", ".join(f'"replace:n:{"nn" * 4}", multiline_to_single' for _ in range(10)) + "]",
}


@pytest.mark.parametrize("written", GROWING.values(), ids=GROWING.keys())
def test_a_chain_of_transforms_makes_no_huge_value(written: str) -> None:
    """A transform step that would exceed the maximum length is refused before the value is built.

    1.2 kB of configuration once made 1 GB.
    """
    transforms = chain(written)
    ended, most = peak(lambda: apply(Secret("a,n\nb,c\n" * 500), transforms))
    assert isinstance(ended, TransformFailed), ended
    assert f"more than {MAX_VALUE_CHARACTERS:,} characters" in ended.why
    assert most < MOST_MEMORY


def test_a_long_value_may_still_be_made_shorter() -> None:
    """(counter-example) A transform can shorten a value above the limit, and lengthen one up to the limit."""
    value = json.dumps({"a": "x" * (2 * MAX_VALUE_CHARACTERS), "b": "y"})
    assert apply(Secret(value), chain("json_extract:.b")).reveal() == "y"
    grown = apply(Secret("x" * (MAX_VALUE_CHARACTERS // 8)), chain('["replace:x:12345678"]')).reveal()
    assert len(grown) == MAX_VALUE_CHARACTERS


def test_all_values_of_a_run_have_a_bound_together() -> None:
    """All values of a run share one size limit: a thousand variables of maximum length are refused."""
    budget, transforms = Budget(), chain('["replace:x:12345678"]')
    value = Secret("x" * (MAX_VALUE_CHARACTERS // 8))
    for _ in range(MAX_RUN_CHARACTERS // MAX_VALUE_CHARACTERS):
        apply(value, transforms, budget)
    with pytest.raises(TransformFailed):
        apply(value, transforms, budget)


@pytest.mark.parametrize("written", ["|".join(["trim"] * 33), ["trim"] * 100_000])
def test_a_chain_has_a_bound(tmp_path: Path, written: str | list[str]) -> None:
    """A chain of MAX_STEPS transforms is accepted; a longer chain, as one string or as a list, is refused."""
    text = json.dumps({"envs": {"p": {"A": {"literal": "x", "transform": written}}}})
    assert f"at most {MAX_STEPS} steps" in said(refusal(tmp_path, text))
    assert len(chain(json.dumps(["trim"] * MAX_STEPS))) == MAX_STEPS


def test_a_yaml_value_with_aliases_is_no_bomb() -> None:
    """A secret of 64 KiB whose YAML aliases repeat a long text is refused before it is expanded."""
    value = f"a: &a {'x' * 32000}\nb: [{', '.join(['*a'] * 8000)}]\n"
    ended, most = peak(lambda: apply(Secret(value), chain("yaml_extract:.b")))
    assert isinstance(ended, TransformFailed), ended
    assert most < MOST_MEMORY


def test_splitting_a_chain_takes_no_more_than_its_length() -> None:
    """Splitting a chain takes linear time for unclosed quotes, separators and escapes."""

    def work(text: str) -> Callable[[], object]:
        return lambda: parse_transforms(Scalar(text, "text", 1), "dsops.yaml", "")

    for piece in (",", ':"', ':"\\', ":'", "| ", ", trim", "\\"):
        for prefix in ("trim", "json_extract:.a", "replace:a"):
            once, twice = (steps(work(prefix + piece * count)) for count in (500, 1000))
            assert twice <= 2.3 * once, (prefix, piece)


# --- YAML and JSON -------------------------------------------------------------------------------------------------


def test_aliases_of_aliases_are_counted(tmp_path: Path) -> None:
    """YAML aliases nested in aliases are refused, because the limit counts all values that they expand to."""
    lines = ["x-0: &a0 [1,1,1,1,1,1,1,1,1,1]"]
    lines += [f"x-{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    assert f"{MAX_NODES:,} values" in said(refusal(tmp_path, "\n".join(lines)))


@pytest.mark.parametrize("use", ["A{}: {{literal: *a}}", "A{}: {{<<: *m}}"])
def test_an_alias_of_a_long_text_is_counted_by_its_length(tmp_path: Path, use: str) -> None:
    """Thousands of aliases of one long text are refused, because each alias adds the text's full length."""
    text = f"x-a: &a {'x' * 500_000}\nx-m: &m {{literal: *a}}\nenvs:\n  p:\n"
    text += "".join(f"    {use.format(number)}\n" for number in range(5000))
    assert "characters: an alias counts" in said(refusal(tmp_path, text))


def test_anchors_as_people_use_them_are_none(tmp_path: Path) -> None:
    """A hundred stores that share one block through a YAML anchor are accepted (counter-example)."""
    text = "x-s: &s {type: aws.sts, region: us-east-1, role_session_name: me}\nsecretStores:\n"
    text += "".join(f"  s{n}: {{<<: *s, role_arn: 'arn:aws:iam::111122223333:role/R{n}'}}\n" for n in range(100))
    assert len(loaded(tmp_path, text).stores) == 100


@pytest.mark.parametrize("text", ["[" * 200_000, '{"a":' * 100_000, "[" * 200_000 + "]" * 200_000])
def test_depth_is_bounded(tmp_path: Path, text: str) -> None:
    """Too deeply nested YAML, JSON policies and values are refused."""
    assert isinstance(refusal(tmp_path, text), ConfigError)
    assert parse_json(text, "policy.json").problems
    with pytest.raises(TransformFailed):
        apply(Secret(text), chain("json_extract:.a"))
    with pytest.raises(TransformFailed):
        apply(Secret(text), chain("yaml_extract:.a"))
    assert apply(Secret(text), chain('join:"x"')).reveal()


@pytest.mark.parametrize("number", ["9" * 100_000, "0x" + "f" * 100_000, "1e999999999", "-" + "9" * 5000])
def test_numbers_without_measure_are_no_numbers(tmp_path: Path, number: str) -> None:
    """An integer over 4,300 digits is an error in a configuration; `json_extract` returns it as text."""
    store = "{{type: aws.sts, region: us-east-1, role_arn: 'arn:aws:iam::111122223333:role/R', {}: {}}}"
    for key in ("duration_seconds", "timeout_ms"):
        assert "whole number" in said(refusal(tmp_path, f"secretStores:\n  s: {store.format(key, number)}\n"))
    assert "version" in said(refusal(tmp_path, f"version: {number}\n"))
    value = Secret(f'{{"a": {number}}}')
    if "x" not in number:
        assert apply(value, chain("json_extract:.a")).reveal() == number


# --- ${...} --------------------------------------------------------------------------------------------------------


def planned(text: str, environ: Mapping[str, str]) -> Plan:
    """Plan the environment `p` of a configuration with this text."""
    return plan_of(text, environment="p", environ=environ)


def test_a_text_full_of_variables_has_a_bound() -> None:
    """A text with 100,000 references to a variable of 100 kB is refused; ten references are expanded."""
    names = InterpolationNames({"A": "x" * 100_000})
    ended, most = peak(lambda: expand_text("${A}" * 100_000, names, HERE, "envs.p.A.literal"))
    assert isinstance(ended, ConfigTooLarge)
    assert "envs.p.A.literal" in ended.message
    assert most < MOST_MEMORY
    assert len(expand_text("${A}" * 10, names, HERE, "")) == 1_000_000


def test_all_texts_together_have_a_bound() -> None:
    """All interpolated texts of a run share one size limit."""
    text = "envs:\n  p:\n" + "".join(f"    A{n}: {{literal: '{'${A}' * 8}'}}\n" for n in range(2000))
    ended, most = peak(lambda: planned(text, {"A": "x" * 130_000}))
    assert isinstance(ended, ConfigTooLarge)
    assert most < MAX_RUN_CHARACTERS + MOST_MEMORY


@pytest.mark.parametrize("piece", ["${A:-", "$${", "${", "}", "${A:?", "${A:-}", "${A:-${A}"])
def test_defaults_in_defaults_take_no_more_than_their_length(piece: str) -> None:
    """Defaults nested in defaults, closed or unclosed, are parsed in linear time."""

    def work(text: str) -> Callable[[], object]:
        return lambda: expand_text(text, InterpolationNames({"A": "x"}), HERE, "")

    for closing in ("", "}"):
        once, twice = (steps(work(piece * count + closing * count)) for count in (500, 1000))
        assert twice <= 2.3 * once + 100


# --- include and extends -------------------------------------------------------------------------------------------


def test_files_that_include_each_other_in_layers_are_bounded(tmp_path: Path) -> None:
    """Ten layers of files that each include the next one ten times are refused after 200 includes."""
    for layer in range(9):
        below = f"[{', '.join([f'{layer + 1}.yaml'] * 10)}]"
        (tmp_path / f"{layer}.yaml").write_text(f"include: {below}\n")
    (tmp_path / "9.yaml").write_text("envs: {p: {A: {literal: x}}}\n")
    assert "more than 200 includes" in said(refusal(tmp_path, "include: 0.yaml\n"))


def test_a_common_file_may_be_included_by_many(tmp_path: Path) -> None:
    """A file that fifty other files include is loaded (counter-example)."""
    (tmp_path / "common.yaml").write_text("secretStores: {s: {type: env}}\n")
    for number in range(50):
        text = f"include: common.yaml\nenvs: {{e{number}: {{A: {{from: 's:X'}}}}}}\n"
        (tmp_path / f"{number}.yaml").write_text(text)
    config = loaded(tmp_path, f"include: [{', '.join(f'{number}.yaml' for number in range(50))}]\n")
    assert len(config.environments) == 50


BASES = {
    "each extends all before": "envs:\n"
    + "".join(f"  e{n}: {{extends: [{','.join(f'e{m}' for m in range(n))}], V: {{literal: x}}}}\n" for n in range(550)),
    "one base a thousand times": "envs:\n  b: {"
    + ", ".join(f"V{n}: {{literal: x}}" for n in range(1000))
    + "}\n"
    + f"  e: {{extends: [{','.join('b' * 1000)}]}}\n",
    "stores": "secretStores:\n  b: {type: env, "
    + ", ".join(f"k{n}: x" for n in range(1000))
    + "}\n"
    + f"  e: {{extends: [{','.join('b' * 1000)}]}}\n",
}


@pytest.mark.parametrize("text", BASES.values(), ids=BASES.keys())
def test_what_is_inherited_is_counted(tmp_path: Path, text: str) -> None:
    """An inherited variable counts towards the limit in each environment that inherits it."""
    assert f"more than {MAX_NODES:,} entries" in said(refusal(tmp_path, text))


def test_many_environments_may_extend_one(tmp_path: Path) -> None:
    """Two hundred environments may extend the same environment of a hundred variables (counter-example)."""
    text = "envs:\n  b: {" + ", ".join(f"V{n}: {{literal: x}}" for n in range(100)) + "}\n"
    text += "".join(f"  e{n}: {{extends: b, A: {{literal: x}}}}\n" for n in range(200))
    assert len(loaded(tmp_path, text).environments["e199"].variables) == 101


def test_hints_of_a_wrong_file_take_no_more_than_the_file(tmp_path: Path) -> None:
    """With thousands of unknown names, only the first problems get suggestions, so the time stays linear."""

    def work(count: int) -> Callable[[], object]:
        text = "secretStores:\n" + "".join(f"  s{n}: {{type: env}}\n" for n in range(count))
        text += "envs:\n  p:\n" + "".join(f"    V{n}: {{from: 'zz{n}:k'}}\n" for n in range(count))
        return lambda: loaded(tmp_path, text)

    once, twice = steps(work(1000)), steps(work(2000))
    assert twice <= 2.3 * once


def test_a_name_without_measure_is_compared_with_nothing() -> None:
    """An overlong name gets no suggestion.

    The time to compare two names grows with the product of their lengths.
    """
    assert nearest("a" * 100_000, ["b" * 100_000, "ab"]) == ""
    assert nearest("prodution", ["production", "b" * 100_000]) == "production"


# --- output --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("character", ["x", "'", "\\", "é", "\x01"])
def test_no_format_grows_by_more_than_quoting(name: str, character: str) -> None:
    """No output format makes a value more than sixteen times longer, whichever characters it escapes."""
    try:
        text = renderer(name)({"A": Secret(character * 10_000)})
    except DsopsError:
        return  # not every format can represent every character
    assert len(text) <= 16 * 10_000

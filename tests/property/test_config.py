"""Generated configurations: any content can be loaded or gives problems."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsops.config import load
from dsops.config.limits import check_limits
from dsops.document import Mapping, Node, Scalar, Sequence
from dsops.errors import ConfigError, VariableUnset
from dsops.interpolate import InterpolationNames, expand_node
from dsops.model import Config, Field
from dsops.schema import BUILTIN_TYPES, check_setting

NAMES = st.sampled_from(["a", "b", "c", "p", "${A}", "a b", ""])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | NAMES
    | st.sampled_from(
        [
            "a:k",
            "store://a/k#f?version=1",
            "store://",
            "prod",
            "trim | join:,",
            "900",
            "yes",
            "arn:aws:iam::123456789012:role/App",
            "arn:aws:iam::1:user/x",
            "https://x",
            "http://127.0.0.1:1",
            '{"a": 1}',
            "${A:-${B}}",
            "$${",
            "\0",
            "é😀",
            "code 'x",
        ]
    )
    | st.text(st.characters(max_codepoint=0xD7FF, exclude_categories=["Cc"]), max_size=5)
)
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=5
)
KEYS = sorted({key.name for one in BUILTIN_TYPES.values() for key in one.keys} | {"extends", "assume_role", "nope"})


def mapping(keys: list[str], values: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    """A mapping with some of these keys, or a value of any other kind."""
    return st.dictionaries(st.sampled_from(keys), values, max_size=6) | ANYTHING


STORE = st.builds(
    lambda type_name, rest: {"type": type_name, **rest} if isinstance(rest, dict) else rest,
    st.sampled_from([*BUILTIN_TYPES, "vault"]),
    mapping(KEYS, ANYTHING),
)
REFERENCE = mapping(["store", "provider", "key", "version", "field", "nope"], SCALARS)
VARIABLE = mapping(["from", "literal", "optional", "default", "transform", "nope"], REFERENCE)
STORES = mapping(["a", "b", "c"], STORE)
CONFIG = st.fixed_dictionaries(
    {},
    optional={
        "version": SCALARS,
        "secretStores": STORES,
        "providers": STORES,
        "envs": mapping(["p", "q"], mapping(["A", "B", "extends", "A B"], VARIABLE)),
        "default_env": ANYTHING,
        "defaults": mapping([*BUILTIN_TYPES, "vault"], mapping(KEYS, ANYTHING)),
        "include": ANYTHING,
        "x-any": ANYTHING,
        "nope": ANYTHING,
    },
)


def some(values: dict[str, st.SearchStrategy[object]]) -> st.SearchStrategy[dict[str, object]]:
    """A mapping with some of these keys."""
    return st.fixed_dictionaries({}, optional=values)


STORE_NAMES = st.sampled_from(["a", "b", "c"])
GOOD_STORE = (
    some({"values": st.just({"k": "v"}), "timeout_ms": st.just(1)}).map(lambda rest: {"type": "literal", **rest})
    | some(
        {
            "role_arn": st.sampled_from(["arn:aws:iam::123456789012:role/App", "${A}", "x"]),
            "duration_seconds": st.sampled_from([900, 86400, "${A:-900}"]),
            "session_policy": st.sampled_from(["{}", "{", '{"Resource": "${aws:username}"}']),
            "tags": st.just({"${A}": "$${A}"}),
            "credentials_from": STORE_NAMES,
            "extends": STORE_NAMES,
        }
    ).map(lambda rest: {"type": "aws.sts", **rest})
    | some({"credentials_from": STORE_NAMES, "anything": ANYTHING}).map(lambda rest: {"type": "vault", **rest})
)
GOOD_VARIABLE: st.SearchStrategy[dict[str, object]] = st.builds(dict, literal=st.just("x")) | st.builds(
    dict, **{"from": STORE_NAMES.map("{}:k".format)}
)
GOOD_CONFIG = some(
    {
        "secretStores": some(dict.fromkeys("abc", GOOD_STORE)),
        "envs": some(dict.fromkeys("pq", some({"A": GOOD_VARIABLE, "B": GOOD_VARIABLE, "extends": st.just("p")}))),
        "defaults": some({"aws.sts": st.just({"role_arn": "${A}", "credentials_from": None})}),
        "default_env": st.sampled_from(["p", "q"]),
    }
)
"""Mostly valid configurations; the only mistakes are unknown names, cycles and missing keys."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all examples share, overwriting their files."""
    return tmp_path_factory.mktemp("config")


def loaded(folder: Path, content: object) -> Config | ConfigError:
    """The configuration, or its error."""
    (folder / "dsops.yaml").write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    try:
        return load(folder=str(folder), environ={"HOME": str(folder)})
    except ConfigError as error:
        return error


@given(CONFIG | GOOD_CONFIG)
def test_there_is_a_configuration_or_problems_with_their_lines(folder: Path, content: dict[str, object]) -> None:
    """Any content gives a ConfigError with line numbers, or a configuration whose limits can be checked."""
    found = loaded(folder, content)
    if isinstance(found, ConfigError):
        assert found.problems
        assert all(problem.where.file == "dsops.yaml" and problem.message for problem in found.problems)
        lines = [problem.where.line for problem in found.problems]
        assert lines == sorted(lines)
    else:
        check_limits(found, BUILTIN_TYPES)


@given(GOOD_CONFIG)
def test_in_a_configuration_every_name_stands_for_something(folder: Path, content: dict[str, object]) -> None:
    """In a loaded configuration every referenced store exists, and every `credentials_from` chain ends."""
    found = loaded(folder, content)
    if isinstance(found, ConfigError):
        return
    for environment in found.environments.values():
        for variable in environment.variables.values():
            assert (variable.reference is None) != (variable.literal is None)
            assert variable.reference is None or variable.reference.store in found.stores
    for name, store in found.stores.items():
        passed = {name}
        while store.type in BUILTIN_TYPES and (field := store.fields.get("credentials_from")):
            assert isinstance(field.node, Scalar)
            assert field.node.text not in passed
            passed.add(field.node.text)
            store = found.stores[field.node.text]  # noqa: PLW2901


@given(GOOD_CONFIG, st.dictionaries(st.sampled_from(["A", "B"]), st.text(max_size=5)))
def test_loaded_fields_can_be_expanded_and_checked(
    folder: Path, content: dict[str, object], environ: dict[str, str]
) -> None:
    """Expanding and checking loaded fields gives settings, problems or limits, but never another exception."""
    found = loaded(folder, content)
    if isinstance(found, ConfigError):
        return
    for store in found.stores.values():
        for key in BUILTIN_TYPES[store.type].keys if store.type in BUILTIN_TYPES else ():
            field = store.fields.get(key.name)
            if field is None:
                continue
            try:
                node = expand_node(field.node, InterpolationNames(environ), field.where.file, "p")
            except VariableUnset:
                continue
            checked = check_setting(key, Field(node, field.where), "p")
            assert (checked.setting is None) <= bool(checked.problems or checked.limits)


@given(CONFIG | GOOD_CONFIG)
def test_an_own_file_as_include_says_the_same(folder: Path, content: dict[str, object]) -> None:
    """Moving all content into an included file changes only the file name in the result."""
    content.pop("include", None)
    direct = loaded(folder, content)
    (folder / "part.yaml").write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    included = loaded(folder, {"include": "part.yaml"})
    if isinstance(direct, ConfigError) or isinstance(included, ConfigError):
        assert isinstance(direct, ConfigError)
        assert isinstance(included, ConfigError)
        assert [problem.message for problem in direct.problems] == [problem.message for problem in included.problems]
    else:
        assert list(direct.stores) == list(included.stores)
        assert list(direct.environments) == list(included.environments)


def texts_of(node: Node) -> Iterator[str]:
    """Every text in a node."""
    if isinstance(node, Scalar):
        yield node.text
    elif isinstance(node, Sequence):
        for item in node.items:
            yield from texts_of(item)
    elif isinstance(node, Mapping):
        for key, value in node.entries:
            yield key.text
            yield from texts_of(value)


# characters that end a line in YAML 1.1, and so in PyYAML
SAYABLE = st.characters(exclude_characters="\x85\u2028\u2029")


@given(st.dictionaries(st.text(SAYABLE, min_size=1, max_size=8), st.text(SAYABLE, max_size=8), max_size=4))
def test_values_of_a_literal_store_arrive_as_they_are(folder: Path, values: dict[str, str]) -> None:
    """Values of a `literal` store arrive unchanged, for any text that YAML can express, with `${` escaped."""
    escaped = {key.replace("${", "$${"): value.replace("${", "$${") for key, value in values.items()}
    text = json.dumps({"secretStores": {"a": {"type": "literal", "values": escaped}}}, ensure_ascii=False)
    (folder / "dsops.yaml").write_text(text, encoding="utf-8", errors="surrogatepass")
    try:
        settings = load(folder=str(folder), environ={"HOME": str(folder)})
    except ConfigError:
        return  # YAML cannot express control characters and lone surrogates
    field = settings.stores["a"].fields["values"]
    node = expand_node(field.node, InterpolationNames({}), "f", "p")
    assert [text for pair in values.items() for text in pair] == list(texts_of(node))

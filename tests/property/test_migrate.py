"""Rewriting any file of the original dsops keeps its meaning and its comments."""

from __future__ import annotations

from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from dsops.document import Mapping, parse_yaml, to_plain
from dsops.migrate.rewrite import Rewritten, rewrite
from dsops.schema import BUILTIN_TYPES

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=12)
NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
STS_KEYS = {
    "assume_role": "role_arn",
    "duration": "duration_seconds",
    "mfa_serial_number": "serial_number",
    "mfa_token_code": "token_code",
    "external_id": "external_id",
    "region": "region",
    "timeoutMs": "timeout_ms",
    "optional": None,
    "kms_key_id": None,
    "tags": "tags",
}
VALUES = st.one_of(TEXTS, st.integers(0, 10**6), st.booleans())


@st.composite
def store(draw: st.DrawFn) -> dict[str, Any]:
    """A store of the original's type aws.sts, its keys in any order."""
    keys = draw(st.lists(st.sampled_from(sorted(STS_KEYS)), unique=True))
    tags = st.dictionaries(st.sampled_from(["duration", "optional", "team"]), TEXTS, min_size=1)
    found: dict[str, Any] = {key: draw(tags if key == "tags" else VALUES) for key in keys}
    at = draw(st.integers(0, len(found)))
    items = list(found.items())
    return dict([*items[:at], ("type", "aws.sts"), *items[at:]])


@st.composite
def variable(draw: st.DrawFn) -> dict[str, Any]:
    """A variable of the original."""
    store_key, key = draw(st.sampled_from(["provider", "store"])), draw(st.sampled_from(["key", "name"]))
    return {
        "from": {store_key: draw(NAMES), key: "k"},
        **draw(st.dictionaries(st.sampled_from(["fallback", "optional", "rotation"]), VALUES)),
    }


CONFIGS = st.fixed_dictionaries(
    {
        "providers": st.dictionaries(NAMES, store(), max_size=3),
        "envs": st.dictionaries(NAMES, st.dictionaries(NAMES, variable(), max_size=3), max_size=2),
    },
    optional={
        "version": st.just(0),
        "services": st.dictionaries(NAMES, st.lists(TEXTS, max_size=3), min_size=1, max_size=2),
        "templates": st.lists(st.dictionaries(NAMES, TEXTS, min_size=1, max_size=2), min_size=1, max_size=2),
    },
)


def ours(config: dict[str, Any]) -> dict[str, Any]:
    """The original's configuration translated to dsops' keys."""
    stores = {
        name: {STS_KEYS.get(key, key): value for key, value in provider.items() if STS_KEYS.get(key, key) is not None}
        for name, provider in config["providers"].items()
    }
    environments = {
        name: {name: our_variable(one) for name, one in variables.items()} for name, variables in config["envs"].items()
    }
    return {"version": 1, "secretStores": stores, "envs": environments}


def our_variable(one: dict[str, Any]) -> dict[str, Any]:
    """A variable translated to dsops' keys."""
    names = {"provider": "store", "name": "key"}
    found = {{"fallback": "default"}.get(key, key): value for key, value in one.items() if key != "rotation"}
    return {**found, "from": {names.get(key, key): value for key, value in one["from"].items()}}


def rewritten(text: str) -> Rewritten:
    """Rewrite the text and return the result."""
    root = parse_yaml(text, "file").root
    assert isinstance(root, Mapping)
    return rewrite(text, root, "file", BUILTIN_TYPES)


def said(text: str) -> dict[str, Any]:
    """The parsed text."""
    document = parse_yaml(text, "file")
    assert () == document.problems
    assert document.root is not None
    found = to_plain(document.root)
    assert isinstance(found, dict)
    return found


STYLES = st.fixed_dictionaries(
    {"indent": st.sampled_from([2, 4, 8]), "allow_unicode": st.booleans(), "sort_keys": st.booleans()}
)


@given(CONFIGS, STYLES, st.sampled_from(["\n", "\r\n"]))
def test_one_key_a_line_is_always_rewritten(config: dict[str, Any], style: dict[str, Any], ending: str) -> None:
    """A file with one key per line is always rewritten completely; rewriting it again changes nothing."""
    plain = yaml.safe_dump(config, default_flow_style=False, width=10**6, **style)
    commented = "".join(f"{line}\n# comment {number}\n" for number, line in enumerate(plain.splitlines()))
    text = commented.replace("\n", ending)
    found = rewritten(text)

    assert () == found.problems
    assert ours(said(plain)) == said(found.whole)
    assert text.count("# comment") == found.whole.count("# comment")
    assert found.whole == rewritten(found.whole).whole
    assert found.whole.count("\r\n") == (found.whole.count("\n") if ending == "\r\n" else 0)


@given(CONFIGS, STYLES, st.sampled_from([40, 10**6]))
def test_braces_are_rewritten_or_left_to_a_person(config: dict[str, Any], style: dict[str, Any], width: int) -> None:
    """A file with inline mappings is rewritten with the same meaning, or its problems are reported."""
    text = yaml.safe_dump(config, default_flow_style=None, width=width, **style)
    found = rewritten(text)

    if not found.problems:
        assert ours(said(text)) == said(found.whole)

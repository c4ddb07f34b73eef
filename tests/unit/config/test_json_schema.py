"""The JSON Schema says what the loader says, as far as one file can tell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from dsops.config import load
from dsops.config.json_schema import json_schema
from dsops.document import parse_yaml, to_plain
from dsops.errors import ConfigError
from tests.founding_page import Block, blocks

SCHEMA: Any = json_schema()
VALIDATOR = Draft202012Validator(SCHEMA)


def accepted_by_schema(text: str) -> bool:
    """Whether the schema takes a configuration."""
    document = parse_yaml(text, "f")
    assert document.problems == ()
    assert document.root is not None
    return bool(VALIDATOR.is_valid(to_plain(document.root)))


def accepted_by_loader(text: str, folder: Path) -> bool:
    """Whether `load` does."""
    (folder / "dsops.yaml").write_text(text, encoding="utf-8")
    try:
        load(folder=str(folder), environ={"HOME": str(folder)})
    except ConfigError:
        return False
    return True


def test_it_is_a_json_schema() -> None:
    """Of the version that it names."""
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("block", [one for one in blocks("yaml") if "secretStores:" in one.text])
def test_it_accepts_the_founding_pages_configurations(block: Block) -> None:
    """All thirteen."""
    assert accepted_by_schema(block.text)


def test_it_knows_the_limits() -> None:
    """An editor marks what AWS would refuse; with a `${NAME}` in it nothing is known."""
    store = "secretStores: {{a: {{type: aws.sts, role_arn: '{role}', {rest}}}}}"
    role = "arn:aws:iam::123456789012:role/App"
    assert accepted_by_schema(store.format(role=role, rest="duration_seconds: 43200"))
    assert accepted_by_schema(store.format(role="${ROLE}", rest="duration_seconds: '${SECONDS}'"))
    assert accepted_by_schema(store.format(role=role, rest="tags: {Straße: é}"))
    for rest in ("duration_seconds: 129600", "duration_seconds: 0"):
        assert not accepted_by_schema(store.format(role=role, rest=rest)), rest
    own = "secretStores: {{a: {{type: aws.sts, {0}duration_seconds: {1}}}}}"
    federated, task = "federated_user_name: ada, tags: {a: b}, ", "target_principal: '111111111111', "
    limits = ("", 129600, 899), (federated, 129600, 129601), (task, 0, 901), ("saml_process: p, ", 43200, 43201)
    for fields, good, bad in limits:
        assert accepted_by_schema(own.format(fields, good)), fields
        assert not accepted_by_schema(own.format(fields, bad)), fields
    for rest in ("duration_seconds: 86400", "role_session_name: a b", "external_id: x", "token_code: '12345'"):
        assert not accepted_by_schema(store.format(role=role, rest=rest)), rest
    assert not accepted_by_schema(store.format(role="arn:aws:iam::123:role/App", rest="region: us-east-1"))


GOOD = [
    "version: 1",
    "version:\nsecretStores:\nproviders:\nenvs:\ndefaults:",
    "x-any: [1]\ninclude: []\ndefault_env: p\nenvs: {p: }",
    "policies: {a: 1}",
    "secretStores: {a: {type: vault, anything: [1]}}",
    "secretStores: {a: {type: aws.ssm, with_decryption: yes, region: ~}, b: {extends: a}, c: {extends: [a, b]}}",
    "providers: {a: {type: aws.sts, assume_role: 'arn:aws:iam::123456789012:role/App', duration: 900}}",
    "defaults: {aws.sts: {region: us-east-1}}",
    "secretStores: {a: {type: literal, values: {k: 1, l: true, m: }}}",
    "envs: {p: {A: {literal: x}, B: {literal: 1, transform: [trim, {replace: {from: a, to: b}}]}}}",
    "envs: {p: {A: {literal: x}}, q: {extends: p, A: , B: {literal: y, optional: 'yes', default: 0}}}",
    "secretStores: {a: {type: env}}\nenvs: {p: {A: {from: 'a:k'}, B: {from: {store: a, key: 1, version: 2}}}}",
    "secretStores: {a: {type: env}}\nenvs: {p: {A: {from: 'store://a/k#f'}, B: {from: {provider: a, key: k}}}}",
    "envs: {p: {A: {literal: x, transform: 'trim | join:,'}, B: {literal: x, transform: {type: trim}}}}",
    "secretStores: {a: {type: aws.sts, role_arn: '${R}', policy_arns: ['${P}'], session_policy: {Statement: []}}}",
]

BAD = [
    "version: 2",
    "secretStore: {}",
    "secretStores: [a]",
    "secretStores: {a: x}",
    "secretStores: {'a b': {type: env}}",
    "secretStores: {a: {type: aws.sts, role_arm: x}}",
    "secretStores: {a: {type: aws.sts, role_arn: [x]}}",
    "secretStores: {a: {type: aws.sts, role_arn: '${R}', duration_seconds: 1h}}",
    "secretStores: {a: {type: aws.sts, role_arn: '${R}', duration_seconds: [900]}}",
    "secretStores: {a: {type: aws.sts, role_arn: '${R}', tags: [x]}}",
    "secretStores: {a: {type: aws.sts, role_arn: '${R}', tags: {a: [x]}}}",
    "secretStores: {a: {type: aws.sts, role_arn: '${R}', policy_arns: {a: b}}}",
    "secretStores: {a: {type: aws.sts, role_arn: '${R}', session_policy: [x]}}",
    "secretStores: {a: {type: aws.secretsmanager, batch: sometimes}}",
    "secretStores: {a: {type: aws.ssm, with_decryption: maybe}}",
    "secretStores: {a: {type: literal, values: [x]}}",
    "secretStores: {a: {type: env, extends: {x: y}}}",
    "defaults: {aws.sts: {regoin: x}}",
    "defaults: {aws.sts: [x]}",
    "default_env: [p]",
    "include: {a: b}",
    "include: [[a]]",
    "envs: [p]",
    "envs: {p: [A]}",
    "envs: {p: {A B: {literal: x}}}",
    "envs: {p: {A: x}}",
    "envs: {p: {A: {}}}",
    "envs: {p: {A: {literal: [x]}}}",
    "envs: {p: {A: {literal: x, from: 'a:k'}}}",
    "envs: {p: {A: {literal: x, optional: perhaps}}}",
    "envs: {p: {A: {literal: x, optionel: true}}}",
    "envs: {p: {A: {literal: x, transform: [[trim]]}}}",
    "envs: {p: {A: {literal: x, transform: [{upper: x}]}}}",
    "secretStores: {a: {type: env}}\nenvs: {p: {A: {from: a}}}",
    "secretStores: {a: {type: env}}\nenvs: {p: {A: {from: {store: a, key: k, vers: 1}}}}",
    "secretStores: {a: {type: env}}\nenvs: {p: {A: {from: {store: a, provider: a, key: k}}}}",
    "secretStores: {a: {type: env}}\nenvs: {p: {A: {from: {key: k}}}}",
    "secretStores: {a: {type: env}}\nenvs: {p: {A: {from: {store: a, key: [k]}}}}",
]


@pytest.mark.parametrize("text", GOOD)
def test_it_accepts_what_the_loader_accepts(text: str, tmp_path: Path) -> None:
    """Every section and form."""
    assert accepted_by_loader(text, tmp_path)
    assert accepted_by_schema(text)


@pytest.mark.parametrize("text", BAD)
def test_it_refuses_what_the_loader_refuses_for_its_shape(text: str, tmp_path: Path) -> None:
    """Every section and form, one mistake each."""
    assert not accepted_by_loader(text, tmp_path)
    assert not accepted_by_schema(text)


def test_every_key_is_described_for_the_editor() -> None:
    """Hovering over any key of any type says something."""
    for name, keys in SCHEMA["$defs"].items():
        if name.startswith("keys of "):
            described = {key for key, value in keys["properties"].items() if value is True or "description" in value}
            assert set(keys["properties"]) - {"type"} <= described

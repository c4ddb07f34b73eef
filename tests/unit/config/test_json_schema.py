"""The JSON Schema agrees with the loader, as far as a schema for one file can."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from dsops.config import examine
from dsops.config.json_schema import json_schema
from dsops.config.limits import every_problem
from dsops.document import parse_yaml, to_plain
from dsops.errors import Problem
from dsops.schema import BUILTIN_TYPES
from tests.founding_page import Block, blocks
from tests.groups import one_in
from tests.mistakes import Content, configurations, documented
from tests.mutants import Mutant, mutants

SCHEMA: Any = json_schema()
VALIDATOR = Draft202012Validator(SCHEMA)


def accepted_by_schema(text: str) -> bool:
    """Whether the schema accepts a configuration."""
    document = parse_yaml(text, "f")
    assert document.problems == ()
    assert document.root is not None
    return bool(VALIDATOR.is_valid(to_plain(document.root)))


def accepted_by_validate(text: str, folder: Path) -> bool:
    """Whether `dsops validate` accepts a configuration."""
    path = folder / "dsops.yaml"
    path.write_text(text, encoding="utf-8")
    found = examine(folder=str(folder), environ={"HOME": str(folder)}, named=str(path))
    return not every_problem(found, BUILTIN_TYPES)


def test_it_is_a_json_schema() -> None:
    """The JSON Schema is valid for its declared version."""
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("block", [one for one in blocks("yaml") if "secretStores:" in one.text])
def test_it_accepts_the_founding_pages_configurations(block: Block) -> None:
    """The JSON Schema accepts the AWS STS page's thirteen configurations."""
    assert accepted_by_schema(block.text)


def test_it_knows_the_limits() -> None:
    """The schema contains AWS's limits but does not apply them to values with `${NAME}`."""
    store = "secretStores: {{a: {{type: aws.sts, role_arn: '{role}', {rest}}}}}"
    role = "arn:aws:iam::123456789012:role/App"
    assert accepted_by_schema(store.format(role=role, rest="duration_seconds: 43200"))
    assert accepted_by_schema(store.format(role="${ROLE}", rest="duration_seconds: '${SECONDS}'"))
    assert accepted_by_schema(store.format(role=role, rest="tags: {Straße: é}"))
    for rest in ("duration_seconds: 129600", "duration_seconds: 0"):
        assert not accepted_by_schema(store.format(role=role, rest=rest)), rest
    own = "secretStores: {{a: {{type: aws.sts, {0}duration_seconds: {1}}}}}"
    policy = "arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials"
    federated = "federated_user_name: ada, tags: {a: b}, "
    task = f"target_principal: '111111111111', task_policy_arn: '{policy}', "
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
    "secretStores: {a: {type: aws.ssm, with_decryption: yes, region: ~}, b: {extends: a}, c: {extends: [a, b]}}",
    "providers: {a: {type: aws.sts, assume_role: 'arn:aws:iam::123456789012:role/App', duration: 900}}",
    "defaults: {aws.sts: {region: us-east-1}}",
    "secretStores: {a: {type: literal, values: {k: 1, l: true, m: }}}",
    "envs: {p: {A: {literal: x}, B: {literal: 1, transform: [trim, {replace: {from: a, to: b}}]}}}",
    "envs: {p: {A: {literal: x}}, q: {extends: p, A: , B: {literal: y, optional: 'yes', default: 0}}}",
    "secretStores: {a: {type: env}}\nenvs: {p: {A: {from: 'a:k'}, B: {from: {store: a, key: 1, version: 2}}}}",
    "secretStores: {a: {type: env}}\nenvs: {p: {A: {from: 'store://a/k#f'}, B: {from: {provider: a, key: k}}}}",
    "envs: {p: {A: {literal: x, transform: 'trim | join:,'}, B: {literal: x, transform: {type: trim}}}}",
    "secretStores: {a: {type: aws.sts, role_arn: '${R}', policy_arns: ['${P}'], session_policy: '${POLICY}'}}",
]

BAD = [
    "secretStores: {a: {type: vault, anything: [1]}}",
    "secretStores: {a: {type: aws.stss}}",
    "defaults: {aws.stss: {region: us-east-1}}",
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


NOT_IN_A_SCHEMA = {
    r"there is no (store|environment) ": "whether a name that stands in one place is defined in another",
    r"(from|extend) each other|from itself": "whether references go round in a circle",
    r"is of type .*, which gives no |its credentials come from": "what the store is that a reference names",
    r"is not one of the `tags`": "whether an item of one list is a key of another mapping",
    r"session_policy": "the grammar of policies, which also stand in a text as JSON",
    r"is of another account": "whether a part of one text is a part of another",
}
"""Maps patterns of a problem's message and path to the rule that JSON Schema cannot express."""

OF_A_TYPE = {
    str: r"`(duration_seconds|timeout_ms|cache_seconds)` is \d+, and",  # the number contained in a string
    int: r"takes (six|twelve) digits|takes an account's id",  # leading zeros, which an editor drops from a number
}
"""Such patterns for changed configurations whose changed value has this type."""

INHERITED = (
    r"is missing|does not go with|goes with|needs|without|nothing says|takes no |could do more"
    r"|`duration_seconds` is \d+, and the (least|most)"
)
"""Problems of keys that a store may inherit by `defaults`, `include` or `extends`.

The limits of `duration_seconds` depend on the operation, which inherited keys determine.
"""

ONLY_IN_AN_EDITOR = {-1: "a number below zero as a name: an editor may say that a name is longer than one digit"}
"""Values that the schema refuses, but the loader accepts as the strings that were written."""

STRIDE = 31
"""Only every nth mutant is tested, with a different start in each configuration: testing all takes minutes."""


def is_left_to_validate(mutant: Mutant, problems: tuple[Problem, ...]) -> bool:
    """Whether JSON Schema can express none of these problems."""
    value: Any = mutant.content
    for key in mutant.place if mutant.name not in ("dropped", "renamed") else ():
        value = value[key]
    result_text = [f"{problem.path} {problem.message}" for problem in problems]
    known_names = [*NOT_IN_A_SCHEMA, *[pattern for kind, pattern in OF_A_TYPE.items() if type(value) is kind]]
    stores = mutant.content.get("secretStores")
    entries = stores.values() if isinstance(stores, dict) else ()
    is_extending = any("extends" in entry for entry in entries if isinstance(entry, dict))
    if is_extending or not {"defaults", "include"}.isdisjoint(mutant.content):
        known_names.append(INHERITED)
    return all(any(re.search(pattern, text) for pattern in known_names) for text in result_text)


def problems_of(content: object, folder: Path) -> tuple[Problem, ...]:
    """Return the problems that `validate` reports."""
    path = folder / "dsops.yaml"
    path.write_text(json.dumps(content), encoding="utf-8")
    return every_problem(examine(folder=str(folder), environ={"HOME": str(folder)}, named=str(path)), BUILTIN_TYPES)


def whole() -> dict[str, Content]:
    """Return the complete configurations in the documentation, without fragments."""
    with tempfile.TemporaryDirectory() as folder:
        return {name: value for name, value in documented().items() if not problems_of(value, Path(folder))}


CONFIGURATIONS = {**configurations(), **whole()}


@pytest.mark.parametrize("name", one_in(3, CONFIGURATIONS, str))
def test_it_takes_what_validate_takes_and_no_more(name: str, tmp_path: Path) -> None:
    """The schema and `validate` accept the same mutants of all examples, except for the listed rules."""
    content, first = CONFIGURATIONS[name], list(CONFIGURATIONS).index(name) % STRIDE
    assert VALIDATOR.is_valid(content)
    wrong = []
    for mutant in itertools.islice(mutants(content), first, None, STRIDE):
        problems, is_accepted = problems_of(mutant.content, tmp_path), VALIDATOR.is_valid(mutant.content)
        if is_accepted and problems and not is_left_to_validate(mutant, problems):
            wrong.append(("accepted", mutant.name, mutant.place, problems[0].message))
        elif (
            not is_accepted
            and not problems
            and not any(mutant.name == f"becomes {entry}" for entry in ONLY_IN_AN_EDITOR)
        ):
            wrong.append(("refused", mutant.name, mutant.place, ""))
    assert wrong == []


@pytest.mark.parametrize("text", GOOD)
def test_it_accepts_what_validate_accepts(text: str, tmp_path: Path) -> None:
    """The schema and `validate` both accept every section and notation."""
    assert accepted_by_validate(text, tmp_path)
    assert accepted_by_schema(text)


@pytest.mark.parametrize("text", BAD)
def test_it_refuses_what_validate_refuses_for_its_shape(text: str, tmp_path: Path) -> None:
    """The schema and `validate` both refuse a mistake in every section and notation."""
    assert not accepted_by_validate(text, tmp_path)
    assert not accepted_by_schema(text)


def test_every_key_is_described_for_the_editor() -> None:
    """Every key of every type has a description in the schema, which editors show."""
    for name, keys in SCHEMA["$defs"].items():
        if name.startswith("keys of "):
            described = {key for key, value in keys["properties"].items() if value is True or "description" in value}
            assert set(keys["properties"]) - {"type"} <= described


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("duration_seconds", 20, "20 is less than the minimum of 900"),
        ("region", 7, "7 is not of type 'string', 'boolean', 'null'"),
        ("role_arn", ["x"], "['x'] is not of type 'string', 'null'"),
        ("mfa_session", 1, "1 is not of type 'boolean', 'string', 'null'"),
        ("credentials_from", {}, "{} is not of type 'string', 'null'"),
    ],
)
def test_a_message_names_the_limit_or_the_expected_type_first(key: str, value: object, message: str) -> None:
    """The schema's message about a mistake names the limit or the expected type first, and null last."""
    store = {"type": "aws.sts", "role_arn": "arn:aws:iam::123456789012:role/App", key: value}
    errors = list(VALIDATOR.iter_errors({"secretStores": {"a": store}}))
    assert {error.message for error in errors} == {message}


def test_no_title_stands_beside_a_description() -> None:
    """No schema has a title, because language servers would show the title besides the description."""
    assert '"title"' not in json.dumps(SCHEMA)


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no node here")
@pytest.mark.clients
def test_editors_can_read_every_pattern(tmp_path: Path) -> None:
    """All patterns of the schema are valid in ECMA-262 with the Unicode flag, as editors use them."""
    (tmp_path / "schema.json").write_text(json.dumps(SCHEMA), encoding="utf-8")
    script = """
        const walk = (node) => { if (node && typeof node === "object") for (const [key, value] of Object.entries(node))
            key === "pattern" && typeof value === "string" ? new RegExp(value, "u") : walk(value) };
        walk(JSON.parse(require("fs").readFileSync(process.argv[1])));
    """
    command = [str(shutil.which("node")), "-e", script, str(tmp_path / "schema.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")

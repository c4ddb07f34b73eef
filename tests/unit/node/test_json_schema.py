"""The JSON Schema of a node's file agrees with `dsops node check`, as far as a schema for one file can."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

from dsops.errors import ConfigError, Problem
from dsops.node.configuration import load_node_config
from dsops.node.json_schema import node_schema
from tests.mutants import mutants

SCHEMA: Any = node_schema()
VALIDATOR = Draft202012Validator(SCHEMA)
PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "node.md"
FULL = """\
config: stores/dsops.yaml
listen: ["127.0.0.1:8484", "[::1]:8484", "169.254.170.23:80", "[fd00:ec2::23]:80", "unix:/run/node.sock"]
tokens: /run/tokens
metrics_port: 9465
kubernetes: {issuer: "https://example.com/c", jwks: /keys.json, ca_file: /ca, token_file: /token, audience: a,
  node: n, check_process: false}
spiffe: {audience: node}
workloads:
  web: {uid: 0, gid: 0, unit: web.service, cgroup: /a/b, token_owner: 0, stores: [a, b]}
  app: {kubernetes: {namespace: shop, service_account: app}, secrets: {store: s, names: ["app/*"]}}
  own: {spiffe: "spiffe://example.org/web", stores: a}
"""
BEYOND = re.compile(
    r"there is no account|is not an address of this machine alone|the variable \w+ is not set"
    r"|`(?:issuer|jwks)` is |is a number up to"
)
"""Problems that a schema can't see: accounts and variables of the machine, and the form of addresses."""


def examples() -> list[str]:
    """The node files of the page, and one with every key."""
    blocks = re.findall(r"^```yaml\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [FULL, *(block for block in blocks if "\nworkloads:" in block)]


def problems(folder: Path, text: str) -> tuple[Problem, ...]:
    """What `dsops node check` finds in the file."""
    file = folder / "node.yaml"
    file.write_text(text, encoding="utf-8")
    file.chmod(0o600)
    try:
        load_node_config(str(file), {"NODE_NAME": "node-1"})
    except ConfigError as error:
        return error.problems or (Problem(None, "", error.message),)  # type: ignore[arg-type]
    return ()


def test_it_is_a_json_schema() -> None:
    """The schema is valid for its declared version, and every property has a description."""
    Draft202012Validator.check_schema(SCHEMA)
    assert all("description" in value for value in SCHEMA["properties"].values())


def test_it_accepts_the_examples(tmp_path: Path) -> None:
    """The node files of the page are valid, and so is a file with every key."""
    found = examples()
    assert len(found) > 3
    for text in found:
        assert VALIDATOR.is_valid(yaml.safe_load(text))
        assert not problems(tmp_path, text)


def test_it_agrees_with_the_loader_on_mistakes(tmp_path: Path) -> None:
    """Of each mistake, the schema finds what it can know, and no more than the loader."""
    content = yaml.safe_load(FULL)
    wrong = 0
    for mutant in mutants(content):
        found = problems(tmp_path, json.dumps(mutant.content))
        is_valid = VALIDATOR.is_valid(mutant.content)
        if not found:
            assert is_valid, mutant
        elif not any(BEYOND.search(problem.message) for problem in found):
            assert not is_valid, (mutant, found)
            wrong += 1
    assert wrong > 200

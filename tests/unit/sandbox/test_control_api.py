"""The OpenAPI description of the control endpoints is complete, valid and served, and its reference page is current.

docs/reference/sandbox-api.md is generated from it: DSOPS_UPDATE_GOLDEN=1 writes the page again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from dsops.request.messages import HttpAnswer, HttpRequest
from dsops.sandbox.control.endpoints import Control
from dsops.sandbox.control.server import responder
from dsops.sandbox.identity_center.pages import AUTHORIZE_PATH
from tests.sandboxes import Lab
from tests.scripts.test_scripts import UPDATE
from tests.unit.sandbox.conftest import LabFactory

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "reference" / "sandbox-api.md"
API: dict[str, Any] = yaml.safe_load(
    (ROOT / "src" / "dsops" / "sandbox" / "control" / "openapi.yaml").read_text(encoding="utf-8")
)
SEED = """
accounts:
  "123456789012": {users: {alice: {}}}
identity_center:
  start_url: https://d-1234567890.awsapps.com/start
  users: {alice: {}}
"""


@pytest.fixture
def world(make_lab: LabFactory) -> Lab:
    """A sandbox with one user, who can also sign in to IAM Identity Center."""
    return make_lab(SEED)


def send(lab: Lab, method: str, path: str, body: bytes = b"") -> HttpAnswer:
    """Send a request as a program on this machine does."""
    request = HttpRequest(method, f"/_sandbox/{path}", "", {"host": "127.0.0.1:4566"}, body, "127.0.0.1")
    return responder(lab.sandbox, Control(lab.sandbox))(request)


def test_every_endpoint_is_described(world: Lab) -> None:
    """The description has each endpoint of the program with its methods, and no other."""
    # The files of the page are served before the table is asked, and /authorize is not below /_sandbox/.
    described = {"ui": ("GET",), "ui/": ("GET",), AUTHORIZE_PATH: ("GET", "POST")}
    for path, methods in API["paths"].items():
        name = path.removeprefix("/_sandbox/").partition("{")[0]
        described[name] = tuple(method.upper() for method in methods)

    assert described == Control(world.sandbox).described | {"ui": ("GET",), "ui/": ("GET",)}


def test_the_description_is_served(world: Lab) -> None:
    """A client can read the description from the sandbox itself."""
    answer = send(world, "GET", "openapi.yaml")

    assert (answer.status, dict(answer.headers)["Content-Type"]) == (200, "application/yaml")
    assert yaml.safe_load(answer.body) == API


def test_every_reference_has_a_target() -> None:
    """Each $ref leads to a component, and each component is used."""
    used = {node["$ref"] for node in nodes(API) if "$ref" in node}
    kinds = ("schemas", "responses", "parameters")
    known = {f"#/components/{kind}/{name}" for kind in kinds for name in API["components"][kind]}

    assert used == known


def test_another_method_is_refused(world: Lab) -> None:
    """An endpoint that exists answers 405 to other methods, with those that it takes."""
    for path, allowed in (("health", "GET"), ("policy", "POST"), ("clock", "GET, POST"), ("decisions/1", "GET")):
        answer = send(world, "DELETE", path)
        assert (answer.status, dict(answer.headers)["Allow"]) == (405, allowed)
    assert send(world, "DELETE", "nothing").status == 404


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"\xff",
        b"null",
        b'{"advance_seconds": NaN}',
        b'{"sts": 1e999}',
        b'{"code": "http://[x", "user": "alice"}',
        json.dumps(dict.fromkeys(("iss", "sub", "aud", "role", "principal", "code"), "\ud800")).encode(),
    ],
)
def test_no_body_makes_an_endpoint_fail(world: Lab, body: bytes) -> None:
    """A body that is too deep, no JSON, or of other values gets an error of the client, never a traceback."""
    posts = {path.removeprefix("/_sandbox/"): methods.get("post", {}) for path, methods in API["paths"].items()}
    paths = [path for path, operation in posts.items() if "requestBody" in operation]

    assert len(paths) >= 10
    for path in paths:
        assert 400 <= send(world, "POST", path, body).status < 500 or path == "device", path


def test_the_page_is_generated_from_the_description() -> None:
    """The reference page shows every endpoint of the description."""
    if UPDATE:
        PAGE.write_text(page(), encoding="utf-8")
    assert page() == PAGE.read_text(encoding="utf-8")


# --- the page ------------------------------------------------------------------------------------------------------


def nodes(value: object) -> Iterator[dict[str, Any]]:
    """Every mapping in the description."""
    if isinstance(value, dict):
        yield value
    if isinstance(value, dict | list):
        for child in value.values() if isinstance(value, dict) else value:
            yield from nodes(child)


def page() -> str:
    """The text of the reference page."""
    lines = [
        "# The sandbox's control API",
        "",
        *API["info"]["description"].splitlines(),
        "",
        "    curl http://127.0.0.1:4566/_sandbox/health",
        "",
        "This page is generated from the description of the API in OpenAPI 3.1, which the sandbox serves at",
        "`/_sandbox/openapi.yaml` ([the file](../../src/dsops/sandbox/control/openapi.yaml)). In the tables, * marks",
        'required parameters and fields. An invalid request gets `{"error": ...}`, with a text that shows its form.',
    ]
    for tag in API["tags"]:
        lines += ["", f"## {tag['name']}", "", tag["description"]]
        for path, methods in API["paths"].items():
            for method, operation in methods.items():
                if operation["tags"] == [tag["name"]]:
                    lines += ["", f"### `{method.upper()} {path}`", "", *operation_lines(operation)]
    return "\n".join(lines) + "\n"


def operation_lines(operation: dict[str, Any]) -> list[str]:
    """The lines about one operation."""
    lines = [f"{operation['summary']}. {operation.get('description', '')}".strip()]
    schemes = [API["components"]["securitySchemes"][name] for each in operation.get("security", ()) for name in each]
    lines += [f"The header Authorization is {scheme['description']}." for scheme in schemes]
    parameters = [resolved(parameter) for parameter in operation.get("parameters", ())]
    rows = [(each["name"], each["in"], each, each.get("required", False)) for each in parameters]
    for content in operation.get("requestBody", {}).get("content", {}).values():
        schema = content["schema"]
        required = schema.get("required", ())
        rows += [(name, "body", field, name in required) for name, field in schema.get("properties", {}).items()]
        if "properties" not in schema:
            lines.append(f"The body has {schema['description']}.")
    if rows:
        lines += ["", "| parameter | in | type | meaning |", "|---|---|---|---|"]
        lines += [f"| `{name}`{'*' * must} | {where} | {meaning_of(each)} |" for name, where, each, must in rows]
    # The refusal of other machines and pages, which each endpoint has, is described once.
    answers = {code: answer for code, answer in operation["responses"].items() if "Refused" not in str(answer)}
    told = "; ".join(f"{code}, {answer_text(resolved(answer))}" for code, answer in answers.items())
    return [*lines, "", f"Responses: {told}."]


def resolved(node: dict[str, Any]) -> dict[str, Any]:
    """The component that a reference means, or the node itself."""
    if "$ref" not in node:
        return node
    _, _, kind, name = node["$ref"].split("/")
    component: dict[str, Any] = API["components"][kind][name]
    return component


def meaning_of(field: dict[str, Any]) -> str:
    """The type and meaning of a parameter or field."""
    schema = field.get("schema", field)
    choices = schema.get("enum", ())
    kind = "one of " + ", ".join(f"`{choice}`" for choice in choices) if choices else schema["type"]
    default = f" (default `{schema['default']}`)" if "default" in schema else ""
    return f"{kind} | {field.get('description', '')}{default}".rstrip()


def answer_text(answer: dict[str, Any]) -> str:
    """What a response contains."""
    schema = next(iter(answer.get("content", {"": {"schema": {}}}).values()))["schema"]
    fields = resolved(schema).get("required", ())
    is_error = fields == ["error"]
    listed = f" ({', '.join(f'`{name}`' for name in fields)})" if fields and not is_error else ""
    return f"{answer['description']}{listed}"

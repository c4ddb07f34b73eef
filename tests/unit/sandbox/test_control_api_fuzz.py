"""schemathesis makes requests from the description of the control API: none fails, each answer is as described."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

import dsops.sandbox.control
from dsops.sandbox.control.launch import open_server
from dsops.sandbox.seed.file import read_seed

DESCRIPTION = Path(str(dsops.sandbox.control.__file__)).parent / "openapi.yaml"
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance,unsupported_method,allow_header_conformance"
)
SEED = """
accounts:
  "123456789012":
    users:
      alice: {mfa: {name: alice-phone}}
    roles:
      Task: {trust: {Version: "2012-10-17", Statement: {Effect: Allow, Action: ["sts:AssumeRole", "sts:TagSession"],
             Principal: {Service: [ecs-tasks.amazonaws.com, pods.eks.amazonaws.com, lambda.amazonaws.com]}}}}
    outbound_federation: true
    oidc_providers:
    - {url: "https://token.actions.githubusercontent.com", client_ids: [sts.amazonaws.com], issued_by_sandbox: true}
    saml_providers: [{name: corp, issued_by_sandbox: true}]
identity_center:
  start_url: https://d-1234567890.awsapps.com/start
  users: {alice: {}}
"""


@pytest.fixture
def url() -> Iterator[str]:
    """A sandbox in which each endpoint has something to find: the examples of the description name it."""
    with open_server(read_seed(SEED, "seed.yaml")) as server:
        yield server.url


def run(url: str, folder: Path, description: Path, count: int) -> subprocess.CompletedProcess[str]:
    """Let schemathesis try each endpoint with this many requests."""
    with urlopen(f"{url}/_sandbox/identity", timeout=60) as answer:
        tokens = json.load(answer)
    config = folder / "schemathesis.toml"
    config.write_text(
        "[[operations]]\n"
        'include-path-regex = ".*-credentials.*"\n'
        f'headers = {{ Authorization = "{tokens["ContainerToken"]}" }}\n'
        "[[operations]]\n"
        'include-path = "/_sandbox/github"\n'
        f'headers = {{ Authorization = "Bearer {tokens["GitHubToken"]}" }}\n',
        encoding="utf-8",
    )
    words = ["--url", url, "--checks", CHECKS, "--max-examples", str(count), "--phases", "examples,coverage,fuzzing"]
    words += ["--seed", "1", "--max-redirects", "0", "--request-timeout", "60", "--no-color"]
    return subprocess.run(
        [sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run", str(description), *words],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=1700,
    )


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    "count", [pytest.param(3, marks=pytest.mark.clients), pytest.param(200, marks=pytest.mark.nightly)]
)
def test_each_answer_is_as_described(url: str, tmp_path: Path, count: int) -> None:
    """Valid and invalid requests get no status 5xx, and only answers of the described forms."""
    done = run(url, tmp_path, DESCRIPTION, count)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 selected" not in done.stdout


@pytest.mark.clients
@pytest.mark.timeout(600)
def test_a_wrong_description_is_found(url: str, tmp_path: Path) -> None:
    """The check can fail: an answer that lacks a described field is reported."""
    wrong = tmp_path / "openapi.yaml"
    text = DESCRIPTION.read_text(encoding="utf-8")
    before = "required: [status, now, is_frozen]"
    assert before in text
    wrong.write_text(text.replace(before, "required: [status, now, is_frozen, moon]"), encoding="utf-8")
    done = run(url, tmp_path, wrong, 1)

    assert done.returncode == 1, done.stdout + done.stderr
    assert "'moon' is a required property" in done.stdout or '"moon" is a required property' in done.stdout

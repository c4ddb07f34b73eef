"""`dsops sandbox env` prints lines that are safe to evaluate in a shell."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from dsops.cli import main
from dsops.sandbox.control.launch import open_server
from dsops.sandbox.seed.file import read_seed
from dsops.sandbox.seed.model import Seed


def test_whatever_the_environment_holds_a_shell_runs_nothing_of_it(tmp_path: Path) -> None:
    """The printed lines unset only variables with valid names, so an odd name cannot run code."""
    odd = {"AWS_PROFILE": "mine", "AWS_;touch ran;": "x", "AWS_$(touch ran)": "x", "AWS_`touch ran`": "x"}
    words = [sys.executable, "-c", "import sys; from dsops.cli import main; sys.exit(main())", "sandbox", "env"]
    with open_server(Seed()) as server:
        environ = {"PATH": os.environ["PATH"], "DSOPS_AGENT": "off", "HOME": str(tmp_path), **odd}
        answer = subprocess.run(
            [*words, "--port", str(server.port)],
            env=environ,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout
    shown = subprocess.run(
        ["sh", "-c", f"{answer}\nenv"],
        env=environ,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert list(tmp_path.iterdir()) == []
    assert shown.stderr == ""
    assert f"AWS_ENDPOINT_URL={server.url}" in shown.stdout
    assert "AWS_PROFILE" not in shown.stdout


ROLES = """
accounts:
  "123456789012":
    roles:
      App: {trust: {Version: "2012-10-17", Statement: {Effect: Allow, Principal: {Service: pods.eks.amazonaws.com},
        Action: ["sts:AssumeRole", "sts:TagSession"],
        Condition: {StringEquals: {"aws:RequestTag/kubernetes-namespace": shop}}}}}
      Function: {trust: {Version: "2012-10-17", Statement: {Effect: Allow, Principal: {Service: lambda.amazonaws.com},
        Action: "sts:AssumeRole"}}}
"""


def exported(lines: str) -> dict[str, str]:
    """The variables that the shell lines export, with their values."""
    words = (shlex.split(line)[1] for line in lines.splitlines() if line.startswith("export "))
    return dict(word.split("=", 1) for word in words)


def test_a_pod_and_a_function_find_their_credentials_as_on_aws(capfd: pytest.CaptureFixture[str]) -> None:
    """For a pod, the lines set endpoint and token, but no keys; for a function, session and function name."""
    with open_server(read_seed(ROLES, "seed.yaml")) as server:
        port = str(server.port)
        assert main(["sandbox", "env", "--pod-role", "App", "--service-account", "shop/app", "--port", port]) == 0
        pod = exported(capfd.readouterr().out)
        assert main(["sandbox", "env", "--function-role", "Function", "--function", "orders", "--port", port]) == 0
        function = exported(capfd.readouterr().out)
        assert main(["sandbox", "env", "--function-role", "App", "--port", port]) != 0

    address = f"{server.url}/_sandbox/pod-credentials/App?namespace=shop&service_account=app"
    assert pod["AWS_CONTAINER_CREDENTIALS_FULL_URI"] == address
    assert pod["AWS_CONTAINER_AUTHORIZATION_TOKEN"]
    assert "AWS_ACCESS_KEY_ID" not in pod
    assert function["AWS_ACCESS_KEY_ID"].startswith("ASIA")
    assert function["AWS_SESSION_TOKEN"]
    assert function["AWS_LAMBDA_FUNCTION_NAME"] == "orders"
    assert "lambda.amazonaws.com is not authorized" in capfd.readouterr().err


def test_variables_of_a_job_are_unset(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables of a sandbox's CI job are unset for the next identity, but those of a real runner stay."""
    with open_server(Seed()) as server:
        monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "t")
        for address, is_gone in ((f"{server.url}/_sandbox/github?x", True), ("https://runner.example/", False)):
            monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_URL", address)
            assert main(["sandbox", "env", "--port", str(server.port)]) == 0
            assert is_gone == ("ACTIONS_ID_TOKEN_REQUEST_TOKEN" in capfd.readouterr().out)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["env", "--as", "alice", "--container-role", "CI"], "--as and --container-role can't be combined"),
        (["env", "--container-role", "CI", "--github-repository", "org/app"], "can't be combined"),
        (["env", "--pod-role", "App", "--function-role", "App"], "--pod-role and --function-role can't be combined"),
        (["env", "--pod-role", "App", "--service-account", "shop"], "write NAMESPACE/NAME"),
        (["env", "--github-repository", "org"], "write OWNER/NAME, such as org/app"),
        (["env", "--github-repository", "/app"], "`--github-repository` can't be `/app`"),
        (["clock", "--now", "yesterday"], "write a time such as 2026-07-13T10:00:00Z"),
    ],
)
def test_what_a_flag_can_not_mean_is_told_before_anything_is_asked(
    words: list[str], told: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """An invalid flag value is an error before any request, even if no sandbox runs."""
    assert main(["sandbox", *words, "--port", "9"]) == 2
    assert told in capfd.readouterr().err


def test_a_day_is_a_moment_too(capfd: pytest.CaptureFixture[str]) -> None:
    """A date without a time means midnight in UTC."""
    with open_server(Seed()) as server:
        assert main(["sandbox", "clock", "--now", "2031-02-03", "--port", str(server.port)]) == 0
    assert capfd.readouterr().out == "2031-02-03T00:00:00Z\n"

"""The AWS clients that are tested against the sandbox, and how each is installed: pinned, in its own environment.

`python -m tests.clients.sdks` installs, ahead of the tests, every client whose toolchain this machine has.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from tests.installed import ToolMissingError, installed, tool

PROGRAMS = Path(__file__).parent / "programs"
_PYTHON_CLIENTS = str(PROGRAMS / "python_clients.py")

Environ = Mapping[str, str]
Command = list[str]


def _boto3(_: Environ) -> Command:
    """boto3 from the tests' own environment."""
    return [sys.executable, _PYTHON_CLIENTS, "boto3"]


def _aws_cli_1(_: Environ) -> Command:
    """AWS CLI 1 from the tests' own environment."""
    return [sys.executable, _PYTHON_CLIENTS, str(Path(sys.executable).with_name("aws"))]


def _aws_cli_2(environ: Environ) -> Command:
    aws = aws_cli_2(environ)
    return [_python_of(aws), _PYTHON_CLIENTS, aws]


def aws_cli_2(environ: Environ) -> str:
    """The path of the machine's AWS CLI 2, which is on no Python registry. Raises ToolMissingError if there is none."""
    for folder in environ.get("PATH", "").split(os.pathsep):
        aws = shutil.which("aws", path=folder)
        if aws is not None and version_of(aws).startswith("aws-cli/2."):
            return aws
    raise ToolMissingError("there is no AWS CLI 2 here; on Debian: apt-get install awscli")


def _python_of(script: str) -> str:
    """The Python interpreter that runs a script, from its first line; ours for a program that is no Python script."""
    with open(script, "rb") as program:
        interpreter, _, more = program.readline().decode("ascii", "replace").strip().removeprefix("#!").partition(" ")
    return interpreter if "/python" in interpreter and not more else sys.executable


@cache
def version_of(aws: str) -> str:
    """The output of `aws --version`, such as `aws-cli/2.9.19 Python/...`."""
    done = subprocess.run(
        [aws, "--version"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60
    )
    return done.stdout


def _aioboto3(environ: Environ) -> Command:
    pip = [".venv/bin/python", "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input"]
    folder = installed(
        "aioboto3",
        [PROGRAMS / "aioboto3" / "requirements.txt"],
        [
            [sys.executable, "-m", "venv", ".venv"],
            [*pip, "install", "--require-hashes", "--requirement", "requirements.txt"],
        ],
        environ,
    )
    return [str(folder / ".venv" / "bin" / "python"), _PYTHON_CLIENTS, "aioboto3"]


def _javascript(environ: Environ) -> Command:
    node, npm = tool("node", environ), tool("npm", environ)
    source = PROGRAMS / "javascript"
    folder = installed(
        "javascript",
        [source / "package.json", source / "package-lock.json"],
        [[npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]],
        environ,
    )
    return [node, str(source / "client.mjs"), str(folder)]


def _go(environ: Environ) -> Command:
    source = PROGRAMS / "go"
    folder = installed(
        "go",
        [source / "main.go", source / "go.mod", source / "go.sum"],
        [[tool("go", environ), "build", "-mod=readonly", "-o", "client", "."]],
        {**environ, "GOFLAGS": "-buildvcs=false", "GOTOOLCHAIN": "local"},
    )
    return [str(folder / "client")]


def credential_helper(environ: Environ) -> str:
    """The path of AWS's credential helper for IAM Roles Anywhere, compiled once. Raises ToolMissingError."""
    source = PROGRAMS / "credential_helper"
    helper = "github.com/aws/rolesanywhere-credential-helper"
    folder = installed(
        "credential-helper",
        [source / "main.go", source / "go.mod", source / "go.sum"],
        [[tool("go", environ), "build", "-mod=readonly", "-o", "aws_signing_helper", helper]],
        {**environ, "GOFLAGS": "-buildvcs=false", "GOTOOLCHAIN": "local"},
    )
    return str(folder / "aws_signing_helper")


def _java(environ: Environ) -> Command:
    java, javac, mvn = (tool(name, environ) for name in ("java", "javac", "mvn"))
    source = PROGRAMS / "java"
    folder = installed(
        "java",
        [source / "pom.xml", source / "Client.java"],
        [
            [mvn, "--batch-mode", "--quiet", "dependency:copy-dependencies", "-DoutputDirectory=jars"],
            [javac, "-classpath", "jars/*", "-d", "classes", "Client.java"],
        ],
        environ,
    )
    # The JVM runs only for seconds: the second compiler and the parallel collector would only occupy the other core.
    swift = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto"]
    return [java, *swift, "-classpath", f"{folder}/classes:{folder}/jars/*", "Client"]


SDKS: Mapping[str, Callable[[Environ], Command]] = {
    "aws-cli-1": _aws_cli_1,
    "aws-cli-2": _aws_cli_2,
    "boto3": _boto3,
    "aioboto3": _aioboto3,
    "javascript": _javascript,
    "go": _go,
    "java": _java,
}
"""Client name -> function that returns its command; the function raises ToolMissingError if it cannot be installed."""


def main() -> None:
    """Install every client; print which ones cannot be installed and why."""
    for name, start in (*SDKS.items(), ("credential-helper", credential_helper)):
        try:
            start(os.environ)
        except ToolMissingError as missing:
            print(f"{name}: {missing}", file=sys.stderr)


if __name__ == "__main__":
    main()

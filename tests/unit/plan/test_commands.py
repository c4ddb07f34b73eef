"""Which program a command of a configuration is."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from dsops.config import load
from dsops.plan import plan_store
from dsops.schema import BUILTIN_TYPES
from tests.plans import LONG_TERM

STORE = """
secretStores:
  s:
    type: aws.sts
    region: us-east-1
    role_arn: arn:aws:iam::111111111111:role/Role
    serial_number: arn:aws:iam::111111111111:mfa/ada
"""


def command_of(tree: Path, folder: str, environ: dict[str, str] | None = None) -> tuple[str, ...]:
    """The words that are run for `mfa_process` when dsops is started in a folder of the tree."""
    config = load(folder=str(tree / folder), environ=environ or {})
    plan = plan_store(
        config._replace(is_allowed=True), "s", environ=environ or {}, ambient=lambda _: LONG_TERM,
        store_types=BUILTIN_TYPES,
    )  # fmt: skip
    command = plan.steps["s"].settings["mfa_process"]
    assert isinstance(command, tuple)
    return tuple(map(str, command))


def answers(tree: Path, folder: str, command: tuple[str, ...]) -> str:
    """What the command prints when it is started as dsops does."""
    done = subprocess.run(command, cwd=tree / folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A project with a folder of somebody else's in it, which has a program of the same name."""
    (tmp_path / ".git").mkdir()
    for folder, word in (("", "ours"), ("vendor/package", "theirs"), ("shared", "shared")):
        (tmp_path / folder / "bin").mkdir(parents=True)
        program = tmp_path / folder / "bin" / "mfa"
        program.write_text(f"#!/bin/sh\necho {word}\n")
        program.chmod(0o755)
    return tmp_path


@pytest.mark.parametrize("folder", ["", "vendor/package", "shared/bin"])
def test_a_relative_program_is_the_configurations_wherever_one_stands(tree: Path, folder: str) -> None:
    """Else an allowed configuration would run a stranger's program in the stranger's folder."""
    (tree / "dsops.yaml").write_text(f"{STORE}    mfa_process: ./bin/mfa --now\n")
    command = command_of(tree, folder)
    assert command[1:] == ("--now",)
    assert answers(tree, folder, command) == "ours"


def test_it_is_the_folder_of_the_file_that_says_it(tree: Path) -> None:
    """As with `include`: an included file's program stands beside that file."""
    (tree / "shared" / "base.yaml").write_text("defaults:\n  aws.sts:\n    mfa_process: [bin/mfa]\n")
    (tree / "dsops.yaml").write_text(f"include: shared/base.yaml\n{STORE}")
    assert answers(tree, "vendor/package", command_of(tree, "vendor/package")) == "shared"


@pytest.mark.parametrize("name", ["ykman", "/usr/bin/ykman"])
def test_a_bare_name_is_looked_for_on_the_path(tree: Path, name: str) -> None:
    """And an absolute one is what it is."""
    (tree / "dsops.yaml").write_text(f"{STORE}    mfa_process: {name} oath\n")
    assert command_of(tree, "vendor/package") == (name, "oath")


def test_it_is_decided_after_variables_are_replaced(tree: Path) -> None:
    """`${TOOLS}` may hold the folder."""
    (tree / "dsops.yaml").write_text(f"{STORE}    mfa_process: ${{TOOLS}}/mfa\n")
    assert answers(tree, "shared", command_of(tree, "shared", {"TOOLS": "bin"})) == "ours"
    assert command_of(tree, "shared", {"TOOLS": "/opt"}) == ("/opt/mfa",)

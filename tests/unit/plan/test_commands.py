"""How dsops finds the program of a command in a configuration."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from dsops.config import load
from dsops.plan import Proof, make_plan, plan_store
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


def started(tree: Path, folder: str, environ: dict[str, str] | None = None) -> str:
    """Return the output of the store's `mfa_process` when dsops runs in this folder."""
    environ = {"HOME": str(tree.parent), **(environ or {})}
    config = load(folder=str(tree / folder), environ=environ)
    plan = plan_store(config, "s", environ=environ, ambient=lambda _: LONG_TERM, store_types=BUILTIN_TYPES)
    settings = plan.steps["s"].settings
    command = settings["mfa_process"]
    assert isinstance(command, tuple)
    words = [str(word) for word in command]
    done = subprocess.run(
        words, cwd=str(settings["mfa_process_folder"]), check=True, capture_output=True, text=True, timeout=60
    )
    return done.stdout.strip()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A project with a foreign folder in it that has a program of the same name."""
    (tmp_path / ".git").mkdir()
    for folder, word in (("", "ours"), ("vendor/package", "theirs"), ("shared", "shared")):
        (tmp_path / folder / "bin").mkdir(parents=True)
        program = tmp_path / folder / "bin" / "mfa"
        program.write_text(f"#!/bin/sh\necho {word}\n")
        program.chmod(0o755)
    return tmp_path


@pytest.mark.parametrize("folder", ["", "vendor/package", "shared/bin"])
@pytest.mark.parametrize("command", ["./bin/mfa", "sh bin/mfa"])
def test_a_relative_path_is_the_configurations_wherever_one_stands(tree: Path, folder: str, command: str) -> None:
    """A relative command is resolved against the configuration's folder, not the working folder.

    Otherwise an allowed configuration would run a program of the folder in which the user runs dsops.
    """
    (tree / "dsops.yaml").write_text(f"{STORE}    mfa_process: {command}\n")
    assert started(tree, folder) == "ours"


def test_it_is_the_folder_of_the_file_that_says_it(tree: Path) -> None:
    """A command in an included file is resolved against that file's folder."""
    (tree / "shared" / "base.yaml").write_text("defaults:\n  aws.sts:\n    mfa_process: [bin/mfa]\n")
    (tree / "dsops.yaml").write_text(f"include: shared/base.yaml\n{STORE}")
    assert started(tree, "vendor/package") == "shared"


def test_a_link_to_a_configuration_runs_its_targets_program(tree: Path) -> None:
    """If the configuration is a symbolic link, a command is resolved against the folder of the link's target."""
    (tree / "dsops.yaml").write_text(f"{STORE}    mfa_process: ./bin/mfa\n")
    (tree / "vendor" / "package" / ".git").mkdir()
    (tree / "vendor" / "package" / "dsops.yaml").symlink_to("../../dsops.yaml")
    assert started(tree, "vendor/package") == "ours"


def test_one_code_for_several_roles_starts_there_too(tree: Path) -> None:
    """If several roles share an MFA session, its MFA command also runs in the configuration's folder."""
    more = "".join(
        f"""  {name}:
    type: aws.sts
    region: us-east-1
    role_arn: arn:aws:iam::111111111111:role/{name}
    serial_number: arn:aws:iam::111111111111:mfa/ada
    mfa_process: ./bin/mfa
"""
        for name in ("a", "b")
    )
    variables = '    A: {from: "a:access_key_id"}\n    B: {from: "b:access_key_id"}\n'
    (tree / "dsops.yaml").write_text(f"secretStores:\n{more}envs:\n  e:\n{variables}")
    config = load(folder=str(tree / "shared"), environ={})
    plan = make_plan(config, "e", environ={}, ambient=lambda _: LONG_TERM, store_types=BUILTIN_TYPES)
    folders = {name: step.settings.get("mfa_process_folder") for name, step in plan.steps.items()}
    assert folders == {"MFA session of arn:aws:iam::111111111111:mfa/ada": str(tree), "a": None, "b": None}


@pytest.mark.parametrize(
    ("written", "environ", "expected"),
    [
        ("token", {"HOME": "/home/ada"}, "{tree}/token"),
        ("~/token", {"HOME": "/home/ada"}, "/home/ada/token"),
        ("~/token", {}, "{tree}/~/token"),
        ("~bob/token", {"HOME": "/home/ada"}, "{tree}/~bob/token"),
        ("/run/~/token", {"HOME": "/home/ada"}, "/run/~/token"),
    ],
)
def test_a_file_is_in_the_folder_of_the_configuration_or_at_home(
    tree: Path, written: str, environ: dict[str, str], expected: str
) -> None:
    """A relative file is resolved against the configuration's folder; `~/` is the home of the user who runs dsops."""
    role = "region: us-east-1, role_arn: 'arn:aws:iam::111111111111:role/Role'"
    (tree / "dsops.yaml").write_text(
        f"secretStores:\n  s: {{type: aws.sts, {role}, web_identity_token_file: {written}}}\n"
    )
    config = load(folder=str(tree), environ={"HOME": str(tree.parent)})
    plan = plan_store(
        config,
        "s",
        environ=environ,
        ambient=lambda _: LONG_TERM,
        store_types=BUILTIN_TYPES,
        proof=lambda *_: Proof("the token", "digest"),
    )
    assert plan.steps["s"].settings["web_identity_token_file"] == expected.format(tree=tree)

"""The hooks that other repositories use, run by pre-commit itself."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
HOOKS = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
GOOD = "version: 1\nenvs: {ci: {GREETING: {literal: hello}}}\n"
TRUST = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}}\n'

pytestmark = [
    pytest.mark.clients,
    pytest.mark.skipif(not (BIN / "pre-commit").exists(), reason="`make workflows` installs pre-commit"),
]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with two configurations and two policies, of which one each has a mistake."""
    project = tmp_path / "project"
    (project / "services" / "iam").mkdir(parents=True)
    (project / "dsops.yaml").write_text(GOOD)
    (project / "services" / "dsops.yaml").write_text("version: 1\nenvs: {ci: [\n")
    (project / "services" / "iam" / "trust-policy.json").write_text(TRUST)
    (project / "services" / "policy-notes.json").write_text("no policy\n")
    subprocess.run(["git", "init", "--quiet", str(project)], check=True, timeout=60)
    subprocess.run(["git", "add", "."], cwd=project, check=True, timeout=60)
    return project


def run_pre_commit(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run pre-commit in the project, with a cache of its own and without colours."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "DSOPS_"))}
    environ |= {"PRE_COMMIT_HOME": str(project.parent / "cache"), "PRE_COMMIT_COLOR": "never", "NO_COLOR": "1"}
    return subprocess.run(
        [str(BIN / "pre-commit"), *words],
        cwd=project,
        env={**environ, "PATH": f"{BIN}:{environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )


def test_the_hooks_find_the_mistakes(project: Path) -> None:
    """Each hook checks the files that it is for and no other, and fails with the line of the mistake."""
    local = [{**hook, "language": "system"} for hook in HOOKS]
    for hook in local:
        hook.pop("additional_dependencies", None)
    (project / ".pre-commit-config.yaml").write_text(yaml.safe_dump({"repos": [{"repo": "local", "hooks": local}]}))
    done = run_pre_commit(project, "run", "--all-files", "--verbose")
    assert done.returncode == 1, done.stderr
    assert re.search(r"^dsops validate\.+Failed$", done.stdout, re.MULTILINE)
    assert re.search(r"^dsops policy check\.+Failed$", done.stdout, re.MULTILINE)
    assert "dsops.yaml is valid: 0 stores, 1 environment" in done.stdout
    assert "services/dsops.yaml:3: a value is missing here" in done.stdout
    assert re.search(r"^services/iam/trust-policy\.json:1: .*error", done.stdout, re.MULTILINE), done.stdout
    assert "policy-notes.json" not in done.stdout


@pytest.mark.timeout(600)
def test_pre_commit_installs_the_hooks_from_a_clone(project: Path, tmp_path: Path) -> None:
    """pre-commit clones this repository, installs dsops into an environment of its own, and runs a hook."""
    clone = tmp_path / "dsops"
    cloned = subprocess.run(
        ["git", "clone", "--quiet", "--depth=1", f"file://{ROOT}", str(clone)], check=False, timeout=60
    )
    if cloned.returncode:
        pytest.skip("this copy of dsops is no git repository")
    shutil.copy(ROOT / ".pre-commit-hooks.yaml", clone)
    done = run_pre_commit(project, "try-repo", str(clone), "dsops-validate", "--files", "dsops.yaml", "--verbose")
    if re.search(r"No matching distribution|Connection|Temporary failure|timed out", done.stdout):
        pytest.skip("the package index can't be reached")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "dsops.yaml is valid: 0 stores, 1 environment" in done.stdout

"""The workflows in .github/: their scripts run here, or stand in a list with the reason why not."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.github_runner import Runner, Step, steps_of

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
STEPS = [step for workflow in WORKFLOWS for step in steps_of(workflow)]
BIN = Path(sys.executable).parent
VERSION = "9.8.7"

RUN_HERE = {
    ("ci.windows", "Run a command with a variable"),
    ("ci.windows", "Expect the command's exit code"),
    ("release.build", "Check that the tag is the version"),
    ("release.build", "Check that the commit was merged"),
    ("release.build", "Take the notes from CHANGELOG.md"),
    ("release.build", "Check that the build changed no file of the checkout"),
}
"""The steps that a test below runs."""

NOT_HERE = {
    ("ci.test", "Name the OpenSSL to compile with"): "needs Homebrew",
    ("ci.alpine", "Install the wheel, then run the demo"): "needs Docker",
    ("ci.clients", "Install shells for the tests of quoting"): "changes the machine",
    ("ci.windows", "Install dsops"): "downloads from the package index",
    ("ci.passed", "Fail if a job failed or was cancelled"): "GitHub evaluates its condition; the script is `exit 1`",
    ("docs.build", "Build the sites of all versions"): "tests/website/test_publish.py runs the same program",
    ("release.system", "Install what verify-system needs"): "changes the machine",
    ("release.system", "Install the packages in a Debian, and build the images"): "takes minutes: `make verify-system`",
    ("release.publish", "Install twine and pypi-attestations"): "downloads from the package index",
    ("release.publish", "Take the wheel and the source distribution"): "`make verify-dist` runs the same check",
    ("release.publish", "Sign"): "needs GitHub's OIDC token",
    ("release.publish", "Upload"): "publishes",
    ("release.github", "Create the release with the artifacts, their SBOMs and the notes"): "publishes",
    ("release.image", "Build the image and run it"): "needs Docker",
    ("release.image", "Push the image"): "publishes",
    ("release.index", "Push the index"): "publishes",
}
"""The steps that no test runs, with the reason. actionlint and shellcheck read their text."""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the steps need a POSIX system")


def is_make(step: Step) -> bool:
    """Whether the step only runs a target of the Makefile."""
    return re.fullmatch(r"make [^\n;&|$]+", step.script) is not None


def script_of(job: str, name: str) -> str:
    """Return the script of the one step with that name."""
    (step,) = [step for step in STEPS if (step.job, step.name) == (job, name)]
    return step.script


def runner(folder: Path, **environ: str) -> Runner:
    """Return a runner in that folder, with the programs of this virtual environment."""
    return Runner(
        workspace=folder,
        temp=folder.parent / "runner-temp",
        environ={"PATH": f"{BIN}:/usr/local/bin:/usr/bin:/bin", "HOME": str(folder.parent), "CI": "true", **environ},
    )


def git(folder: Path, *words: str) -> None:
    """Run git in the folder as an invented user."""
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True, timeout=60)


@pytest.fixture
def release(tmp_path: Path) -> Runner:
    """The checkout of the tag v9.8.7 of a small repository that has this repository's scripts for a release."""
    checkout = tmp_path / "checkout"
    (checkout / "src" / "dsops").mkdir(parents=True)
    (checkout / "src" / "dsops" / "version.py").write_text(f'__version__ = "{VERSION}"\n')
    shutil.copytree(ROOT / "release", checkout / "release", ignore=shutil.ignore_patterns("__pycache__"))
    (checkout / ".gitignore").write_text("build/\n__pycache__/\n")
    (checkout / "pyproject.toml").write_text('[project]\nurls.Repository = "https://git.example/org/dsops"\n')
    (checkout / "changes").mkdir()
    (checkout / "changes" / "README.md").write_text("# Changes\n")
    (checkout / "CHANGELOG.md").write_text(
        f"# Changelog\n\n## {VERSION} (2026-11-28)\n\n### Added\n\n- The [agent](docs/explanation/agent.md).\n\n"
        "## 9.8.6 (2026-10-01)\n\n- An older change.\n"
    )
    git(checkout, "init", "--quiet")
    git(checkout, "add", ".")
    git(checkout, "commit", "--quiet", "--message", "release")
    git(checkout, "update-ref", "refs/remotes/origin/main", "HEAD")
    return runner(
        checkout, GITHUB_REF_NAME=f"v{VERSION}", GITHUB_REPOSITORY="org/dsops", GITHUB_SERVER_URL="https://git.example"
    )


def test_each_script_is_run_or_has_a_reason() -> None:
    """Each workflow step runs a make target, is run by a test in this file, or has a reason why it can't run here."""
    assert not RUN_HERE & NOT_HERE.keys()
    assert sorted(RUN_HERE | NOT_HERE.keys()) == sorted((step.job, step.name) for step in STEPS if not is_make(step))


@pytest.mark.parametrize(
    "target", sorted({word for step in STEPS if is_make(step) for word in step.script.split()[1:]})
)
def test_each_target_exists(target: str) -> None:
    """Every make target that a workflow names exists; the test does not run the target."""
    if "=" in target:
        return
    done = subprocess.run(
        ["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert (0, "") == (done.returncode, done.stderr)


def test_the_tag_has_to_be_the_version(release: Runner) -> None:
    """If the tag is not the version in the source, the release fails, and the error has both versions."""
    script = script_of("release.build", "Check that the tag is the version")
    assert release.run(script)[0] == 0
    release.environ["GITHUB_REF_NAME"] = "v9.8.8"
    assert release.run(script)[0] != 0
    assert "v9.8.8" in release.shown[-1]
    assert f"v{VERSION}" in release.shown[-1]


def test_a_release_is_made_of_committed_files(release: Runner) -> None:
    """A file that differs from the commit fails the release before and after the build."""
    before = script_of("release.build", "Check that the tag is the version")
    after = script_of("release.build", "Check that the build changed no file of the checkout")
    assert [0, 0] == [release.run(script)[0] for script in (before, after)]
    (release.workspace / "CHANGELOG.md").write_text("changed\n")
    assert 0 not in [release.run(script)[0] for script in (before, after)]


def test_only_a_merged_commit_is_released(release: Runner) -> None:
    """A tag on a commit that is not in `main` fails the release."""
    script = script_of("release.build", "Check that the commit was merged")
    assert release.run(script)[0] == 0
    git(release.workspace, "commit", "--quiet", "--allow-empty", "--message", "not merged")
    assert release.run(script)[0] != 0
    assert release.shown[-1].startswith(f"::error::the tag v{VERSION} is on a commit that is not in main")


def test_the_notes_are_the_section_of_the_changelog(release: Runner) -> None:
    """The notes of a GitHub release are the version's section, with links to the files of the tag."""
    assert release.run(script_of("release.build", "Take the notes from CHANGELOG.md"))[0] == 0
    notes = (release.workspace / "build" / "notes.md").read_text()
    assert notes.strip() == (
        f"### Added\n\n- The [agent](https://git.example/org/dsops/blob/v{VERSION}/docs/explanation/agent.md)."
    )


def test_a_release_without_notes_fails(release: Runner) -> None:
    """A version without a section in the changelog, or a change still in changes/, fails the release.

    The error names the next step.
    """
    script = script_of("release.build", "Take the notes from CHANGELOG.md")
    (release.workspace / "changes" / "late.added.md").write_text("A late change.\n")
    assert release.run(script)[0] != 0
    assert release.shown[-2:] == [
        "changes/late.added.md",
        f"::error::these changes are not in CHANGELOG.md: run make changelog VERSION={VERSION}",
    ]
    (release.workspace / "changes" / "late.added.md").unlink()
    release.environ["GITHUB_REF_NAME"] = "v9.8"
    assert release.run(script)[0] != 0
    assert release.shown[-1] == "::error::CHANGELOG.md has no section ## 9.8 (DATE)"


def test_the_steps_for_windows_pass_where_dsops_works(tmp_path: Path) -> None:
    """The steps for Windows succeed on this system, so that a failure on Windows is about Windows."""
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    job = runner(workspace)
    for name in ("Run a command with a variable", "Expect the command's exit code"):
        assert job.run(script_of("ci.windows", name))[0] == 0, job.log


MISTAKES = {
    "an action by its tag": (".github/workflows/ci.yml", r"@[0-9a-f]{40} # v", "@v", "unpinned-uses"),
    "an input as a part of a script": (
        ".github/workflows/ci.yml",
        r"run: make dist\b",
        "run: make dist ${{ github.head_ref }}",
        "template-injection",
    ),
    "a job without a time limit": (
        ".github/workflows/docs.yml",
        r"    timeout-minutes: \d+\n",
        "",
        "'timeout-minutes'",
    ),
    "an unknown icon": ("action.yml", r"icon: lock", "icon: key", "'key'"),
    "an unknown runner": (".github/workflows/ci.yml", r"runs-on: windows-2025", "runs-on: windows-95", "windows-95"),
}
"""What is wrong -> file, pattern, replacement, and a part of the message."""


@pytest.mark.clients
@pytest.mark.timeout(300)
@pytest.mark.skipif(not (BIN / "zizmor").exists(), reason="`make workflows` installs the tools")
@pytest.mark.parametrize("mistake", [None, *MISTAKES])
def test_make_workflows_finds_mistakes(tmp_path: Path, mistake: str | None) -> None:
    """`make workflows` passes for this repository, and fails for each mistake."""
    if mistake == "an unknown runner" and not shutil.which("go"):
        pytest.skip("actionlint needs Go")
    for name in (".github", "requirements"):
        shutil.copytree(ROOT / name, tmp_path / name)
    for name in ("Makefile", "action.yml"):
        shutil.copy(ROOT / name, tmp_path)
    if mistake:
        file, pattern, replacement, _ = MISTAKES[mistake]
        text = (tmp_path / file).read_text(encoding="utf-8")
        changed = re.sub(pattern, replacement, text)
        assert changed != text
        (tmp_path / file).write_text(changed, encoding="utf-8")
    (tmp_path / ".git").mkdir()
    stamp = f"{BIN.parent}/.installed-github"
    done = subprocess.run(
        ["make", "workflows", f"VENV={BIN.parent}", "--old-file", stamp],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    output = done.stdout + done.stderr
    assert (done.returncode == 0) is (mistake is None), output
    if mistake:
        assert MISTAKES[mistake][3] in output

"""Each run.sh of the examples runs and prints what expected.txt says.

A folder of `examples/` with a run.sh is an example; a new one is tested without being listed anywhere.
DSOPS_UPDATE_GOLDEN=1 rewrites expected.txt and the outputs in README.md.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from dsops.cli import main
from tests.children import SECONDS, Child
from tests.founding_page import blocks
from tests.scripts.script import Step, run
from tests.scripts.test_documents import BLOCK, Shown, settled, shown
from tests.scripts.test_scripts import UPDATE

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(path.parent for path in (ROOT / "examples").glob("*/run.sh"))

REFUSED = {"role-chain/long.yaml"}
"""Configurations of examples that show what dsops refuses."""
ACCEPTED = {
    # The AWS STS page (tests/founding-page) recommends an account as principal; the note says what that means.
    "trust.whole-account",
    # A single user as principal is narrower; the note says so.
    "principal.one-user",
    # Likewise for a user's unique id, which is the subject of that example.
    "condition.userid-of-user",
}
"""Notes that `dsops policy check` may make about an example's policies."""

WITH_MISTAKES = {"organisation"}
"""Examples that show mistakes in policies. Their policies are in the seed, not in files that a user would copy."""

VARYING = (
    r"\b[0-9a-f]{32}\b",  # a task of ECS
    r"(?<=-app-)[0-9a-f]{6}\b",  # a pod
    r"(?<=_)[0-9a-f]{16}\b",  # a role of Identity Center
    r"(?<=agent )\d+",  # a process
    r"\b\d+ (?:min|h)\b",  # the remaining lifetime of a session
    r"\S*/tmp\.\w+(?=/)",  # a temporary folder of the run
    r"(?<!\d)\d{10}(?!\d)",  # a timestamp in a refusal by AWS
)
"""What differs from run to run, in addition to what differs in the documentation."""

PAGE = {
    "With External ID": "third-party",
    "With Session Policy": "session-policy",
    "Chain of Roles": "role-chain",
    "Dynamic Role Selection": "dynamic-role",
    "Multi-Region Access": "multi-region",
    "Credential Caching": "credential-caching",
    "Development to Production": "development-to-production",
    "Service Account Pattern": "service-account",
    "Break Glass Access": "break-glass",
}
"""Heading of a pattern on the AWS STS page (tests/founding-page) -> the example that shows it."""

OTHERWISE = {
    # The page itself says further down: `external_id: ${EXTERNAL_ID}  # Keep this secret!`
    ("With External ID", "external_id")
}
"""Settings that an example writes in another way than the page."""

LINK = r"\]\(([^)#\s]+)\)"
AT_ONCE = 3
Steps = dict[Path, "Future[tuple[Step, set[str]]]"]

each_example = pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)


def played(example: Path, home: Path) -> tuple[Step, set[str]]:
    """The result of run.sh in a copy of the folder, and the names in the copy afterwards."""
    folder = home / "examples" / example.name
    shutil.copytree(example, folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(example.parent / "show.sh", folder.parent)
    step = run(Step(line=0, command="sh ./run.sh 2>&1", environ={}), home, folder)
    return step, {path.name for path in folder.iterdir()}


@pytest.fixture(scope="module")
def steps(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Steps]:
    """The result of each run.sh; they run side by side, since a sandbox and its client use half a core."""
    ours = [item for item in request.session.items if item.path == request.path]
    items = [item for item in ours if isinstance(item, pytest.Function)]
    requested = [item.callspec.params["example"] for item in items if "steps" in item.fixturenames]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {
            example: pool.submit(played, example, tmp_path_factory.mktemp("home"))
            for example in requested
            if isinstance(example, Path)
        }


@pytest.mark.clients
@each_example
def test_an_example_prints_its_expected_output(example: Path, steps: Steps) -> None:
    """An example succeeds, prints what expected.txt says, and leaves no file behind."""
    not_its_own = {"__pycache__", "expected.txt"}
    step, after = steps[example].result(timeout=SECONDS)

    assert step.exit_code == 0, step.stdout + step.stderr
    assert {path.name for path in example.iterdir()} - not_its_own == after - not_its_own
    golden, readme = example / "expected.txt", example / "README.md"
    expected = golden.read_text(encoding="utf-8") if golden.exists() else ""
    if UPDATE:
        if steady(step.stdout) != steady(expected):
            golden.write_text(step.stdout, encoding="utf-8")
            expected = step.stdout
        readme.write_text(with_outputs(readme, expected), encoding="utf-8")
    assert steady(step.stdout) == steady(expected)


@each_example
def test_a_readme_shows_its_example(example: Path) -> None:
    """A README quotes files unchanged, and output as in expected.txt."""
    readme = example / "README.md"
    text = readme.read_text(encoding="utf-8")
    paths = [path for path in example.rglob("*") if path.suffix in {".json", ".yaml", ".yml"}]
    files = [path.read_text(encoding="utf-8") for path in paths]
    excerpts = [block for kind, block in BLOCK.findall(text) if kind in {"json", "yaml"}]
    assert [] == [block for block in excerpts if not any(is_part(block, file) for file in files)]
    assert text == with_outputs(readme, (example / "expected.txt").read_text(encoding="utf-8"))
    assert "(not in run.sh)" not in text
    assert [] == [link for link in re.findall(LINK, text) if not (example / link).exists()]
    assert 10 <= len(text.splitlines()) <= 60


@each_example
def test_an_examples_policies_are_sound(example: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """`dsops policy check` finds only accepted notes in an example, and the sandbox is seeded with each policy file."""
    policies = sorted(path.relative_to(example).as_posix() for path in example.glob("*/*.json"))
    if example.name in WITH_MISTAKES:
        assert [] == policies
        return

    assert policies
    assert main(["policy", "check", "--json", *(str(example / name) for name in policies)]) == 0
    files = json.loads(capfd.readouterr().out)["files"]
    assert {finding["code"] for file in files for finding in file["findings"]} <= ACCEPTED
    seed = (example / "seed.yaml").read_text(encoding="utf-8")
    assert [] == [name for name in policies if name not in seed]


@each_example
def test_an_examples_configurations_are_valid(example: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Each configuration file of an example passes `dsops validate`, except those that show a refusal."""
    files = [path for path in example.glob("*.yaml") if "\nsecretStores:" in path.read_text("utf-8")]
    expected = [6 if f"{example.name}/{path.name}" in REFUSED else 0 for path in files]

    assert example / "dsops.yaml" in files
    assert expected == [main(["validate", "--config", str(file)]) for file in files], capfd.readouterr().err


@pytest.mark.parametrize(("heading", "name"), PAGE.items())
def test_an_example_has_the_settings_of_the_founding_page(heading: str, name: str) -> None:
    """The example has every store of the page's pattern with the same keys and values, and may have more."""
    block = next(block for block in blocks("yaml") if block.heading == heading)
    text = (ROOT / "examples" / name / "dsops.yaml").read_text(encoding="utf-8")
    ours = yaml.safe_load(text)["secretStores"]

    for store, printed in yaml.safe_load(block.text)["secretStores"].items():
        expected = {key: value for key, value in printed.items() if (heading, key) not in OTHERWISE}
        assert expected == {key: value for key, value in ours[store].items() if key in expected}


@pytest.mark.parametrize("page", ["examples/README.md", "docs/how-to/README.md"])
def test_every_example_is_in_the_list(page: str) -> None:
    """Each list of examples links to every example's page, and every link leads to an existing file."""
    text = (ROOT / page).read_text(encoding="utf-8")
    linked = {(ROOT / page).parent.joinpath(link).resolve() for link in re.findall(LINK, text)}

    assert [] == [example.name for example in EXAMPLES if example / "README.md" not in linked]
    assert [] == [link for link in linked if not link.exists()]


def test_every_page_is_in_the_list() -> None:
    """The index page of docs/how-to links to every other page in that folder."""
    folder = ROOT / "docs" / "how-to"
    linked = {link.partition("#")[0] for link in re.findall(LINK, (folder / "README.md").read_text(encoding="utf-8"))}

    assert [] == [page.name for page in sorted(folder.glob("*.md")) if page.name not in linked | {"README.md"}]


def played_commands(expected: str) -> list[Shown]:
    """Parts of run.sh's output: each command with its output, up to the next command or comment."""
    parts = re.split(r"^\n# .*\n", expected, flags=re.MULTILINE)
    return [shot for part in parts for shot in shown(ROOT, part)]


def with_outputs(readme: Path, expected: str) -> str:
    """The page with the outputs from expected.txt; its commands are a subsequence of the run's commands."""
    played = iter(played_commands(expected))

    def as_played(match: re.Match[str]) -> str:
        if match[1] != "console":
            return match[0]
        shots = [
            next(
                (entry for entry in played if entry.command == shot.command), shot._replace(output="(not in run.sh)\n")
            )
            for shot in shown(readme, match[2])
        ]
        lines = "\n".join(f"$ {shot.command}\n{shot.output}".rstrip() for shot in shots)
        return f"```console\n{lines}\n```"

    return BLOCK.sub(as_played, readme.read_text(encoding="utf-8"))


def steady(text: str) -> str:
    """The text without the parts that differ from run to run."""
    text = settled(text)
    for varying in VARYING:
        text = re.sub(varying, "<...>", text)
    return text


def is_part(block: str, file: str) -> bool:
    """Whether the block's lines are consecutive lines of the file."""
    return "\n" + block.strip("\n") + "\n" in f"\n{file}\n"


def test_an_excerpt_is_whole_lines_in_a_row() -> None:
    """An excerpt consists of whole, consecutive lines of the quoted file."""
    assert is_part("b\nc\n", "a\nb\nc\nd\n")
    assert not is_part("b\nd\n", "a\nb\nc\nd\n")
    assert not is_part("b\n", "ab\nc\n")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short name, which the address of a socket needs."""
    with tempfile.TemporaryDirectory(prefix="dsops-") as name:
        yield Path(name)


def has_ended(group: int) -> bool:
    """Whether a process group has no member any more; a process that has ended stays one until it is reaped."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


@pytest.mark.clients
def test_ctrl_c_leaves_nothing_behind(tmp_path: Path, folder: Path) -> None:
    """Ctrl-C removes the example's folder and ends its agent and sandbox."""
    environ = {"HOME": str(tmp_path), "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "TMPDIR": str(folder)}
    command = ["sh", str(ROOT / "examples" / "credential-caching" / "run.sh")]
    with Child(
        command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    ) as running:
        assert running.stdout is not None
        # The first secret implies a running agent.
        assert any("postgres://" in line for line in running.stdout)
        assert [made.name for path in folder.iterdir() for made in path.iterdir()] == ["dsops"]
        os.killpg(running.pid, signal.SIGINT)
        running.communicate(timeout=30)

    assert running.returncode == 130
    assert [] == list(folder.iterdir())
    assert has_ended(running.pid)


def test_a_surprise_ends_an_example(tmp_path: Path) -> None:
    """An example fails on an unexpected success or failure, and on a refusal for another reason."""
    shutil.copy(ROOT / "examples" / "show.sh", tmp_path)
    for line, surprise in (
        ("refused x.y 'true'", "that should have been refused"),
        ("refused x.y 'echo error[x.z]; false'", "that should have been refused with x.y"),
        ("allowed 'exit 3'", ""),
        ("allowed 'false'", "that should have worked"),
    ):
        step = run(Step(line=0, command=f". ./show.sh; {line}; echo on", environ={}), tmp_path, tmp_path)
        assert step.exit_code in {1, 3}
        assert surprise in step.stderr
        assert "on\n" not in step.stdout
    fine = ". ./show.sh; allowed 'echo a'; refused x.y 'echo \"error[x.y]\"; false'; echo on"
    assert run(Step(line=0, command=fine, environ={}), tmp_path, tmp_path).stdout.endswith("error[x.y]\non\n")

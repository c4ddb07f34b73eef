"""`dsops access who-can` and the who-can of iam-lens agree on the two data sets of iam-lens, or a rule of AWS decides.

iam-lens is neither in this repository nor installed by it: `DSOPS_IAM_LENS` names a folder with checkouts of its
sources, which docs/explanation/proof-by-others.md describes. Without it, the test is skipped.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dsops.access.facts.folder import read_folder
from dsops.access.questions.assuming import Assumptions
from dsops.access.questions.data_actions import data_requests
from dsops.access.questions.evaluator import Evaluator
from dsops.access.questions.who_can import Way, who_can
from tests.installed import OUTSIDE

pytestmark = pytest.mark.nightly

COMMIT = "386496d3a606c82ccaeac246a934d19ee6b1cc4c"
"""The commit of iam-lens (version 0.1.153). It is also the hash of the sources and the data sets."""
NOW = datetime(2026, 11, 29, tzinfo=UTC)
EXPECTED = {
    "same": 346,
    "a principal outside of the facts": 27,
    "which key encrypts the object is not in the data": 26,
    "NotPrincipal in a trust policy": 26,
    "a bucket's policy without Principal": 8,
    "the id of the role is not in the data": 1,
}

UNKNOWN = {
    ":role/not-principal-target": "NotPrincipal in a trust policy",
    ":::no-principal-bucket": "a bucket's policy without Principal",
    ":::who-can-session-userid": "the id of the role is not in the data",
}
"""The end of a resource's ARN -> why dsops answers `unknown`."""


def test_the_answers_are_those_of_iam_lens(tmp_path: Path) -> None:
    """Each row, a question and a principal, is the same in both programs, or its difference is on the page."""
    checkouts = Path(OUTSIDE.get("DSOPS_IAM_LENS", ""))
    if not (checkouts / "iam-lens" / "src").is_dir() or shutil.which("node") is None:
        pytest.skip("DSOPS_IAM_LENS names no folder with the sources of iam-lens, or there is no node")
    head = ["git", "-C", str(checkouts / "iam-lens"), "rev-parse", "HEAD"]
    commit = subprocess.run(head, capture_output=True, text=True, check=True, timeout=60).stdout.strip()
    assert commit == COMMIT
    worlds = {}
    questions: list[dict[str, str]] = []
    for number in (1, 2):
        folder = str(checkouts / "iam-lens" / "src" / "test-datasets" / f"iam-data-{number}")
        evaluator = Evaluator(read_folder(folder), NOW)
        worlds[folder] = (evaluator, Assumptions(evaluator))
        questions += _questions(folder, evaluator)
    theirs = _ask_iam_lens(checkouts, questions, tmp_path)

    counts: Counter[str] = Counter()
    for question, rows in zip(questions, theirs, strict=True):
        found = who_can(*worlds[question["folder"]], question["action"], question["resource"])
        ours = {way.caller.name: way for way in found.ways if len(way.steps) == 1}
        given = dict(rows)
        counts.update(
            _kind(question, name, ours.get(name), given.get(name, "no")) for name in ours.keys() | given.keys()
        )

    assert EXPECTED == dict(counts)


def _questions(folder: str, evaluator: Evaluator) -> list[dict[str, str]]:
    """The data actions on each resource of a data set, and AssumeRole on each role."""
    world = evaluator.world
    pairs = [(pair, known.account) for arn, known in world.resources.items() for pair in data_requests(arn)]
    pairs += [(("sts:AssumeRole", arn), one.account) for arn, one in world.identities.items() if one.kind == "role"]
    return [
        {"folder": folder, "action": action, "resource": resource, "account": account}
        for (action, resource), account in pairs
    ]


def _ask_iam_lens(checkouts: Path, questions: list[dict[str, str]], folder: Path) -> list[list[tuple[str, str]]]:
    script = Path(__file__).parent / "iam_lens" / "ask.mjs"
    asked, answers = folder / "questions.json", folder / "answers.json"
    asked.write_text(json.dumps(questions))
    subprocess.run(["node", str(script), str(checkouts), str(asked), str(answers)], check=True, timeout=900)
    rows: list[list[Any]] = json.loads(answers.read_text())
    return [[(str(principal), str(verdict)) for principal, verdict in row] for row in rows]


def _kind(question: dict[str, str], name: str, way: Way | None, theirs: str) -> str:
    """Why the two answers about a principal differ; `same` if they do not."""
    ours = way.verdict if way is not None else "no"
    if ours == theirs:
        return "same"
    if way is not None and way.caller.outside and theirs == "no":
        return "a principal outside of the facts"
    if_key = way.steps[0].answer.if_key if way is not None else None
    if if_key is not None and not if_key.key and (ours, theirs) == ("conditional", "yes"):
        return "which key encrypts the object is not in the data"
    if ours == "unknown":
        for end, why in UNKNOWN.items():
            if question["resource"].endswith(end):
                return why
    return f"{name}: {ours}, and {theirs} by iam-lens, for {question['action']} on {question['resource']}"

"""The benchmark measures only correct programs: its checks accept right answers and stop at wrong ones."""

from __future__ import annotations

import json
import os
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from bench import cloudtrail as bench
from bench.run import Case, Run
from tests.cloudtrail.generator import generate
from tests.installed import ToolMissingError

SAY = "import sys; print(open(sys.argv[1]).read())"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> bench.Logs:
    """Logs that are small enough to be read in a second."""
    folder = tmp_path_factory.mktemp("bench")
    return bench.Logs(folder, generate(folder / "logs", events=3000, seed=1))


def environ() -> dict[str, str]:
    """The smallest environment in which programs are found."""
    return {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}


def says(folder: Path, tree: Any) -> Case:
    """A benchmark case whose program prints this tree as JSON."""
    file = folder / "said.json"
    file.write_text(json.dumps(tree))
    return Case("report", [sys.executable, "-c", SAY, str(file)], folder, environ())


def as_objects(known: Any) -> dict[str, list[dict[str, Any]]]:
    """Answers as a list of objects for each question."""
    return {
        name: [dict(zip(answer["columns"], row, strict=True)) for row in answer["rows"]]
        for name, answer in known["answers"].items()
    }


def test_a_right_report_passes_in_either_form(made: bench.Logs, tmp_path: Path) -> None:
    """The benchmark accepts a correct report with rows as objects or as lists."""
    bench.check_report(made, says(tmp_path, as_objects(made.known)))
    bench.check_report(made, says(tmp_path, {"answers": made.known["answers"]}))


def test_a_summary_is_by_role_where_nothing_was_asked(made: bench.Logs, tmp_path: Path) -> None:
    """A report needs only the summary by role; the other groupings are not required."""
    result_text = as_objects(made.known)
    result_text["summary"] = result_text.pop("summary-role")
    del result_text["summary-principal"], result_text["summary-account"]

    bench.check_report(made, says(tmp_path, result_text))


@pytest.mark.parametrize("name", ["failures", "chains", "events"])
def test_a_wrong_or_missing_answer_ends_the_benchmark(name: str, made: bench.Logs, tmp_path: Path) -> None:
    """The benchmark stops if a row or an answer is missing."""
    short = as_objects(made.known)
    short[name] = short[name][:-1]
    without = as_objects(made.known)
    del without[name]

    for told in (short, without):
        with pytest.raises(SystemExit, match=f"another answer to {name}"):
            bench.check_report(made, says(tmp_path, told))


def test_a_wrong_count_ends_the_benchmark(made: bench.Logs, tmp_path: Path) -> None:
    """The benchmark stops if the number of records is wrong."""
    bench.check_count(made, says(tmp_path, made.records))

    with pytest.raises(SystemExit, match="another number of records"):
        bench.check_count(made, says(tmp_path, made.records + 1))


@pytest.mark.clients
def test_jq_has_the_known_metrics(made: bench.Logs) -> None:
    """jq's failures, principals, account pairs and durations equal the known answers."""
    try:
        case = bench.with_jq(made, environ())
    except ToolMissingError as missing:
        pytest.skip(str(missing))
    wrong = deepcopy(made.known)
    wrong["answers"]["durations"]["rows"][0][3] += 1

    bench.check_jq(made, case)
    with pytest.raises(SystemExit, match="another answer to durations"):
        bench.check_jq(bench.Logs(made.folder, wrong), case)


def test_the_loop_has_the_known_answers(made: bench.Logs) -> None:
    """The naive program's answers equal the known answers."""
    wrong = deepcopy(made.known)
    wrong["answers"]["events"]["rows"][0][2] += 1

    bench.check_python(made, bench.with_python(made, environ()))
    with pytest.raises(SystemExit, match="other answers"):
        bench.check_python(bench.Logs(made.folder, wrong), bench.with_python(made, environ()))


def test_logs_are_made_once_for_a_size_and_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Logs are generated once per size and seed, then reused."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    first = bench.logs(3000, 1)
    file = first.folder / "answers.json"
    before = file.stat().st_mtime_ns
    again, other = bench.logs(3000, 1), bench.logs(3000, 2)

    assert first == again
    assert before == file.stat().st_mtime_ns
    assert other.folder != first.folder
    assert 2 == len(list((tmp_path / "dsops-bench").iterdir()))


def test_the_table_has_each_ratio(made: bench.Logs) -> None:
    """The result table compares times per event.

    Ten times the time for a tenth of the events is a ratio of 100.
    """
    assert made.records > 3000
    names = ("report", "report, part", "count", "fastest count", "jq", "python")
    took = dict(zip(names, (10.0, 2.0, 8.0, 5.0, 20.0, 100.0), strict=True))
    runs = {name: [Run(value * 1000, value, 100.0)] for name, value in took.items()}

    table = "\n".join(bench.rows(runs))

    assert "| report / that | 1.25 x | 1.3 x |" in table
    assert "| `jq`, four metrics | 200 s (10 x 20.0 s for a tenth of the events) | |" in table
    assert "| that / report | 100.0 x | at least 20 x |" in table
    assert "| report / that | 5.00 x | about 5 x: a straight line |" in table

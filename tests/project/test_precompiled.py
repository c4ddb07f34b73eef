"""The test files are compiled once per run, the longest files run first, and some folders on one worker."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from _pytest.assertion import rewrite

from tests.groups import LONG_FILES
from tests.precompiled import ROOT, compile_file, precompile, sources
from tests.schedule import READERS, FileScheduling, group_of

if TYPE_CHECKING:
    from pathlib import Path


def compiled(file: Path) -> Path:
    """Where pytest looks for the compiled file."""
    return rewrite.get_cache_dir(file) / (file.stem + rewrite.PYC_TAIL)


def test_pytest_finds_what_was_compiled(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    """A compiled file is what pytest imports, until the file changes; it is not written twice."""
    file = tmp_path / "test_a.py"
    file.write_text("def test_a(): assert 1\n", encoding="utf-8")
    assert compile_file(pytestconfig, file)
    written = compiled(file).stat()

    assert rewrite._read_pyc(file, compiled(file)) is not None
    assert not compile_file(pytestconfig, file)
    assert compiled(file).stat() == written
    file.write_text("def test_a(): assert 2\n", encoding="utf-8")
    assert rewrite._read_pyc(file, compiled(file)) is None


def test_an_invalid_file_is_left_to_pytest(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    """A file that can't be compiled is no error here: pytest reports it with its name and line."""
    file = tmp_path / "test_a.py"
    file.write_text("def test_a(:\n", encoding="utf-8")

    compile_file(pytestconfig, file)

    assert not compiled(file).exists()


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_all_processes_together_compile_all_files(
    tmp_path: Path, pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every test file in the folders of the command line is compiled, and nothing if Python must not write bytecode."""
    files = [tmp_path / "a" / f"test_{number}.py" for number in range(5)]
    files[0].parent.mkdir()
    for file in files:
        file.write_text("def test_a(): assert 1\n", encoding="utf-8")
    monkeypatch.setattr(pytestconfig, "args", [f"{tmp_path}::test_a"])

    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    precompile(pytestconfig, 2)
    assert not any(compiled(file).exists() for file in files)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    precompile(pytestconfig, 2)
    assert all(compiled(file).exists() for file in files)


def test_a_run_compiles_its_tests_and_dsops() -> None:
    """The files are the tests of the command line, their conftest files, and the package dsops."""
    found = {str(file.relative_to(ROOT)) for file in sources(["tests/unit/plan", "tests/unit/test_arn.py::test_a"])}

    assert {"tests/unit/test_arn.py", "src/dsops/arn.py", "tests/unit/plan/test_make.py"} <= found
    assert "tests/unit/test_cache.py" not in found
    assert "tests/unit/aws/conftest.py" in {str(file.relative_to(ROOT)) for file in sources(["tests/unit/aws"])}


def test_the_long_files_exist() -> None:
    """Each file that runs first is there: a renamed file would run last, while the other workers wait."""
    assert all(file.is_file() for file in LONG_FILES)


def test_a_worker_gets_whole_files() -> None:
    """The tests of a file run on the same worker, and so do all that read the source."""
    ids = ["tests/unit/test_a.py::test_1[x::y]", "tests/unit/test_b.py::test_1", "tests/project/test_a.py::test_1"]

    assert [group_of(node_id) for node_id in ids] == ["tests/unit/test_a.py", "tests/unit/test_b.py", "tests/project/"]
    assert {group_of(file) for file in READERS} == {"tests/project/"}
    assert all((ROOT / file).is_file() for file in READERS)


class Worker:
    """A worker of xdist that notes which tests it is told to run."""

    shutting_down = False
    gateway = SimpleNamespace(id="gw")

    def __init__(self) -> None:
        self.tests: list[int] = []

    def send_runtest_some(self, indices: list[int]) -> None:
        """Note the tests."""
        self.tests += indices

    def shutdown(self) -> None:
        """End after these tests."""
        self.shutting_down = True


def test_a_group_is_forgotten_after_its_last_test(pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """All tests are given to the workers, the tests of a file to the same one, until none is left."""
    ids = [f"tests/unit/test_{file}.py::test_{number}" for file in "abcdefg" for number in range(5)]
    monkeypatch.setattr(pytestconfig.option, "tx", ["2*popen"], raising=False)
    monkeypatch.setattr(pytestconfig.option, "loadscopereorder", False, raising=False)
    scheduling, workers = FileScheduling(pytestconfig), [Worker(), Worker()]
    for worker in workers:
        scheduling.add_node(worker)
    for worker in workers:
        scheduling.add_node_collection(worker, ids)
    scheduling.schedule()

    ran: list[list[int]] = [[], []]
    while any(worker.tests for worker in workers):
        for worker, done in zip(workers, ran, strict=True):
            if worker.tests:
                done.append(worker.tests.pop(0))
                scheduling.mark_test_complete(worker, done[-1])

    assert sorted(ran[0] + ran[1]) == list(range(len(ids)))
    assert {group_of(ids[test]) for test in ran[0]}.isdisjoint(group_of(ids[test]) for test in ran[1])
    assert (scheduling.has_pending, scheduling.tests_finished) == (False, True)
    assert [{}, {}] == list(scheduling.assigned_work.values())

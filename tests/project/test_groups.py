"""Each test belongs to `make test`, `make test-clients` or `make nightly`, and no run leaves a process or a file."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.groups import IN_CI, ForeignProgramError, nightly_rest, one_in
from tests.installed import installed
from tests.terminal import Terminal

ROOT = Path(__file__).parents[2]
# Before the fixture in tests/conftest.py removes every DSOPS_* variable.
EACH_CASE = bool(os.environ.get("DSOPS_TESTS_EACH_CASE"))


def run_tests(folder: Path, code: str, *options: str, module: str = "pytest") -> tuple[int, str]:
    """Run this code as a test file with this project's conftest; return the exit code and the output."""
    (folder / "test_probe.py").write_text(f"import os, subprocess, sys\nimport pytest\n{code}", encoding="utf-8")
    marks = ["-o", "markers=clients\nnightly", "--strict-markers", "-p", "no:cacheprovider", "-p", "tests.conftest"]
    done = subprocess.run(
        [sys.executable, "-m", module, "-q", *marks, *options, "test_probe.py"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "XDG_DATA_HOME": ""},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout + done.stderr


def test_a_test_is_in_one_group_only(tmp_path: Path) -> None:
    """If a test has the marks of two groups, pytest ends before any test runs."""
    code, output = run_tests(tmp_path, "@pytest.mark.clients\n@pytest.mark.nightly\ndef test_a(): pass\n")

    assert code == pytest.ExitCode.USAGE_ERROR
    assert "test_a is marked both clients and nightly" in output


def test_the_parameter_decides_as_well(tmp_path: Path) -> None:
    """A test with the parameter `zsh` is in the group `clients`; the same test with `bash` is not."""
    probe = "@pytest.mark.parametrize('shell', ['bash', 'zsh'])\ndef test_a(shell): pass\n"

    assert "1 passed, 1 deselected" in run_tests(tmp_path, probe, "-m", "clients")[1]
    assert "test_a[bash] PASSED" in run_tests(tmp_path, probe, "-m", "not clients", "-v", "-v")[1]


def test_each_case_of_a_long_list_is_in_one_group() -> None:
    """Of a long list, `make test` runs one case in three, and `make test-clients` all others."""
    cases = {str(case.id): [mark.name for mark in case.marks] for case in one_in(3, "abcdef", str)}

    rest = [mark.name for mark in IN_CI]
    assert {"a": [], "b": rest, "c": rest, "d": [], "e": rest, "f": rest} == cases
    assert rest == ([] if EACH_CASE else ["clients"])


def test_each_long_test_exists() -> None:
    """Each line of `long_tests.txt` names a test function of its file, and the lines are sorted."""
    lines = (ROOT / "tests/long_tests.txt").read_text(encoding="ascii").split()
    functions = {
        path: set(re.findall(r"^ *def (test_\w+)", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE))
        for path in {line.partition("::")[0] for line in lines}
    }

    assert lines == sorted(set(lines))
    assert [line for line in lines if line.rpartition("::")[2] not in functions[line.partition("::")[0]]] == []


def test_a_long_test_is_for_test_clients() -> None:
    """`make test` leaves out a test that is in `long_tests.txt`."""
    path = "tests/property/test_config.py"
    collected = [
        subprocess.run(
            [sys.executable, "-m", "pytest", "--collect-only", "-q", "-m", marks, path],
            cwd=ROOT,
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        ).stdout
        for marks in ("not clients and not nightly", "clients")
    ]

    name = "test_loaded_fields_can_be_expanded_and_checked"
    assert [name in output for output in collected] == [EACH_CASE, not EACH_CASE]


def test_the_rest_of_a_list_can_be_nightly() -> None:
    """`make nightly` runs all cases of such a list but one in three, which `make test` or `make test-clients` runs."""
    cases = nightly_rest(3, "abcd", str)
    of_clients = nightly_rest(3, "abcd", str, first=[pytest.mark.clients])

    assert [[mark.name for mark in case.marks] for case in cases] == [[], ["nightly"], ["nightly"], []]
    assert [mark.name for case in of_clients for mark in case.marks] == ["clients", "nightly", "nightly", "clients"]


def test_a_foreign_program_needs_a_mark(tmp_path: Path) -> None:
    """If a test without a mark starts a foreign program, the test fails before the program is searched."""
    start = "    subprocess.run(['/nowhere/zsh'], check=False)\n"
    probe = f"def test_a():\n{start}\n@pytest.mark.clients\ndef test_b():\n{start}"
    _, output = run_tests(tmp_path, probe)

    assert "ForeignProgramError: this test starts zsh: mark it" in output
    assert "FileNotFoundError: [Errno 2] No such file or directory: '/nowhere/zsh'" in output


def test_a_download_needs_a_mark(tmp_path: Path) -> None:
    """A test without a mark that downloads something fails without a download."""
    with pytest.raises(ForeignProgramError, match="this test installs it: mark it"):
        installed("it", [], [["touch", "made"]], {"XDG_CACHE_HOME": str(tmp_path)})


@pytest.mark.clients
def test_a_marked_test_installs_once(tmp_path: Path) -> None:
    """A marked test runs the installation commands once, in a folder of the cache."""
    folders = {installed("it", [], [["touch", "made"]], {"XDG_CACHE_HOME": str(tmp_path)}) for _ in range(2)}

    assert [["made"]] == [[file.name for file in folder.iterdir()] for folder in folders]


@pytest.mark.skipif(sys.platform != "linux", reason="processes are adopted on Linux only")
def test_a_process_that_is_left_behind_fails_the_run(tmp_path: Path) -> None:
    """A daemon that outlives the tests is killed and reported with its test; one that ends in time is not reported."""
    daemon = "    subprocess.run(['sh', '-c', '(setsid sleep {} &)'], check=True)\n"
    left = f"def test_a():\n{daemon.format(77)}\ndef test_b():\n{daemon.format(1)}"

    code, output = run_tests(tmp_path, left, module="tests")

    assert code == 1
    assert "error: 1 process(es) left behind by the tests, and killed:" in output
    assert "'sleep 77', started by test_probe.py::test_a (call)" in output
    assert run_tests(tmp_path, f"def test_b():\n{daemon.format(1)}", module="tests")[0] == 0


def test_a_file_in_the_users_home_fails_the_run(home: Path, tmp_path: Path) -> None:
    """A test's record in the home of the user who runs the tests is an error; the user's own records are not."""
    folder = home / ".local" / "share" / "dsops" / "allow"
    folder.mkdir(parents=True)
    write = f"def test_a(tmp_path):\n    with open({str(folder / 'new')!r}, 'w') as file: file.write(str({{}}))\n"

    code, output = run_tests(tmp_path, write.format("tmp_path / 'dsops.yaml'"))

    assert code == 1
    assert f"written by the tests in the user's own folders: ['{folder / 'new'}']" in output
    assert run_tests(tmp_path, write.format("'/home/ada/dsops.yaml'"))[0] == 0


@pytest.mark.parametrize("scope", ["session", "module", "function"])
def test_no_fixture_sees_the_users_home(scope: str, home: Path, tmp_path: Path) -> None:
    """A fixture of each scope has a home of the run, and no variable with the user's settings."""
    probe = f"""
        @pytest.fixture(scope={scope!r})
        def seen():
            return os.environ["HOME"], os.environ.get("XDG_DATA_HOME"), os.environ["DSOPS_AGENT"]

        def test_a(seen):
            assert seen[0] != {str(home)!r}
            assert seen[1:] == (None, "off")
    """
    assert run_tests(tmp_path, textwrap.dedent(probe))[0] == 0


@pytest.mark.skipif(sys.platform != "linux", reason="a session of its own on Linux only")
def test_in_a_terminal_no_test_meets_it_and_ctrl_c_ends_the_run(tmp_path: Path) -> None:
    """If pytest runs in a terminal, tests can't open it, so that none waits for input; Ctrl-C ends pytest."""
    probe = """
        import time
        import pytest

        def test_a():
            with pytest.raises(OSError):
                open("/dev/tty")
            print("no terminal", flush=True)
            time.sleep(60)
    """
    (tmp_path / "test_probe.py").write_text(textwrap.dedent(probe), encoding="utf-8")
    command = [sys.executable, "-m", "tests", "-q", "-s", "-p", "no:cacheprovider", "test_probe.py"]
    with Terminal(command, folder=tmp_path, environ=os.environ | {"PYTHONPATH": str(ROOT)}) as terminal:
        terminal.expect("no terminal")
        terminal.type("\x03")
        terminal.expect("KeyboardInterrupt")
        code = terminal.code()

    assert code == pytest.ExitCode.INTERRUPTED


def test_a_failure_is_the_exit_code(tmp_path: Path) -> None:
    """`python -m tests` ends with pytest's exit code."""
    assert run_tests(tmp_path, "def test_a(): assert False\n", module="tests")[0] == 1
    assert run_tests(tmp_path, "def test_a(): pass\n", module="tests")[0] == 0

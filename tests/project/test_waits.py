"""No test waits without an end: a time limit of pytest ends the test, but not a wait in its clean-up."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from tests.children import Child, restore_defaults_in_children, wait_for

TESTS = Path(__file__).parents[1]
OWN_PROGRAMS = {TESTS / "children.py", TESTS / "__main__.py"}
"""The files that define the waits with an end."""

RUNNERS = {"run", "check_call", "check_output", "call"}
WAITS = RUNNERS | {"Popen", "Thread", "communicate", "join", "result", "wait", "waitpid"}


def complaint(call: ast.Call) -> str:
    """What is wrong with this call; "" if it has an end or is no wait.

    A `recv`, `read` or `accept` needs no time of its own: in the main thread pytest's time limit ends it, and no other
    thread may keep the process alive.
    """
    name = ast.unparse(call.func)
    method = name.rpartition(".")[2]
    named = {keyword.arg for keyword in call.keywords}
    has_time = "timeout" in named or None in named
    runs = name.startswith("subprocess.") and method in RUNNERS
    is_method = isinstance(call.func, ast.Attribute)
    waits = is_method and method in {"wait", "join", "result"} and not call.args and not named
    if ((runs or (is_method and method == "communicate")) and not has_time) or waits:
        return "has no timeout"
    if name == "subprocess.Popen":
        return "is Child in tests/children.py: its waits have an end"
    if name == "os.waitpid" and "WNOHANG" not in ast.unparse(call):
        return "is wait_for() in tests/children.py"
    if method == "Thread" and not has_time and "daemon" not in named:
        return "is not a daemon: at the end, Python waits for it"
    return ""


def complaints(code: str) -> list[str]:
    """The calls without an end: `line: call`, and what is wrong with it."""
    calls = [
        node
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Call)
        and (getattr(node.func, "attr", None) in WAITS or getattr(node.func, "id", None) in WAITS)
    ]
    return [f"{call.lineno}: {ast.unparse(call.func)}() {text}" for call in calls if (text := complaint(call))]


def test_every_wait_of_a_test_has_an_end() -> None:
    """Each wait for a process or a thread has a time limit."""
    found = []
    for path in sorted(TESTS.rglob("*.py")):
        if path not in OWN_PROGRAMS and "programs" not in path.parts:
            lines = complaints(path.read_text(encoding="utf-8"))
            found += [f"{path.relative_to(TESTS.parent)}:{line}" for line in lines]

    assert [] == found


@pytest.mark.parametrize(
    ("code", "is_refused"),
    [
        ("subprocess.run(['true'], check=True)", True),
        ("subprocess.run(['true'], check=True, timeout=60)", False),
        ("subprocess.Popen(['true'])", True),
        ("Child(['true'])", False),
        ("process.wait()", True),
        ("process.wait(5)", False),
        ("process.communicate(b'x')", True),
        ("process.communicate(b'x', timeout=5)", False),
        ("thread.join()", True),
        ("', '.join(names)", False),
        ("future.result()", True),
        ("os.waitpid(pid, 0)", True),
        ("os.waitpid(pid, os.WNOHANG)", False),
        ("threading.Thread(target=work)", True),
        ("threading.Thread(target=work, daemon=True)", False),
    ],
)
def test_the_check_knows_a_wait_without_an_end(code: str, is_refused: bool) -> None:  # noqa: FBT001 - a parameter
    """The check refuses a wait that has no time limit, and accepts the same wait with one."""
    assert is_refused == bool(complaints(code))


SHOW_SIGNALS = """
import signal
ignored = [s.name for s in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM, signal.SIGPIPE)
           if signal.getsignal(s) is signal.SIG_IGN]
print(ignored)
"""


def test_a_child_starts_with_default_signals() -> None:
    """A test's child process has the default signal handlers even if pytest was started with `nohup` and `&`."""
    probe = f"""
    import signal, subprocess, sys
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    show = lambda: subprocess.run([sys.executable, "-c", {SHOW_SIGNALS!r}], check=True, timeout=60)
    show()
    from tests.children import restore_defaults_in_children
    restore_defaults_in_children()
    show()
    import os
    os.kill(os.getpid(), signal.SIGHUP)
    """
    command = [sys.executable, "-c", textwrap.dedent(probe)]
    done = subprocess.run(command, cwd=TESTS.parent, capture_output=True, text=True, check=False, timeout=60)

    # Python itself always ignores SIGPIPE. The last line of the probe shows that its own process still ignores SIGHUP.
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["['SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGPIPE']", "['SIGPIPE']"]


def test_no_signal_is_ignored_here() -> None:
    """pytest ignores only the signals that Python ignores, so child processes inherit no other ignored signal."""
    own = {signal.SIGPIPE, getattr(signal, "SIGXFSZ", signal.SIGPIPE)}

    assert {number for number in signal.valid_signals() if signal.getsignal(number) is signal.SIG_IGN} <= own
    if threading.current_thread() is threading.main_thread():
        restore_defaults_in_children()


def test_a_child_is_killed_when_the_test_fails() -> None:
    """If the `with` block raises an error, its child process is killed, even if it ignores all other signals."""
    with pytest.raises(ValueError, match="the test failed"), Child(["sleep", "60"]) as child:
        raise ValueError("the test failed")

    assert child.returncode == -signal.SIGKILL


def test_a_child_that_does_not_end_is_killed() -> None:
    """A wait for a child that does not end raises TimeoutExpired; without an error, the block waits for the child."""
    with pytest.raises(subprocess.TimeoutExpired), Child(["sleep", "60"]) as child:
        child.wait(0.01)
    with Child(["true"]) as child:
        pass

    assert child.returncode == 0


def test_a_forked_child_that_does_not_end_is_killed() -> None:
    """A wait for a forked child returns its exit code, or kills the child at the time limit."""
    pids = [os.posix_spawn("/bin/sh", ["sh", "-c", script], os.environ) for script in ("exit 3", "exec sleep 60")]

    assert wait_for(pids[0]) == 3
    with pytest.raises(TimeoutError, match="did not end within"):
        wait_for(pids[1], 0.05)
    with pytest.raises(ChildProcessError):
        os.waitpid(pids[1], os.WNOHANG)

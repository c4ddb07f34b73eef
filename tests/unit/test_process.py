"""Run commands as real processes: find, replace, watch, signal and end them as a shell does."""

from __future__ import annotations

import os
import signal
import subprocess
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dsops.errors import CommandNotExecutable, CommandNotFound, CommandTimedOut
from dsops.process import find_command
from dsops.process.watch import watch
from tests.children import Child
from tests.terminal import PATIENCE_SECONDS, Terminal, python

ENVIRONMENT = {b"PATH": os.fsencode(os.environ["PATH"])}


def script(folder: Path, name: str, text: str, mode: int = 0o755) -> str:
    """Write a script; return its path."""
    path = folder / name
    path.write_text(textwrap.dedent(text).lstrip())
    path.chmod(mode)
    return str(path)


def watched(*command: str, timeout_seconds: float | None = None, grace_seconds: float = 10) -> int:
    """Return the exit code of a command that this process watches."""
    path = find_command(command[0], os.environ["PATH"])
    return watch(path, command, ENVIRONMENT, timeout_seconds=timeout_seconds, grace_seconds=grace_seconds)


def program(body: str) -> list[str]:
    """Return the command line that runs this code in a new Python with dsops' process functions."""
    head = """
    import os, signal, sys
    from dsops.errors import CommandFailed
    from dsops.process import replace
    from dsops.process.watch import watch
    environment = dict(os.environb)
    """
    return python(textwrap.dedent(head) + textwrap.dedent(body))


def until(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds; fail after PATIENCE_SECONDS."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def is_gone(pid: int) -> bool:
    """Whether the process has ended (zombies count as ended)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


class TestFindCommand:
    """Find a command as a shell does."""

    def test_the_first_folder_of_the_path_wins(self, tmp_path: Path) -> None:
        """The folders in PATH of the passed environment are searched in order; PATH of this process is ignored."""
        (tmp_path / "a").mkdir()
        (tmp_path / "b").mkdir()
        first = script(tmp_path / "a", "tool", "")
        second = script(tmp_path / "b", "tool", "")
        assert find_command("tool", f"{tmp_path}/a:{tmp_path}/b") == first
        assert find_command("tool", f"{tmp_path}/none:{tmp_path}/b") == second

    def test_a_file_that_is_not_executable_does_not_hide_a_later_one(self, tmp_path: Path) -> None:
        """Files without execute permission and folders do not hide a later executable."""
        for name in "abc":
            (tmp_path / name).mkdir()
        script(tmp_path / "a", "tool", "", mode=0o644)
        (tmp_path / "b" / "tool").mkdir()
        found = script(tmp_path / "c", "tool", "")
        assert find_command("tool", f"{tmp_path}/a:{tmp_path}/b:{tmp_path}/c") == found

    def test_a_name_with_a_slash_is_a_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A name with a slash is a file relative to the working folder."""
        script(tmp_path, "deploy.sh", "")
        monkeypatch.chdir(tmp_path)
        assert find_command("./deploy.sh", "/nowhere") == "./deploy.sh"

    def test_an_empty_entry_is_the_working_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """An empty entry in PATH means the working folder (POSIX)."""
        script(tmp_path, "deploy.sh", "")
        monkeypatch.chdir(tmp_path)
        assert find_command("deploy.sh", "/nowhere:") == "./deploy.sh"
        with pytest.raises(CommandNotFound):
            find_command("deploy.sh", "/nowhere")

    def test_without_a_path_the_systems_own_is_searched(self) -> None:
        """Without PATH the system's default path is searched."""
        assert find_command("sh", None) in {"/bin/sh", "/usr/bin/sh"}

    @pytest.mark.parametrize("name", ["no-such-tool", "./no-such-tool", ""])
    def test_what_is_not_there_is_127(self, name: str) -> None:
        """If the command does not exist, the error has its name and exit code 127."""
        with pytest.raises(CommandNotFound, match=f"`{name}`") as caught:
            find_command(name, os.environ["PATH"])
        assert caught.value.exit_code == 127
        assert caught.value.why

    def test_a_file_of_the_working_folder_is_hinted_at(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """If the command is a file in the working folder, the hint is `./deploy.sh`."""
        script(tmp_path, "deploy.sh", "")
        monkeypatch.chdir(tmp_path)
        with pytest.raises(CommandNotFound) as caught:
            find_command("deploy.sh", "/nowhere")
        assert "`./deploy.sh`" in caught.value.hint

    def test_a_whole_line_is_hinted_at(self) -> None:
        """If the command's name has spaces, the hint is `sh -c`."""
        with pytest.raises(CommandNotFound) as caught:
            find_command("echo $TOKEN | wc -c", os.environ["PATH"])
        assert "sh -c" in caught.value.hint

    def test_what_is_not_executable_is_126(self, tmp_path: Path) -> None:
        """If the command is a folder or a file without execute permission, the error has exit code 126."""
        path = script(tmp_path, "deploy.sh", "", mode=0o644)
        with pytest.raises(CommandNotExecutable) as caught:
            find_command(path, "")
        assert caught.value.exit_code == 126
        assert f"chmod +x {path}" in caught.value.hint
        with pytest.raises(CommandNotExecutable, match="is a folder"):
            find_command(str(tmp_path), "")


class TestReplace:
    """Replace this process by the command (`exec`)."""

    def test_it_is_the_same_process_with_only_the_environment_given(self) -> None:
        """The command keeps the process ID, and gets exactly the argument and environment bytes that were passed."""
        body = """
        print(os.getpid(), flush=True)
        shown = "import os, sys; print(os.getpid(), sys.argv[1:], dict(os.environb))"
        variables = {b"A": b"\\xff", b"LC_ALL": b"C.UTF-8"}
        replace(sys.executable, ["python", "-c", shown, "a b", "--", ""], variables)
        """
        out = subprocess.run(program(body), capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()
        before, after = out[0], out[1]
        assert after == f"{before} ['a b', '--', ''] {{b'A': b'\\xff', b'LC_ALL': b'C.UTF-8'}}"

    def test_a_closed_pipe_ends_the_command_as_it_does_from_a_shell(self) -> None:
        """SIGPIPE and SIGXFSZ, which Python ignores, have their default action in the command."""
        body = "replace('/bin/sh', ['sh', '-c', 'grep SigIgn /proc/self/status'], environment)"
        out = subprocess.run(program(body), capture_output=True, text=True, check=True, timeout=60).stdout
        ignored = int(out.split()[1], 16)
        for number in (signal.SIGPIPE, signal.SIGXFSZ):
            assert not ignored & 1 << (number - 1)

    def test_what_was_ignored_by_the_caller_stays_ignored(self) -> None:
        """Signals that the caller ignores stay ignored, such as SIGHUP under nohup."""
        body = "replace('/bin/sh', ['sh', '-c', 'grep SigIgn /proc/self/status'], environment)"
        command = ["sh", "-c", 'trap "" HUP; exec "$@"', "sh", *program(body)]
        out = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
        assert int(out.split()[1], 16) & 1 << (signal.SIGHUP - 1)

    def test_only_descriptors_that_were_handed_in_are_handed_on(self) -> None:
        """The command inherits the descriptors that dsops' caller passed (`<(...)`), but none that dsops opened."""
        body = """
        ours = open("/dev/null")
        replace("/bin/sh", ["sh", "-c", "ls /proc/self/fd; cat <&9"], environment)
        """
        command = ["bash", "-c", '"$@" 9<<<handed-in', "bash", *program(body)]
        out = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.split()
        assert out == ["0", "1", "2", "3", "9", "handed-in"]  # descriptor 3 is the folder that `ls` reads

    def test_a_script_without_a_first_line_runs_in_sh(self, tmp_path: Path) -> None:
        """A script without `#!` runs in sh, as with execvp."""
        path = script(tmp_path, "deploy", 'echo "$0" "$1" "$A"\n')
        body = f"replace({path!r}, ['deploy', 'one'], {{b'A': b'two'}})"
        out = subprocess.run(program(body), capture_output=True, text=True, check=True, timeout=60).stdout
        assert out == f"{path} one two\n"

    def test_a_missing_interpreter_is_126(self, tmp_path: Path) -> None:
        """A script with a missing interpreter is an error (126) that names the interpreter."""
        path = script(tmp_path, "deploy", "#!/no/such/interpreter\n")
        with pytest.raises(CommandNotExecutable) as caught:
            watch(path, ["deploy"], ENVIRONMENT, timeout_seconds=None)
        assert "interpreter" in caught.value.why

    def test_an_environment_that_is_too_large_names_its_largest_variable(self) -> None:
        """For an environment that is too large (E2BIG) the error names the largest variable without its value."""
        body = """
        try:
            replace("/bin/true", ["true"], {b"SMALL": b"x", b"LARGE": b"hush" * 1000000})
        except CommandFailed as error:
            print(error.exit_code, error.why)
        """
        out = subprocess.run(program(body), capture_output=True, text=True, check=True, timeout=60).stdout
        assert out == "126 the largest variable is `LARGE` with 4000000 bytes\n"


class TestWatch:
    """Watch a command: its exit code, signals and end."""

    @pytest.mark.parametrize(
        ("command", "code"), [("exit 0", 0), ("exit 7", 7), ("kill -KILL $$", 137), ("kill $$", 143)]
    )
    def test_the_code_is_the_commands(self, command: str, code: int) -> None:
        """The exit code is the command's, or 128 + n for a signal."""
        assert watched("sh", "-c", command) == code

    def test_signal_dispositions_are_those_of_a_shell(self, tmp_path: Path) -> None:
        """The command has the signal dispositions and the signal mask that a shell sets."""
        out = tmp_path / "out"
        assert watched("sh", "-c", f"grep -E 'Sig(Ign|Blk)' /proc/self/status > {out}") == 0
        masks = [int(line.split()[1], 16) for line in out.read_text().splitlines()]
        # glibc's posix_spawn skips 32 and 33, which it uses itself
        assert [mask & 0x7FFFFFFF for mask in masks] == [0, 0]

    def test_a_script_without_a_first_line_runs_in_sh(self, tmp_path: Path) -> None:
        """A watched script without `#!` runs in sh."""
        path = script(tmp_path, "deploy", 'test "$1" = one && exit 5\n')
        assert watched(path, "one") == 5

    @pytest.mark.parametrize("name", ["TERM", "HUP", "INT", "QUIT", "USR1", "USR2", "WINCH"])
    def test_signals_reach_the_command_once_and_its_code_comes_back(self, name: str) -> None:
        """A signal reaches the command once, and its exit code is returned.

        The original dsops left the command running.
        """
        number = signal.Signals[f"SIG{name}"]
        child = """
        import signal, sys, time
        seen = []
        signal.signal({number}, lambda *_: seen.append(1))
        print("ready", flush=True)
        while not seen:
            time.sleep(0.01)
        time.sleep(0.05)
        sys.exit(40 + len(seen))
        """
        text = textwrap.dedent(child).format(number=int(number))
        body = f"""
        sys.exit(watch(sys.executable, ["python", "-c", {text!r}], environment, timeout_seconds=None))
        """
        with Child(program(body), stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
            process.send_signal(number)
            assert process.wait(PATIENCE_SECONDS) == 41

    def test_a_signal_that_the_caller_ignores_is_ignored_by_all(self) -> None:
        """A signal that the caller ignores is ignored by dsops and the command."""
        body = """
        words = ["sh", "-c", "echo ready; read line; exit 9"]
        sys.exit(watch("/bin/sh", words, environment, timeout_seconds=None))
        """
        command = ["sh", "-c", 'trap "" HUP; exec "$@"', "sh", *program(body)]
        with Child(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True) as process:
            assert process.stdout
            assert process.stdin
            assert process.stdout.readline() == "ready\n"
            process.send_signal(signal.SIGHUP)
            process.stdin.write("\n")
            process.stdin.flush()
            assert process.wait(PATIENCE_SECONDS) == 9

    def test_the_time_limit_ends_grandchildren_too(self, tmp_path: Path) -> None:
        """--timeout ends the command with exit code 124 and all descendants, which SIGTERM first allows to clean up."""
        pids = tmp_path / "pids"
        command = f"""
        trap 'echo asked >> {pids}; exit 0' TERM
        sleep 600 & echo $! >> {pids}
        wait
        """
        with pytest.raises(CommandTimedOut, match=r"`sh` ran longer than 0\.3 s") as caught:
            watched("sh", "-c", command, timeout_seconds=0.3)
        assert caught.value.exit_code == 124
        grandchild, asked = pids.read_text().split()
        assert asked == "asked"
        until(lambda: is_gone(int(grandchild)))

    def test_who_does_not_listen_is_killed_after_the_grace(self, tmp_path: Path) -> None:
        """A descendant that ignores SIGTERM is killed after the grace period."""
        pids = tmp_path / "pids"
        stubborn = f"sh -c 'trap \"\" TERM; echo $$ >> {pids}; while :; do sleep 1; done'"
        with pytest.raises(CommandTimedOut):
            watched("sh", "-c", f"{stubborn} & exec sleep 600", timeout_seconds=0.5, grace_seconds=0.3)
        until(lambda: is_gone(int(pids.read_text())))

    def test_a_stopped_command_is_ended_too(self) -> None:
        """A stopped command is continued, so that SIGTERM can end it."""
        body = f"""
        import time
        started = time.monotonic()
        try:
            words = ["sh", "-c", "kill -STOP $$"]
            watch("/bin/sh", words, environment, timeout_seconds=0.3, grace_seconds={PATIENCE_SECONDS})
        except CommandFailed as error:
            print(error.code, time.monotonic() - started)
        """
        # In a session of its own: with a terminal, a stopped command stops dsops, which here is pytest.
        done = subprocess.run(
            program(body), capture_output=True, text=True, check=True, timeout=60, start_new_session=True
        )
        code, seconds = done.stdout.split()
        assert code == "exec.timed-out"
        assert float(seconds) < PATIENCE_SECONDS / 2

    def test_a_command_that_ends_in_time_is_not_touched(self, tmp_path: Path) -> None:
        """A command that ends in time keeps its background processes."""
        pids = tmp_path / "pids"
        command = f"sleep 600 & echo $! > {pids}; exit 3"
        assert watched("sh", "-c", command, timeout_seconds=PATIENCE_SECONDS) == 3
        left = int(pids.read_text())
        assert not is_gone(left)
        os.kill(left, signal.SIGKILL)

    def test_the_time_limit_may_be_years(self) -> None:
        """The timeout may be longer than the longest time that the system can wait at once."""
        assert watched("sh", "-c", "exit 4", timeout_seconds=1e10) == 4

    def test_the_callers_handlers_come_back(self) -> None:
        """The caller's signal handlers are restored."""
        numbers = (signal.SIGINT, signal.SIGCHLD, signal.SIGTERM)
        before = [signal.getsignal(number) for number in numbers]
        watched("true")
        assert [signal.getsignal(number) for number in numbers] == before


COUNTING = """
import signal, sys
seen = []
signal.signal(signal.SIGINT, lambda *_: seen.append(1))
print("ready", flush=True)
line = sys.stdin.readline()
print("read", line.strip(), "interrupted", len(seen), flush=True)
"""


DYING = "import signal; signal.signal(signal.SIGINT, signal.SIG_DFL); print('ready', flush=True)"


def watching(child: str, *, then: str = "") -> list[str]:
    """The command line that watches a Python child, prints its exit code and exits with it."""
    return program(f"""
    code = watch(sys.executable, ["python", "-c", {child!r}], environment, timeout_seconds=60)
    print("code", code, flush=True)
    {then}
    sys.exit(code)
    """)


class TestTerminal:
    """Watch a command whose terminal is also dsops' own."""

    def test_the_command_can_read_the_terminal_and_gets_one_interrupt_per_ctrl_c(self) -> None:
        """The command reads the terminal in the foreground and gets one SIGINT per Ctrl-C."""
        with Terminal(watching(COUNTING)) as terminal:
            terminal.expect("ready")
            terminal.type("\x03")
            terminal.expect("^C")
            terminal.type("hello\n")
            terminal.expect("read hello interrupted 1")
            terminal.expect("code 0")
            assert terminal.code() == 0

    def test_a_script_ends_by_ctrl_c_with_a_pipe_beside_it_too(self) -> None:
        """With a pipe beside the terminal, dsops passes SIGINT to the command, and the surrounding loop ends, too."""
        child = f"{DYING}; import time; time.sleep(600)"
        loop = 'for i in 1 2; do "$@" < /dev/null; done; echo went on'
        command = ["bash", "-c", loop, "bash", *watching(child)]
        with Terminal(command) as terminal:
            terminal.expect("ready")
            terminal.type("\x03")
            assert terminal.code() == -signal.SIGINT

    def test_with_a_pipe_beside_it_the_command_gets_the_terminal_when_it_asks(self) -> None:
        """With a pipe beside the terminal, the command gets the terminal as soon as it reads from it."""
        command = ["bash", "-c", '"$@" | cat', "bash", *watching(COUNTING)]
        with Terminal(command) as terminal:
            terminal.expect("ready")
            terminal.type("hello\n")
            terminal.expect("read hello interrupted 0")
            terminal.expect("code 0")

    def test_a_command_that_asked_for_the_terminal_before_it_had_it_goes_on(self) -> None:
        """If the system stopped the command because it read the terminal too early, dsops continues it."""
        with Terminal(watching("import os; os.kill(os.getpid(), 21); print('went on', input())")) as terminal:
            terminal.type("hello\n")
            terminal.expect("went on hello")
            terminal.expect("code 0")

    def test_a_ctrl_c_that_ends_the_command_ends_the_script_around_us(self) -> None:
        """If Ctrl-C ends the command, the signal also ends the script that runs dsops."""
        command = ["bash", "-c", '"$@"; echo went on', "bash", *watching(f"{DYING}; input()")]
        with Terminal(command) as terminal:
            terminal.expect("ready")
            terminal.type("\x03")
            assert terminal.code() == -signal.SIGINT
            assert "went on" not in terminal.text

    def test_ctrl_z_stops_the_whole_job_and_fg_goes_on(self) -> None:
        """Ctrl-Z stops the whole job, the shell gets its prompt, and `fg` gives the command the terminal back."""
        with Terminal(["bash", "--norc", "--noprofile", "-i"]) as terminal:
            quoted = " ".join("'" + word.replace("'", "'\\''") + "'" for word in watching(COUNTING))
            terminal.type("PS1='prompt''> '\n")
            terminal.expect("prompt> ")
            terminal.type(f"{quoted}\n")
            terminal.expect("ready\r\n")
            terminal.type("\x1a")
            terminal.expect("Stopped")
            terminal.expect("prompt> ")
            terminal.type("fg\n")
            terminal.type("hello\n")
            terminal.expect("read hello interrupted 0")
            terminal.expect("code 0")
            terminal.expect("prompt> ")

    def test_the_terminal_is_ours_again_afterwards(self) -> None:
        """After the command has ended, the terminal belongs to dsops again."""
        with Terminal(watching("print('done')", then="print('typed', input(), flush=True)")) as terminal:
            terminal.expect("code 0")
            terminal.type("more\n")
            terminal.expect("typed more")
            assert terminal.code() == 0


def test_replace_raises_what_the_system_says(tmp_path: Path) -> None:
    """If execve fails, the error has the system's reason."""
    path = script(tmp_path, "deploy", "", mode=0o644)
    body = f"""
    try:
        replace({path!r}, ["deploy"], environment)
    except CommandFailed as error:
        print(error.code, error.why)
    """
    out = subprocess.run(program(body), capture_output=True, text=True, check=True, timeout=60).stdout
    assert out == "exec.not-executable permission denied\n"

"""Masked commands as real processes: output, delay, and the pipes and terminals that the command gets."""

from __future__ import annotations

import fcntl
import os
import shlex
import signal
import struct
import subprocess
import sys
import termios
import textwrap
import time
from pathlib import Path

import pytest

from tests.children import Child
from tests.terminal import PATIENCE_SECONDS, Terminal, python

SECRET = "hush-hush/secret+1"

PROGRAM = """
import os, sys
from dsops.cli.framework import output
from dsops.errors import CommandFailed
from dsops.process import find_command
from dsops.process.secret_spellings import forms_of
from dsops.process.masked import Masking
limit = float(os.environ["LIMIT"]) if "LIMIT" in os.environ else None
masking = Masking(forms_of(os.environb[b"SECRET"]), timeout_seconds=limit, grace_seconds=1)
try:
    code = masking.watch(find_command(sys.argv[1], os.environ["PATH"]), sys.argv[1:], dict(os.environb))
except CommandFailed as error:
    output.tell(output.error_text(error))
    code = error.exit_code
sys.exit(code)
"""

CONTINUED = "import signal, time; signal.signal(signal.SIGCONT, lambda *_: print('contin' 'ued', flush=True))"
"""Code that prints `continued` when its process is continued in the foreground."""


def masked(*command: str) -> list[str]:
    """Return the command line that runs this command masked."""
    return python(PROGRAM, *command)


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", SECRET)


def run(*command: str, **options: object) -> subprocess.CompletedProcess[bytes]:
    """Run a masked command with pipes until it ends; return its result."""
    arguments: dict[str, object] = {
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "timeout": 60,
        "start_new_session": True,
        **options,
    }
    return subprocess.run(masked(*command), check=False, **arguments)  # type: ignore[call-overload,no-any-return]


class TestPipes:
    """All standard streams of the command are pipes."""

    def test_both_streams_are_masked_and_stay_apart(self) -> None:
        """Both streams are masked separately, and the exit code is the command's."""
        done = run("sh", "-c", 'echo "out $SECRET."; echo "err $SECRET." >&2; exit 7')
        assert (done.returncode, done.stdout, done.stderr) == (7, b"out ***.\n", b"err ***.\n")

    def test_a_value_in_pieces_is_masked(self) -> None:
        """A secret written byte by byte, with pauses, is masked."""
        body = """
        import os, time
        for byte in b"[" + os.environb[b"SECRET"] + b"]":
            os.write(1, bytes([byte])); time.sleep(0.005)
        """
        patient = PROGRAM.replace("limit =", "from dsops.process import pump; pump._SHORT_SECONDS = 60\nlimit =", 1)
        done = subprocess.run(python(patient, *python(body)), capture_output=True, check=False, timeout=60)
        assert done.stdout == b"[***]"

    def test_what_is_written_to_both_keeps_its_order(self) -> None:
        """With `2>&1` the output to both streams keeps its order."""
        done = run("sh", "-c", "for i in 1 2 3; do echo out; echo err >&2; done", stderr=subprocess.STDOUT)
        assert done.stdout == b"out\nerr\n" * 3

    def test_a_prompt_without_a_line_end_appears_at_once(self) -> None:
        """A prompt without a line end appears at once; text that may be the start of a secret is delayed briefly."""
        with Child(
            masked("sh", "-c", 'printf "who? h"; read who; printf "$who"'),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        ) as process:
            assert process.stdin
            assert process.stdout
            seen = b""
            while not seen.endswith(b"h"):  # the command writes nothing more before it reads
                seen += process.stdout.read(100)
            assert seen == b"who? h"
            process.stdin.write(b"me\n")
            assert process.stdout.read() == b"me"

    def test_after_a_pause_in_the_middle_the_rest_is_masked(self) -> None:
        """If the output pauses within a secret, its beginning is shown and the rest is masked."""
        body = """
        import os, time
        secret = os.environb[b"SECRET"]
        os.write(1, secret[:2]); os.read(0, 1); os.write(1, secret[2:] + b"!"); os.read(0, 1)
        os.write(1, secret[:6]); time.sleep(0.1); os.write(1, secret[6:] + b"!")
        """
        command = masked(*python(body))
        with Child(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process:
            assert process.stdin
            assert process.stdout
            for expected in (b"hu", b"***!"):
                seen = b""
                while len(seen) < len(expected):
                    seen += process.stdout.read(100)
                assert seen == expected
                process.stdin.write(b"x")
            assert process.stdout.read() == b"***!"

    def test_the_beginning_of_a_secret_at_the_end_is_shown(self) -> None:
        """If the output ends with the start of a secret, that start is shown."""
        assert run("printf", "hush-hush").stdout == b"hush-hush"

    def test_large_output_passes_whole(self) -> None:
        """Five megabytes of binary output with secrets pass completely and masked."""
        body = """
        import os, sys
        piece = bytes(range(256)) * 20 + os.environb[b"SECRET"]
        for _ in range(1000): sys.stdout.buffer.write(piece)
        """
        assert run(*python(body)).stdout == (bytes(range(256)) * 20 + b"***") * 1000

    def test_a_reader_that_leaves_ends_the_command(self) -> None:
        """If the reader closes the pipe, the command ends as it does without masking (`yes | head`)."""
        done = subprocess.run(
            ["bash", "-c", '"$@" | head -n 2; echo ${PIPESTATUS[0]}', "bash", *masked("yes")],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        assert done.stdout == f"y\ny\n{128 + signal.SIGPIPE}\n"

    def test_what_is_left_in_the_background_is_not_waited_for(self, tmp_path: Path) -> None:
        """dsops does not wait for background processes of the command; the command's own output is complete."""
        pid = tmp_path / "pid"
        began = time.monotonic()
        done = run("sh", "-c", f"(echo early; exec sleep 600) & echo $! > {pid}; sleep 0.2; echo end")
        assert done.stdout == b"early\nend\n"
        assert time.monotonic() - began < 60
        os.kill(int(pid.read_text()), signal.SIGKILL)

    @pytest.mark.parametrize("name", ["TERM", "INT", "HUP"])
    def test_signals_reach_the_command(self, name: str) -> None:
        """Signals are passed to the command, and its last output is shown."""
        number = signal.Signals[f"SIG{name}"]
        script = f'trap "echo got {name}; exit 5" {name}; echo ready; while :; do sleep 0.05; done'
        with Child(masked("sh", "-c", script), stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
            process.send_signal(number)
            assert process.stdout.read() == f"got {name}\n"
            assert process.wait(PATIENCE_SECONDS) == 5

    def test_the_time_limit_holds(self) -> None:
        """With --timeout the exit code is 124, and the output so far is shown."""
        done = run("sh", "-c", 'echo "$SECRET"; exec sleep 600', env={**os.environ, "LIMIT": "0.5"})
        assert (done.returncode, done.stdout) == (124, b"***\n")

    def test_a_file_gets_all_of_it(self, tmp_path: Path) -> None:
        """Output redirected to a file is appended completely."""
        path = tmp_path / "log"
        path.write_text("before\n")
        with path.open("ab") as file:
            run("sh", "-c", 'echo "$SECRET"', stdout=file)
        assert path.read_text() == "before\n***\n"


SIZE = "import os, sys; print(*os.get_terminal_size(1), [os.isatty(n) for n in (0, 1, 2)], flush=True)"


def resize(terminal: Terminal, rows: int, columns: int) -> None:
    """Resize the terminal."""
    fcntl.ioctl(terminal._descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


class TestTerminal:
    """All three streams are a terminal, so the command gets a pseudo-terminal."""

    def test_it_is_masked_and_looks_like_ours(self) -> None:
        """The command sees a terminal of the same size on all three streams, and its output is masked."""
        script = 'stty size; "$0" -c "import os; print([os.isatty(n) for n in (0, 1, 2)])"; echo "<$SECRET>"'
        command = masked("sh", "-c", script, sys.executable)
        with Terminal(["sh", "-c", 'stty rows 33 cols 77; exec "$@"', "sh", *command]) as it:
            it.expect("33 77")
            it.expect("[True, True, True]")
            it.expect("<***>")
            assert it.code() == 0

    def test_a_new_size_reaches_the_command_by_a_signal(self) -> None:
        """A resize reaches the command as SIGWINCH with the new size, as full-screen programs need."""
        body = f"""
        import os, signal, time
        def changed(*_): {SIZE.replace("import os, sys; ", "")}
        signal.signal(signal.SIGWINCH, changed)
        print("ready", flush=True)
        time.sleep(600)
        """
        with Terminal(masked(*python(body))) as it:
            it.expect("ready")
            resize(it, 40, 101)
            it.expect("101 40 [True, True, True]")

    def test_what_is_typed_is_shown_once(self) -> None:
        """Typed text is echoed once, by the command's terminal."""
        with Terminal(masked("sh", "-c", 'echo ready; read line; echo "got $line"')) as it:
            it.expect("ready")
            it.type("typed\r")
            text = it.expect("got typed")
            assert text.count("typed") == 2

    def test_a_command_may_hide_what_is_typed(self) -> None:
        """A command can switch the echo off for a password."""
        body = 'import getpass; print("length", len(getpass.getpass("Password: ")), flush=True)'
        with Terminal(masked(*python(body))) as it:
            it.expect("Password: ")  # getpass switches the echo off first
            it.type("pass-word\r")
            text = it.expect("length 9")
            assert "pass-word" not in text

    def test_a_command_may_read_keys_one_by_one(self) -> None:
        """A command can read single keys in raw mode, also Ctrl-C and Ctrl-D."""
        body = """
        import os, sys, tty
        tty.setraw(0)
        print("ready", flush=True)
        print([os.read(0, 1) for _ in range(3)], flush=True)
        """
        with Terminal(masked(*python(body))) as it:
            it.expect("ready")
            it.type("\x03\x04\x1b")
            it.expect(r"[b'\x03', b'\x04', b'\x1b']")
            assert it.code() == 0

    def test_ctrl_c_interrupts_the_command_once(self) -> None:
        """Ctrl-C interrupts the command exactly once, and the command's own handler decides what happens."""
        body = """
        import signal, time
        seen = []
        signal.signal(signal.SIGINT, lambda *_: seen.append(1))
        print("ready", flush=True)
        while not seen: time.sleep(0.01)
        time.sleep(0.2)
        print("interrupted", len(seen), flush=True)
        raise SystemExit(9)
        """
        with Terminal(masked(*python(body))) as it:
            it.expect("ready")
            it.type("\x03")
            it.expect("interrupted 1")
            assert it.code() == 9

    def test_a_ctrl_c_that_ends_the_command_ends_the_script_around_us(self) -> None:
        """If Ctrl-C ends the command, the script that runs dsops ends, too, as it does without masking."""
        # The test starts no shell in between: bash loses a signal between its fork and its child's exec.
        loop = 'for i in 1 2; do "$@"; echo went on; done'
        command = ["bash", "-c", loop, "bash", *masked("sh", "-c", "echo ready; exec sleep 600")]
        with Terminal(command) as it:
            it.expect("ready")
            it.type("\x03")
            assert it.code() == -signal.SIGINT
            assert "went on" not in it.text

    def test_ctrl_z_stops_the_job_and_fg_goes_on(self) -> None:
        """Ctrl-Z stops the job and gives the shell its prompt with echo; `fg` continues the command."""
        body = f'{CONTINUED}; print("ready", flush=True); print("read", input(), flush=True)'
        with Terminal(["bash", "--norc", "--noprofile", "-i"]) as it:
            quoted = " ".join("'" + word.replace("'", "'\\''") + "'" for word in masked(*python(body)))
            it.type("PS1='prompt''> '\n")
            it.expect("prompt> ")
            it.type(f"{quoted}\n")
            it.expect("ready\r\n")
            it.type("\x1a")
            it.expect("Stopped")
            it.expect("prompt> ")
            it.type("echo $((1+1))-is-two\n")
            it.expect("2-is-two")
            it.expect("prompt> ")
            it.type("fg\n")
            it.expect("continued")
            it.type("hello\r")
            it.expect("read hello")
            it.expect("prompt> ")

    def test_a_shell_has_jobs_of_its_own(self) -> None:
        """An interactive shell that dsops runs handles Ctrl-Z for its own jobs."""
        with Terminal(masked("bash", "--norc", "--noprofile", "-i")) as it:
            it.type("PS1='inner''> '\r")
            it.expect("inner> ")
            # What is typed contains neither of the words that the program prints.
            body = f"{CONTINUED}; print('rea' 'dy', flush=True); time.sleep(600)"
            it.type(f"{shlex.join(python(body))}\r")
            it.expect("ready")
            it.type("\x1a")
            it.expect("Stopped")
            it.expect("inner> ")
            it.type('echo "<$SECRET>"\r')
            it.expect("<***>")
            it.expect("inner> ")
            it.type("fg\r")
            it.expect("continued")
            it.type("\x03")
            it.expect("inner> ")
            it.type("exit 4\r")
            assert it.code() == 4

    def test_the_terminal_is_as_it_was_afterwards(self) -> None:
        """The terminal's settings are restored, whatever the command changed."""
        command = masked("sh", "-c", "stty raw -echo; exit 3")
        with Terminal(["sh", "-c", '"$@"; stty -a; echo end', "sh", *command]) as it:
            settings = it.expect("end")
            assert {"icanon", "echo", "isig", "opost"} <= set(settings.split())

    def test_a_closed_terminal_ends_the_command(self, tmp_path: Path) -> None:
        """Closing the terminal ends the command by SIGHUP."""
        pid = tmp_path / "pid"
        with Terminal(masked("sh", "-c", f"echo $$ > {pid}; echo ready; exec sleep 600")) as it:
            it.expect("ready")
        number = int(pid.read_text())
        end = time.monotonic() + PATIENCE_SECONDS
        while Path(f"/proc/{number}/stat").exists():
            if Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                break
            assert time.monotonic() < end
            time.sleep(0.02)

    def test_its_environment_is_exactly_what_was_given(self) -> None:
        """The command's environment is exactly the environment that was passed."""
        body = """
        import os
        print(sorted(key for key in os.environ if key.startswith(("PYTHON", "_")) or key == "ODD"), flush=True)
        """
        with Terminal(["env", "ODD=1", *masked(*python(body))]) as it:
            text = it.expect("]")
            expected = sorted({key for key in os.environ if key.startswith(("PYTHON", "_"))} | {"ODD"})
            assert str(expected) in text

    def test_the_time_limit_ends_it_with_all_it_started(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """--timeout ends the command and its descendants with exit code 124 and a message on the restored terminal."""
        monkeypatch.setenv("LIMIT", "0.5")
        with Terminal(masked("sh", "-c", "sleep 600 & sleep 600")) as it:
            it.expect("`sh` ran longer than 0.5 s and was ended")
            assert it.code() == 124

    def test_a_command_that_can_not_be_started_is_told(self, tmp_path: Path) -> None:
        """If the command cannot be started, the exit code is 126, and the error has the reason."""
        path = tmp_path / "deploy"
        path.write_text("#!/no/such/interpreter\n")
        path.chmod(0o755)
        with Terminal(masked(str(path))) as it:
            it.expect("the interpreter in its first line, `/no/such/interpreter`, does not exist")
            assert it.code() == 126


class TestInBetween:
    """Some of the standard streams are a terminal, others are pipes."""

    def test_a_pipe_into_it_leaves_a_terminal_on_the_other_side(self) -> None:
        """If the input is a pipe, the output is still a terminal with colours and width."""
        body = textwrap.dedent("""
        import os, sys
        print(os.get_terminal_size(1).columns, [os.isatty(n) for n in (0, 1, 2)], sys.stdin.read().strip(), flush=True)
        print(os.environ["SECRET"], file=sys.stderr, flush=True)
        """)
        command = ["sh", "-c", 'stty cols 91; echo piped | "$@"; echo code $?', "sh", *masked(*python(body))]
        with Terminal(command) as it:
            it.expect("91 [False, True, True] piped\r\n")
            it.expect("***\r\n")
            it.expect("code 0")

    def test_a_pipe_out_of_it_is_a_pipe(self) -> None:
        """If the output is a pipe, stderr and input are still the terminal."""
        body = textwrap.dedent("""
        import os, sys
        print([os.isatty(n) for n in (0, 1, 2)], flush=True)
        print("read", input(), os.environ["SECRET"], flush=True)
        """)
        with Terminal(["bash", "-c", '"$@" | cat', "bash", *masked(*python(body))]) as it:
            it.expect("[True, False, True]")
            it.type("hello\n")
            it.expect("read hello ***")

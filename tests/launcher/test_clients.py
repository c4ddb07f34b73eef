"""Both clients of the agent, Python's and the native launcher, against the same fake agents."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

import dsops.agent.client
from dsops.agent import pack
from dsops.version import __version__
from tests.children import SECONDS, Child
from tests.launched import CLIENTS, program
from tests.launcher.agents import ENVIRONMENT, EXEC, FakeAgent, frame, is_root, result, variables

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the launcher is for Linux")

HELLO = frame(b"H")
both = pytest.mark.parametrize("client", CLIENTS)


@both
def test_a_command_gets_the_agents_environment(client: str) -> None:
    """`exec` replaces the client by the command with exactly the variables that the agent returned."""
    with FakeAgent([[HELLO, result(*ENVIRONMENT, b"\xff=\xfe\n")]]) as agent:
        done = agent.run(client, *EXEC)
    assert (done.code, done.err) == (0, b"")
    assert done.out == b"PATH=/usr/bin:/bin\0FROM=agent\0\xff=\xfe\n\0"


@both
def test_the_request_has_the_stamp_the_folder_the_words_and_the_environment(client: str) -> None:
    """A client sends its stamp, working folder, words up to the program, and each variable once and in order."""
    with FakeAgent([[HELLO, result(*ENVIRONMENT)]]) as agent:
        done = agent.run(client, "exec", "-e=plain", "--", "env", "secret-argument", environ={"LC_ALL": "", "A": "b=c"})
        environ = [os.fsencode(f"{name}={value}") for name, value in agent.environ.items()]
        words = (b"exec", b"-e=plain", b"--", b"env")
        head = (agent.stamp, os.fsencode(agent.work), b"", b"4")
        assert done.requests == ((*head, *words, *environ, b"LC_ALL=", b"A=b=c"),)


@both
def test_an_answer_is_printed(client: str) -> None:
    """`get`, `credentials` and `render` print the bytes of the answer, however many, and nothing else."""
    with FakeAgent([[HELLO, result(b"hush\0\n")], [result(b"")], [HELLO, result(b"hush" * 100_000)]]) as agent:
        assert agent.run(client, "get", "PLAIN", "--env", "plain")[:3] == (0, b"hush\0\n", b"")
        done = agent.run(client, "credentials", "x", "--format=process")
        assert done[:3] == (0, b"", b"")
        assert done.requests[0][3:8] == (b"4", b"answer", b"credentials", b"x", b"--format=process")
        assert agent.run(client, "render", "-e", "plain")[:3] == (0, b"hush" * 100_000, b"")


@both
def test_an_answer_has_an_exit_code(client: str) -> None:
    """The second field of an answer is the client's exit code, and an answer without text prints nothing."""
    with FakeAgent([[result(b"text", b"7")], [result(b"", b"3")], [result(b"text", b"seven")], [frame(b"D")]]) as agent:
        assert agent.run(client, "hook-load", "bash", "1")[:3] == (7, b"text", b"")
        assert agent.run(client, "render", "-e", "plain")[:3] == (3, b"", b"")
        assert b"PLAIN" in agent.run(client, "render", "-e", "plain").out


@both
def test_words_after_the_dashes_are_no_flags(client: str) -> None:
    """`dsops complete -- dsops get -v` completes a command line; its flags are not those of `complete`."""
    with FakeAgent([[result(b"one\n")]]) as agent:
        done = agent.run(
            client, "complete", "--", "dsops", "get", "-v", "--for-profile", "p", environ={"AWS_PROFILE": "p"}
        )
    assert done.out == b"one\n"
    assert b"AWS_PROFILE=p" in done.requests[0]


@both
@pytest.mark.parametrize("words", [("--for-profile", "p"), ("--for-profile=q", "--for-profile=p")])
def test_the_profile_that_calls_is_not_sent(client: str, words: tuple[str, ...]) -> None:
    """A `credential_process` does not send AWS_PROFILE if that is the profile that it is called for."""
    with FakeAgent([[result(b"")]]) as agent:
        profiles = {"AWS_PROFILE": "p", "AWS_DEFAULT_PROFILE": "other"}
        fields = agent.run(client, "credentials", "x", *words, environ=profiles).requests[0]
    assert [field for field in fields if b"PROFILE=" in field] == [b"AWS_DEFAULT_PROFILE=other"]


@both
def test_notes_go_to_stderr_and_other_frames_change_nothing(client: str) -> None:
    """A client shows notes, and ignores frames that say that the agent works and that a code may be used."""
    frames = [HELLO, frame(b"A"), frame(b"N", b"dsops: note: one\n"), frame(b"C"), frame(b"N", b"\xff two\n")]
    with FakeAgent([[*frames, result(*ENVIRONMENT)]]) as agent:
        done = agent.run(client, *EXEC)
    assert (done.code, done.err) == (0, b"dsops: note: one\n\xff two\n")


@both
def test_a_frame_in_pieces_is_read_whole(client: str) -> None:
    """A client waits for the rest of a frame's head and of its data."""
    whole = HELLO + frame(b"E", pack([b"credentials.held"])) + result(*ENVIRONMENT)
    with FakeAgent([[whole[number : number + 1] for number in range(len(whole))]]) as agent:
        assert variables(agent.run(client, *EXEC).out)[b"FROM"] == b"agent"


@both
def test_an_error_of_the_agent_is_shown_as_the_clients(client: str) -> None:
    """A failed `exec` ends with exit code 125 and the agent's error, and the agent is asked once."""
    error = b'{"kind":"MfaRequired","message":"no code","why":"","hint":"","where":null,"aws":null,"problems":[],'
    error += b'"tried":null,"errors":[]}'
    with FakeAgent([[HELLO, frame(b"C"), frame(b"F", error)]] * 2) as agent:
        done = agent.run(client, *EXEC)
        assert done.code == 125
        assert done.err.endswith(b": no code\n")
        assert len(done.requests) == 1
        assert agent.run(client, "get", "PLAIN", "-e", "plain").code == 3


@both
def test_a_declined_request_is_done_by_the_client(client: str) -> None:
    """If the agent declines, the client does the work itself, and does not send the same request again."""
    with FakeAgent([[HELLO, frame(b"D")]]) as agent:
        done = agent.run(client, *EXEC)
    assert variables(done.out)[b"PLAIN"] == b"here"
    assert [request[4] for request in done.requests].count(b"exec") == 1


@both
def test_an_agent_that_ends_is_asked_three_times(client: str) -> None:
    """If the agent ends before it answers, or asks to be asked again, the client tries three times in all."""
    with FakeAgent([[HELLO], [frame(b"D", b"again")], []]) as agent:
        done = agent.run(client, *EXEC)
    assert variables(done.out)[b"PLAIN"] == b"here"
    assert [request[4] for request in done.requests] == [b"exec"] * 3


@both
@pytest.mark.parametrize(
    "answer",
    [
        frame(b"Z"),
        b"X\xff\xff\xff\xff",
        b"N\0\x80\0\1",
        b"HTTP/1.1 400 Bad Request\r\n",
        frame(b"X", b"\0\0\0\5four"),
        result(b"no equals"),
        result(*ENVIRONMENT, b"=no name"),
        result(*ENVIRONMENT, b"NUL=\0"),
        result(*ENVIRONMENT, b"FROM=twice"),
        frame(b"E", b"\0\0\0\5four"),
        frame(b"E"),
    ],
)
def test_an_invalid_frame_is_no_result(client: str, answer: bytes) -> None:
    """After a frame of no kind, a frame that is too long, or a malformed result, the client does the work itself."""
    with FakeAgent([[HELLO, answer], [HELLO, frame(b"D")]], holds=True) as agent:
        done = agent.run(client, *EXEC)
    assert [request[4] for request in done.requests].count(b"exec") == 1
    assert variables(done.out).get(b"FROM") is None
    assert variables(done.out)[b"PLAIN"] == b"here"


@both
@pytest.mark.parametrize("answers", [[b"X\0\0\0\1\0"] * 2, [result(b"no equals"), frame(b"F", b"{")]])
def test_a_second_malformed_answer_is_an_error(client: str, answers: list[bytes]) -> None:
    """The client asks for the values when the first answer is malformed; a malformed answer to that is an error."""
    with FakeAgent([[HELLO, answer] for answer in answers], holds=True) as agent:
        done = agent.run(client, *EXEC)
    assert (done.code, done.out) == (125, b"")
    assert b"error[agent.unavailable]" in done.err
    assert b"dsops agent stop" in done.err


@both
def test_a_silent_agent_that_may_have_used_a_code_is_an_error(client: str) -> None:
    """If the agent sends an invalid frame after CODE, the code may be used up, and the client does not try again."""
    with FakeAgent([[HELLO, frame(b"C"), frame(b"Z")]], holds=True) as agent:
        done = agent.run(client, *EXEC)
        assert (done.code, done.out) == (125, b"")
        assert b"the agent stopped answering" in done.err
        assert len(done.requests) == 1


@both
def test_a_question_without_a_terminal_gets_no_answer(client: str) -> None:
    """A client without a terminal answers that nothing was typed, on the connection of its request."""
    with FakeAgent([[HELLO, frame(b"C"), frame(b"Q", b"MFA code: "), result(*ENVIRONMENT)]]) as agent:
        done = agent.run(client, *EXEC)
        assert variables(done.out)[b"FROM"] == b"agent"
        assert done.replies == (frame(b"U"),)


@both
def test_a_program_that_cannot_start_is_reported(client: str) -> None:
    """A script without `#!` runs with sh, one without its interpreter exits with 126, and a missing one with 127."""
    declined = [frame(b"D")]
    with FakeAgent([[result(*ENVIRONMENT)], declined, [result(*ENVIRONMENT)], declined]) as agent:
        for name, text in (("script", "echo $FROM$PLAIN"), ("broken", "#!/nowhere/python\n")):
            (agent.work / name).write_text(text)
            (agent.work / name).chmod(0o755)
        assert agent.run(client, "exec", "-e", "plain", "--", "./script").out == b"here\n"
        broken = agent.run(client, "exec", "-e", "plain", "--", "./broken")
        assert (broken.code, b"/nowhere/python" in broken.err) == (126, True)
        missing = agent.run(client, "exec", "-e", "plain", "--", "nowhere")
        assert (missing.code, missing.requests) == (127, ())


# --- the agent's socket ---------------------------------------------------------------------------------------


def _runs_alone(agent: FakeAgent, client: str) -> bool:
    """Whether the client does the work itself, and sends the fake agent nothing."""
    done = agent.run(client, *EXEC)
    return (done.code, variables(done.out)[b"PLAIN"], done.requests) == (0, b"here", ())


@both
@pytest.mark.parametrize("mode", [0o755, 0o710, 0o701, 0o720, 0o770])
def test_a_folder_that_others_may_enter_is_refused(client: str, mode: int) -> None:
    """A client does not connect to a socket in a folder with any right for group or others."""
    with FakeAgent([[result(*ENVIRONMENT)]]) as agent:
        agent.folder.chmod(mode)
        assert _runs_alone(agent, client)


@both
def test_a_folder_that_is_a_link_is_refused(client: str) -> None:
    """A client does not follow a symbolic link to the socket's folder."""
    with FakeAgent([[result(*ENVIRONMENT)]]) as agent:
        agent.folder.rename(agent.base / "elsewhere")
        agent.folder.symlink_to(agent.base / "elsewhere")
        assert _runs_alone(agent, client)


@both
@pytest.mark.skipif(not is_root(), reason="only root can give a folder to another user")
def test_a_folder_of_another_user_is_refused(client: str) -> None:
    """A client does not connect to a socket in another user's folder."""
    with FakeAgent([[result(*ENVIRONMENT)]]) as agent:
        os.chown(agent.folder, 12345, 12345)
        assert _runs_alone(agent, client)


@both
@pytest.mark.skipif(not is_root(), reason="only root can become another user")
def test_an_agent_of_another_user_is_refused(client: str) -> None:
    """A client sends nothing to a process of another user that listens on its socket (SO_PEERCRED)."""
    with FakeAgent([], listens=False) as agent, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(agent.address)
        code = "import os, socket, sys; s = socket.socket(fileno=int(sys.argv[1])); os.setgid(12345); os.setuid(12345)"
        code += "; s.listen(); print(flush=True); s.settimeout(60); c, _ = s.accept(); print(c.recv(9))"
        words = [sys.executable, "-c", code, str(listener.fileno())]
        with Child(words, pass_fds=[listener.fileno()], stdout=subprocess.PIPE) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == b"\n"
            assert _runs_alone(agent, client)
            assert other.communicate(timeout=SECONDS)[0] == b"b''\n"
        assert agent.run("python", "agent", "stop").code == 0, "the client has started an agent"


@both
def test_an_agent_of_another_version_is_not_used(client: str) -> None:
    """The stamp has the time of the last change of the client's file, so that an upgrade leads to a new agent."""
    with FakeAgent([[result(*ENVIRONMENT)]]) as agent:
        version, python, python_changed, changed = agent.run(client, *EXEC).requests[0][0].split()
        program_file = program("python").parent / "python3"
        assert int(changed) == Path(dsops.agent.client.__file__).stat().st_mtime_ns
        assert (int(python, 16), int(python_changed)) == (program_file.stat().st_ino, program_file.stat().st_mtime_ns)
        assert version == __version__.encode()


# --- the process ----------------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize(
    "variable", ["CI=true", "DSOPS_AGENT=OFF", "DSOPS_AGENT=0", "DSOPS_NO_AGENT=1", "DSOPS_NO_AGENT=no"]
)
def test_the_agent_is_not_used_if_it_is_switched_off(client: str, variable: str) -> None:
    """A variable that switches the agent off keeps every request from it."""
    name, _, value = variable.partition("=")
    with FakeAgent([[result(*ENVIRONMENT)]]) as agent:
        assert agent.run(client, *EXEC, environ={name: value}).requests == ()


@both
@pytest.mark.parametrize("ignored", ["", "PIPE XFSZ", "INT", "HUP TERM"])
def test_the_command_gets_the_callers_signals(client: str, ignored: str) -> None:
    """The command ignores what the caller ignored, except SIGPIPE and SIGXFSZ, which Python's client always resets."""
    grep = ("grep", "^Sig\\(Ign\\|Blk\\)", "/proc/self/status")
    before = f"trap '' {ignored}" if ignored else "true"
    with FakeAgent([[HELLO, result(*ENVIRONMENT)]]) as agent:
        done = agent.run(client, "exec", "-e", "plain", "--", *grep, before=before)
    shell = ["sh", "-c", f'{before}; trap - PIPE XFSZ; exec "$@"', "sh", *grep]
    assert done.out == subprocess.run(shell, capture_output=True, check=True, timeout=SECONDS).stdout


@both
@pytest.mark.parametrize("answer", [[HELLO, result(*ENVIRONMENT)], [HELLO, frame(b"Q", b"?"), result(*ENVIRONMENT)]])
def test_the_command_gets_the_callers_descriptors_and_umask(client: str, answer: list[bytes]) -> None:
    """The command inherits the caller's descriptors, and none of the client's own, also after a question."""
    with FakeAgent([answer]) as agent:
        words = ("exec", "-e", "plain", "--", "sh", "-c", "umask; ls /proc/self/fd")
        done = agent.run(client, *words, before="umask 027; exec 7</dev/null")
    assert done.out.split() == [b"0027", b"0", b"1", b"2", b"3", b"7"], "3 is the folder that ls lists"


@both
@pytest.mark.parametrize("closed", ["0<&-", "2>&-", "0<&- 2>&-"])
def test_closed_streams_stay_closed(client: str, closed: str) -> None:
    """A closed stream is closed in the command, too, and the agent's connection never takes its number."""
    note = frame(b"N", b"a note\n")
    with FakeAgent([[HELLO, note, frame(b"Q", b"?"), result(*ENVIRONMENT)]]) as agent:
        words = ("exec", "-e", "plain", "--", "sh", "-c", "for n in 0 1 2; do test -e /proc/$$/fd/$n && echo $n; done")
        done = agent.run(client, *words, before=f"exec {closed}")
    assert set(done.out.split()) == {b"0", b"1", b"2"} - {part[:1].encode() for part in closed.split()}
    assert done.replies == (frame(b"U"),)


@both
@pytest.mark.parametrize(
    ("words", "code"),
    [
        (EXEC, 130),
        (("get", "PLAIN", "-e", "plain"), 130),
        (("hook-load", "bash", "1", "--env", "plain"), 130),
        (("hook-load", "bash", "no pid"), 2),
    ],
)
def test_ctrl_c_ends_the_client_with_130(client: str, words: tuple[str, ...], code: int) -> None:
    """SIGINT while the agent works ends the client with exit code 130; the hook still prints the files to watch.

    A wrong argument of the hook is reported instead.
    """
    with FakeAgent([[HELLO]], holds=True) as agent:
        assert agent.run(client, "hook", "allow").code == 0
        with Child(
            (str(program(client)), *words), cwd=agent.work, env=agent.environ, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        ) as process:  # fmt: skip
            end = time.monotonic() + SECONDS
            while not agent.requests and time.monotonic() < end:
                time.sleep(0.01)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=SECONDS)
    assert (process.returncode, b"Traceback" in err) == (code, False)
    assert (b"dsops.yaml" in out) is ("1" in words)
    assert (b"`no pid` is not a process id" in err) is (code == 2)


@pytest.mark.parametrize(
    ("state", "stdin"), [("asked,0,0", "printf stdin |"), ("asked,9,0", ""), ("asked,0,0", ""), ("asked,x,0", "")]
)
def test_python_takes_over_no_other_descriptor(state: str, stdin: str) -> None:
    """A launcher's state with a standard stream or a file is ignored: what it contains is no answer of the agent."""
    ours, theirs = socket.socketpair()
    with FakeAgent([[result(b"agent")]]) as agent, ours, theirs:
        ours.sendall(result(b"stdin"))
        words = [str(program("python")), f"--launcher={state}:dsops", "get", "PLAIN", "-e", "plain"]
        done = subprocess.run(
            ["/bin/sh", "-c", f'exec 9<dsops.yaml; {stdin} exec "$@"', "sh", *words],
            cwd=agent.work, env=agent.environ, stdin=theirs.fileno(), capture_output=True, check=False, timeout=SECONDS,
        )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, b"agent", b"")


@both
def test_an_answer_that_cannot_be_written_is_an_error(client: str) -> None:
    """A full disk is reported, a reader that has left is not, and no byte is written twice."""
    with FakeAgent([[result(b"hush" * 25_000)]] * 3) as agent:
        words = ("get", "PLAIN", "-e", "plain")
        full = agent.run(client, *words, before="exec >/dev/full")
        assert (full.code, b"can't write to stdout" in full.err, b"hush" in full.err) == (2, True, False)
        limited = agent.run(client, *words, before="ulimit -f 64; exec > out")
        assert limited.code == 2
        assert (agent.work / "out").read_bytes() == b"hush" * 8192
        left = agent.run(client, *words, before="exec 3>&1; mkfifo pipe; head -c 4 < pipe >&3 & exec > pipe 3>&-")
        assert (left.code, left.err, left.out) == (141, b"", b"hush")


@both
def test_a_variable_of_pythons_locale_does_not_reach_the_command(client: str) -> None:
    """In the locale `C`, Python sets LC_CTYPE for itself; neither the agent nor the command gets that variable."""
    with FakeAgent([[HELLO, result(*ENVIRONMENT)]]) as agent:
        done = agent.run(client, *EXEC, environ={"LANG": "C"})
        assert not [field for field in done.requests[0] if field.startswith(b"LC_CTYPE=")]
        alone = agent.run(client, *EXEC, environ={"LANG": "C", "DSOPS_AGENT": "off"})
        assert b"LC_CTYPE" not in variables(alone.out)
        kept = agent.run(client, *EXEC, environ={"LC_CTYPE": "C.UTF-8", "DSOPS_AGENT": "off"})
        assert variables(kept.out)[b"LC_CTYPE"] == b"C.UTF-8"

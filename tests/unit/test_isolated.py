"""An isolated command has no network, no credential files, and no access to the memory of dsops."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from dsops.errors import CommandNotExecutable, UsageError
from dsops.process.isolated import IsolatedStart
from dsops.process.watch import watch

SECONDS = 100


def _why_not() -> str:
    """Return why this machine can't isolate a command; "" if it can."""
    try:
        with IsolatedStart([]) as start:
            start.listener.close()
    except UsageError:
        return "namespaces exist only on Linux"
    except CommandNotExecutable as error:
        return f"this machine allows no user namespaces: {error.why}"
    return ""


WHY_NOT = _why_not()
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)


@pytest.fixture
def answering() -> Iterator[IsolatedStart]:
    """A start whose port sends a line to its first client."""
    with IsolatedStart([]) as start:

        def answer() -> None:
            start.listener.settimeout(SECONDS)
            connection, _ = start.listener.accept()
            with connection:
                connection.sendall(b"from dsops\n")

        threading.Thread(target=answer, daemon=True).start()
        yield start
        start.listener.close()


def run(start: IsolatedStart, script: str, folder: Path) -> str:
    """Run a Python program isolated; return what it wrote to `out`."""
    out = folder / "out"
    program = f"import os, socket\nout = open({str(out)!r}, 'w')\n{script}\nout.close()\n"
    words = ["python", "-I", "-c", program]
    path = {b"PATH": os.environb[b"PATH"]}
    assert watch(sys.executable, words, path, timeout_seconds=SECONDS, start=start) == 0
    return out.read_text(encoding="utf-8")


def test_the_command_reaches_the_port_and_nothing_else(answering: IsolatedStart, tmp_path: Path) -> None:
    """The port of dsops answers; other networks are unreachable."""
    port = answering.listener.getsockname()[1]
    script = (
        f"print(socket.create_connection(('127.0.0.1', {port}), 5).recv(99).decode(), end='', file=out)\n"
        "try:\n    socket.create_connection(('192.0.2.1', 80), 5)\n"
        "except OSError as error:\n    print(error.errno == 101, file=out)\n"
    )
    assert run(answering, script, tmp_path) == "from dsops\nTrue\n"


def test_other_ports_of_this_machine_are_unreachable(tmp_path: Path) -> None:
    """The isolated command can't reach a server on this machine's loopback interface."""
    with socket.create_server(("127.0.0.1", 0)) as server, IsolatedStart([]) as start:
        port = server.getsockname()[1]
        script = f"print(socket.socket().connect_ex(('127.0.0.1', {port})) != 0, file=out)"
        assert run(start, script, tmp_path) == "True\n"


def test_hidden_paths_are_empty(tmp_path: Path) -> None:
    """A hidden folder and a hidden file appear empty, and the command can't uncover them in a nested namespace."""
    folder, file = tmp_path / "aws", tmp_path / "token"
    folder.mkdir()
    (folder / "credentials").write_text("key", encoding="utf-8")
    file.write_text("token", encoding="utf-8")
    script = (
        "import ctypes\nlibc = ctypes.CDLL(None)\n"
        f"print(os.listdir({str(folder)!r}), open({str(file)!r}).read() == '', file=out)\n"
        f"print(libc.umount2({str(folder)!r}.encode(), 0) != 0, file=out)\n"
        f"libc.unshare(0x10020000)\nprint(libc.umount2({str(folder)!r}.encode(), 0) != 0, file=out)\n"
        f"print(os.listdir({str(folder)!r}), file=out)\n"
    )
    with IsolatedStart([str(folder), str(file), str(tmp_path / "missing")]) as start:
        assert run(start, script, tmp_path) == "[] True\nTrue\nTrue\n[]\n"
    assert (folder / "credentials").read_text(encoding="utf-8") == "key"


def test_the_memory_of_dsops_is_closed(tmp_path: Path) -> None:
    """The command can read neither the environment nor the memory of the process that started it."""
    script = (
        "for name in ('environ', 'mem', 'maps'):\n    try:\n"
        f"        open('/proc/{os.getpid()}/' + name, 'rb').read(1)\n"
        "        print(name, file=out)\n    except OSError:\n        print('closed', file=out)\n"
    )
    with IsolatedStart([]) as start:
        assert run(start, script, tmp_path) == "closed\n" * 3


def test_the_command_has_no_capabilities(tmp_path: Path) -> None:
    """The command has no capability in its namespaces, and can't gain any."""
    script = (
        "status = dict(line.split(':', 1) for line in open('/proc/self/status'))\n"
        "numbers = [int(status[name], 16) for name in ('CapEff', 'CapPrm', 'CapBnd')]\n"
        "print(*numbers, status['NoNewPrivs'].strip(), file=out)\n"
    )
    with IsolatedStart([]) as start:
        assert run(start, script, tmp_path) == "0 0 0 1\n"


def test_the_keyring_and_the_input_of_the_terminal_are_closed(tmp_path: Path) -> None:
    """The command can't use the kernel's keyring, nor type into the terminal; other calls work as before."""
    script = (
        "import ctypes, fcntl, termios\nsys_call = ctypes.CDLL(None, use_errno=True).syscall\n"
        f"from platform import machine\nnumbers = {(248, 249, 250)} if machine() == 'x86_64' else {(217, 218, 219)}\n"
        "print([(sys_call(number, 0, 0, 0, 0, 0), ctypes.get_errno()) for number in numbers], file=out)\n"
        "for code in (termios.TIOCSTI, 0x541C, 0x5412 | 1 << 32):\n"
        "    number = 16 if machine() == 'x86_64' else 29\n"
        "    print(sys_call(number, 1, ctypes.c_ulong(code), b'x'), ctypes.get_errno(), file=out)\n"
        "try:\n    fcntl.ioctl(out, termios.TIOCGWINSZ, bytes(8))\n"
        "except OSError as error:\n    print(error.errno == 25, file=out)\n"
    )
    with IsolatedStart([]) as start:
        assert run(start, script, tmp_path) == f"{[(-1, 1)] * 3}\n" + "-1 1\n" * 3 + "True\n"


def test_what_is_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files with credentials are hidden wherever they are named, and so are the sockets of agents."""
    from dsops.cli.run.exec_guard import hidden_paths

    monkeypatch.chdir(tmp_path)
    environ = {
        "HOME": "/elsewhere",
        "AWS_SHARED_CREDENTIALS_FILE": "keys",
        "AWS_CONFIG_FILE": "~/aws-config",
        "SSH_AUTH_SOCK": "/srv/ssh-a/agent.1",
        "DBUS_SESSION_BUS_ADDRESS": "unix:path=/srv/bus,guid=0;tcp:host=a",
        "DOCKER_HOST": "unix:///srv/docker.sock",
        "TMUX_TMPDIR": "/srv",
        "TMUX": "/srv/other/default,1,0",
    }

    hidden = set(hidden_paths(environ))

    own = os.path.expanduser("~")
    assert {
        f"{tmp_path}/keys",
        f"{own}/aws-config",
        f"/run/user/{os.getuid()}",
        f"/srv/tmux-{os.getuid()}",
        "/elsewhere/.aws",
        "/srv/ssh-a/agent.1",
        "/srv/bus",
        "/srv/docker.sock",
        "/srv/other/default",
        "/run/dbus/system_bus_socket",
    } <= hidden
    assert "" not in hidden


def test_a_command_that_can_not_be_started(tmp_path: Path) -> None:
    """A script without an interpreter gives the same error as without isolation."""
    bad = tmp_path / "bad"
    bad.write_bytes(b"#!/no/such/interpreter\n")
    bad.chmod(0o755)
    with IsolatedStart([]) as start, pytest.raises(CommandNotExecutable) as caught:
        start.spawn(str(bad), ["bad"], {})
    assert "/no/such/interpreter" in caught.value.why


def test_an_unused_start_leaves_no_process() -> None:
    """If the command is never started, the process in the namespaces ends."""
    with IsolatedStart([]) as start:
        pid = start._pid
        start.listener.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


SEED = """
default_identity: ada
accounts:
  "111111111111":
    users: {ada: {policies: [{Version: "2012-10-17", Statement: [{Effect: Allow, Action: "*", Resource: "*"}]}]}}
    roles:
      Developer:
        trust: {Version: "2012-10-17", Statement: [{Effect: Allow, Principal: {AWS: "*"}, Action: "sts:AssumeRole"}]}
        policies: [{Version: "2012-10-17", Statement: [{Effect: Allow, Action: "*", Resource: "*"}]}]
"""
CONFIG = """
version: 1
secretStores:
  dev:
    type: aws.sts
    region: eu-west-1
    role_arn: arn:aws:iam::111111111111:role/Developer
    role_session_name: agent
"""
PROGRAM = """
import os, socket, boto3
print(os.listdir(os.path.expanduser("~/.aws")))
print(socket.socket().connect_ex(("192.0.2.1", 443)) != 0)
print(boto3.client("sts", region_name="eu-west-1").get_caller_identity()["Arn"])
"""


def test_an_isolated_command_reaches_aws_through_the_guard(tmp_path: Path) -> None:
    """`dsops exec --guard --isolate`: no profiles, no network, and AWS's answers through the guard."""
    work, home = tmp_path / "work", tmp_path / "home"
    for folder in (work, home / ".aws"):
        folder.mkdir(parents=True)
    (home / ".aws" / "config").write_text("[default]\n", encoding="utf-8")
    for name, text in (("seed.yaml", SEED), ("dsops.yaml", CONFIG), ("program.py", PROGRAM)):
        (work / name).write_text(text, encoding="utf-8")
    guarded = (
        "dsops exec --no-agent --config dsops.yaml --credentials dev --guard read-only --isolate -- python program.py"
    )
    result = subprocess.run(
        ["dsops", "sandbox", "run", "--seed", "seed.yaml", "--", *guarded.split()],
        cwd=work,
        env={"HOME": str(home), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.stdout.splitlines() == ["[]", "True", "arn:aws:sts::111111111111:assumed-role/Developer/agent"], (
        result
    )

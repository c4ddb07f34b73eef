"""The warm path: sends a command line to the agent, and replaces its own process with the command to run.

The command gets the environment that the agent returns. A warm `dsops exec` loads only this file and five modules that
are built in or loaded by Python at its start: `os`, `sys`, `time`, `_socket` and `_signal`. Every further module would
slow down every run. `dsops.cli` handles every case that is not simple.
"""

import _signal  # type: ignore[import-not-found]
import _socket
import os
import sys
from time import monotonic

from dsops import agent
from dsops.version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Frame = tuple[int, bytes]
    """A frame's kind and its data."""
    Person = Callable[[int, bytes], bytes | None]
    Begun = Callable[[Person], Frame | None]
    """Ends a request that the launcher has begun (`handover`): returns the answer, None if the agent has ended."""

_HEARD_SECONDS = 5.0
"""How long an agent may take to confirm a request; an agent stopped by SIGSTOP never confirms it."""

_PATIENCE_SECONDS = 900.0
"""How long an agent may send only ALIVE: clients wait in a queue, each up to two minutes for an MFA code."""

_TRIES = 3
PLAIN = ("--json", "--keep-existing", "--pristine")
PLAIN_WITH_VALUE = ("--config", "-c", "--credentials", "--env", "-e", "--min-ttl", "--reason")
"""The options of a simple `exec`, without and with a value. The agent returns only the environment for it."""
ANSWERED = ("complete", "credentials", "get", "hook-load", "render")
"""Commands whose complete output the agent can produce, so that the client only prints it."""
_NOT_STARTING = ("complete", "hook-load")
"""Commands that a shell runs by itself: they start an agent only when they need secrets."""
_OWN_WORK = ("--no-agent", "--pick", "--verbose", "-v", "--debug", "--quiet", "-q", "--help", "-h")
_OFF = ("off", "0", "no", "false")


def stamp() -> bytes:
    """Return an identifier of this dsops installation. The client refuses an agent of another installation.

    It consists of the version, the inode and modification time of the Python executable, and the modification time of
    this file. `launcher/main.rs` reads the same values.
    """
    changed = os.stat(__file__).st_mtime_ns
    try:
        python = os.stat(sys.executable)
    except OSError:  # an embedded Python may have no executable
        return f"{__version__} {sys.hexversion:x} {changed}".encode()
    return f"{__version__} {python.st_ino:x} {python.st_mtime_ns} {changed}".encode()


def is_wanted(environ: "Mapping[str, str]") -> bool:
    """Whether an agent may be used: not in CI, not on Windows, not if the user switched it off."""
    return (
        sys.platform != "win32"
        and not environ.get("CI")
        and environ.get("DSOPS_AGENT", "").lower() not in _OFF
        and environ.get("DSOPS_NO_AGENT", "") in ("", "0")
    )


def folder_of(environ: "Mapping[str, str]") -> str:
    """Return the folder of the agent's socket, which may not exist yet."""
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    if runtime.startswith("/") and len(os.fsencode(runtime)) < 60:
        return runtime.rstrip("/") + "/dsops"
    return f"/tmp/dsops-{os.geteuid()}"  # noqa: S108 - it counts only where it is ours and closed to others


def is_safe(folder: str) -> bool:
    """Whether the folder belongs to this user, is closed to other users, and is no symbolic link."""
    try:
        status = os.lstat(folder)
    except OSError:
        return False
    return status.st_mode & 0o170077 == 0o040000 and status.st_uid == os.geteuid()


def make_folder(folder: str) -> bool:
    """Make the folder unless it exists; returns whether it is safe."""
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        pass
    except OSError:
        return False
    return is_safe(folder)


def address_in(folder: str) -> str:
    """Return the path of the agent's socket in the folder.

    The path differs for each Python and each dsops. It also differs for each namespace, root folder (chroot) and set
    of groups, because there the same paths may name other files, or files that can't be read. A folder is identified
    by its inode, as it may have several paths.
    """
    paths = (sys.prefix if os.path.exists(sys.prefix) else "/", os.path.dirname(__file__), "/")
    prefix, package, root = [os.stat(path) for path in paths]
    parts = [f"{place.st_dev} {place.st_ino}" for place in (prefix, package)]
    parts.append(f"{root.st_dev} {root.st_ino} {os.getegid()} {sorted(os.getgroups())}")
    for name in ("mnt", "net", "pid", "user"):
        try:
            parts.append(os.readlink(f"/proc/self/ns/{name}"))
        except OSError:
            parts.append("")
    # FNV-1a hash. A collision gives an attacker nothing: a process that can choose this input can also choose the
    # agent.
    number = 0xCBF29CE484222325
    for byte in os.fsencode("\0".join(parts)):
        number = (number ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return f"{folder}/{number:016x}"


def peer_uid(connection: "_socket.socket", platform: str = sys.platform) -> int:
    """Return the user id of the peer; -1 where the system does not report it."""
    try:
        if platform == "linux":
            # `struct ucred`: pid, uid, gid (unix(7)).
            data = connection.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12)
            return int.from_bytes(data[4:8], sys.byteorder) if len(data) == 12 else -1
        # macOS and FreeBSD: `struct xucred`, read with LOCAL_PEERCRED (1) at SOL_LOCAL (0): version 0, uid, groups
        # (unix(4)).
        data = connection.getsockopt(0, 1, 76)
        return int.from_bytes(data[4:8], sys.byteorder) if len(data) >= 12 and data[:4] == bytes(4) else -1
    except (OSError, AttributeError):
        return -1


def connect(address: str) -> "_socket.socket | None":
    """Return a connection to the agent of this user; None if no agent listens."""
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        connection.settimeout(_HEARD_SECONDS)
        connection.connect(address)
        if peer_uid(connection) == os.geteuid():
            return connection
    except OSError:
        pass
    connection.close()
    return None


def is_plain(words: "list[str]") -> bool:
    """Whether the words of an `exec` before `--` are only simple options and at most one NAME.

    For such a command, the agent only has to return the environment.
    """
    position, has_name = 0, False
    while position < len(words):
        name, equals, _ = words[position].partition("=")
        if name in PLAIN_WITH_VALUE:
            position += 1 if equals else 2
        elif words[position] in PLAIN:
            position += 1
        elif not has_name and name and name[0] != "-":
            has_name = True
            position += 1
        else:
            return False
    return position == len(words)


def run(words: "list[str]", person: "Person", begun: "Begun | None" = None) -> "bytes | None":
    """Run `exec` with the agent. Returns the packed error of a failure; does not return after a success.

    Returns None if the agent can't do the work, and b"" if there is no agent: in both cases, this process has to do
    the work. `words` are the words after `exec`; `person` shows the agent's events and asks its questions.
    """
    split = words.index("--")
    command = words[split + 1 :]
    if not command or not is_plain(words[:split]):
        return None
    program = find(command[0], os.environ.get("PATH", os.defpath))
    if program is None:
        return None  # a missing program is reported by `dsops.cli`, which loads the modules for that
    answer = ask(
        [b"exec", *(os.fsencode(word) for word in words[:split]), b"--", os.fsencode(command[0])],
        person,
        watches=sys.stderr is not None and os.isatty(2),
        begun=begun,
    )
    if answer is None:
        return b""
    kind, data = answer
    if kind != agent.RESULT:
        return data if kind == agent.FAILED else None
    try:
        fields = agent.unpack(data)
        environment = dict([field.split(b"=", 1) for field in fields])
        if len(environment) != len(fields):
            return None
        path = os.fsdecode(environment.get(b"PATH", os.fsencode(os.defpath)))
        if path != os.environ.get("PATH", os.defpath):
            program = find(command[0], path)
        if program is not None:
            _become(program, command, environment)
    except ValueError:
        pass  # The agent's result does not contain an environment, so this process does the work.
    return None


def answer(words: "list[str]", person: "Person", begun: "Begun | None" = None) -> "tuple[int, bytes, int] | None":
    """Return RESULT, the bytes for stdout and the exit code, or FAILED and the packed error.

    Returns None if this process has to do the work.

    `words` are a command line of ANSWERED, starting with the command. The agent is not used if stdout is a terminal:
    speed does not matter there, and a value needs a newline after it.
    """
    own = words[: words.index("--")] if "--" in words else words
    if sys.stdout is None or os.isatty(1) or any(word in _OWN_WORK for word in own):
        return None
    begin_elsewhere(_profile(own))
    reply = ask(
        [b"answer", *(os.fsencode(word) for word in words)],
        person,
        watches=sys.stderr is not None and os.isatty(2),
        starts=words[0] not in _NOT_STARTING,
        begun=begun,
    )
    if reply is not None and reply[0] == agent.RESULT:
        try:
            fields = agent.unpack(reply[1])
            data, code = fields if len(fields) == 2 else (*fields, b"0")
            return (agent.RESULT, data, int(code)) if code.isdigit() and int(code) < 256 else None
        except ValueError:
            return None  # The agent's result is malformed, so this process does the work.
    return (agent.FAILED, reply[1], 0) if reply is not None and reply[0] == agent.FAILED else None


def _profile(words: "list[str]") -> str:
    """Return the value of the option --for-profile."""
    profile = ""
    for position, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name == "--for-profile":
            profile = value if equals else "".join(words[position + 1 : position + 2])
    return profile


def begin_elsewhere(profile: str) -> None:
    """Remove AWS_PROFILE if it names the profile whose `credential_process` is this process.

    With `AWS_PROFILE=target aws ...`, this process inherits the variable. The agent, which gets this process's
    environment, would then request the profile's session with that same session as base credentials.
    """
    for variable in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE"):
        if profile and os.environ.get(variable) == profile:
            del os.environ[variable]


def find(name: str, path: str) -> "str | None":
    """Return the executable file that a shell would run for that name; None if there is none."""
    for folder in [""] if "/" in name else path.split(":"):
        candidate = name if "/" in name else f"{folder or '.'}/{name}"
        if os.access(candidate, os.X_OK):
            return None if os.path.isdir(candidate) else candidate
        if os.path.lexists(candidate):
            return None
    return None


def ask(
    words: "list[bytes]", person: "Person", *, watches: bool, starts: bool = True, begun: "Begun | None" = None
) -> "Frame | None":
    """Return the agent's answer: RESULT, FAILED or DECLINED, and data; None if no agent answers.

    `begun` is the first attempt, if the launcher has made it. If an agent ends before it answers, a new one is started:
    the old one may just have reached its idle timeout.
    """
    place = folder_of(os.environ)
    address = address_in(place)
    try:
        request = _request(words, watches=watches)
    except OSError:
        return None  # the working folder no longer exists, so the agent can't work in it
    for _ in range(_TRIES if len(request) <= agent.LONGEST else 0):
        if begun is not None:
            answer, begun = begun(person), None
        else:
            connection = connect(address) if is_safe(place) else None
            if connection is None and starts and make_folder(place):
                from dsops.agent.start import start

                connection = start(address, connect, os.environ.get("DSOPS_AGENT_IDLE", ""))
            if connection is None:
                return None
            answer = _exchange(connection, request, person)
        if answer == agent.DEAF:
            return None
        if answer == agent.STUCK:
            from dsops.agent.failure import silent

            return agent.FAILED, silent(agent.SILENT_SECONDS)
        if answer is not None and answer != (agent.DECLINED, agent.AGAIN):
            return answer
    return None


def _request(words: "list[bytes]", *, watches: bool) -> bytes:
    environment = [name + b"=" + value for name, value in os.environb.items()]
    head = [stamp(), os.getcwdb(), b"1" if watches else b"", b"%d" % len(words)]
    return agent.pack([*head, *words, *environment])


def _exchange(connection: "_socket.socket", request: bytes, person: "Person") -> "Frame | None":
    """Return the frame that ends the request; None if the agent ended before it answered."""
    try:
        agent.send(connection, agent.REQUEST, request)
        return listen(connection, person)
    except TimeoutError:
        return agent.DEAF
    except OSError:
        return None
    finally:
        connection.close()


def listen(connection: "_socket.socket", person: "Person") -> "Frame | None":
    """Return the frame that ends the request; None if the agent ended before it answered.

    Returns DEAF or STUCK for an agent that is silent or sends an invalid frame: its process still has the socket,
    so no new agent can start.
    """
    seconds, silent = _HEARD_SECONDS, agent.DEAF
    is_shown, until = False, monotonic() + _PATIENCE_SECONDS
    try:
        while monotonic() < until:
            frame = agent.receive(connection, seconds)
            if frame is None or frame[0] in (agent.RESULT, agent.FAILED, agent.DECLINED):
                return frame
            seconds = agent.SILENT_SECONDS
            kind, data = frame
            if kind == agent.ALIVE:
                continue
            if kind == agent.CODE:
                silent = agent.STUCK
            elif kind == agent.NOTE:
                if is_shown:  # If stderr shows a progress event on its last line, the next line replaces that event.
                    person(agent.EVENT, agent.pack([b"done"]))
                _tell(data)
                until = monotonic() + _PATIENCE_SECONDS
            elif kind != agent.HELLO:
                is_shown = True
                _show(connection, person, kind, data)
                until = monotonic() + _PATIENCE_SECONDS
    except (TimeoutError, ValueError):
        pass
    finally:
        if is_shown:
            person(agent.EVENT, agent.pack([b"done"]))
    return silent


def _show(connection: "_socket.socket", person: "Person", kind: int, data: bytes) -> None:
    """Shows an event, or asks the user and sends the typed answer back to the agent."""
    if kind not in (agent.EVENT, agent.ASK, agent.CHOOSE):
        raise ValueError("a frame of no kind")
    typed = person(kind, data)
    if kind != agent.EVENT:
        connection.settimeout(_HEARD_SECONDS)
        agent.send(connection, agent.NO_ANSWER if typed is None else agent.TYPED, typed or b"")


def _tell(text: bytes) -> None:
    """Write to stderr; ignore errors, for example of a closed stderr or a full disk."""
    if sys.stderr is None:
        return  # without stderr, descriptor 2 may be the connection to the agent
    try:  # noqa: SIM105 - contextlib is one more module
        os.write(2, text)
    except OSError:
        pass


def _become(program: str, command: "list[str]", environment: "dict[bytes, bytes]") -> None:
    """Replaces this process with the command; returns if the system refuses to run it."""
    # Python ignores SIGPIPE and SIGXFSZ from its start, and ignored signals stay ignored in the new program.
    _signal.signal(_signal.SIGPIPE, _signal.SIG_DFL)
    _signal.signal(_signal.SIGXFSZ, _signal.SIG_DFL)
    interrupt = _signal.getsignal(_signal.SIGINT)
    if interrupt != _signal.SIG_IGN:
        # Python's handler would swallow a Ctrl-C that arrives now.
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    try:
        os.execve(program, command, environment)  # noqa: S606 - no shell is the point
    except OSError:
        # SIGPIPE is ignored again, because `dsops.process` now handles scripts without `#!` and programs that can't be
        # started.
        _signal.signal(_signal.SIGPIPE, _signal.SIG_IGN)
        _signal.signal(_signal.SIGXFSZ, _signal.SIG_IGN)
        _signal.signal(_signal.SIGINT, interrupt)

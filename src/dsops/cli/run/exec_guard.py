"""`dsops exec --guard`: the command reaches AWS only through the guard, with placeholder keys."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from importlib.util import find_spec

from dsops.agent.client import folder_of
from dsops.cli.framework.command import Arguments
from dsops.cli.framework.output import note
from dsops.cli.run.guard_flags import ISOLATE
from dsops.credentials import Credentials
from dsops.environment import ChildIdentity
from dsops.errors import ExtraMissing
from dsops.extras import install_command
from dsops.plan import Plan
from dsops.process.watch import Attendant, Start
from dsops.runtime import Runtime, empty_file
from dsops.startup import NamedTuple
from dsops.user_folders import config_folder, data_folder, state_folder

_FILES_WITH_CREDENTIALS = (
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
)
_LOADED_LATER = ("botocore", "cbor2", "httptools")
_FOLDERS_IN_HOME = (".aws", ".gnupg", ".password-store", ".docker/run")
_SOCKET_VARIABLES = (
    "SSH_AUTH_SOCK",
    "DOCKER_HOST",
    "CONTAINER_HOST",
    "TMUX",
    "VSCODE_IPC_HOOK_CLI",
    "VSCODE_GIT_IPC_HANDLE",
)
_SOCKETS = (
    "/run/dbus/system_bus_socket",
    "/run/screen",
    "/run/snapd.socket",
    "/var/run/docker.sock",
    "/run/docker.sock",
    "/run/podman/podman.sock",
    "/run/containerd/containerd.sock",
)
"""Sockets of services that can start processes as root for their clients."""


class Guarded(NamedTuple):
    """What runs beside a guarded command."""

    identity: ChildIdentity
    attendants: tuple[Attendant, ...]
    start: Start | None
    """How the command is started, if it is isolated."""


def open_guarded(
    session: Callable[[], Credentials | None],
    first: Credentials,
    plan: Plan,
    store: str,
    arguments: Arguments,
    runtime: Runtime,
) -> Guarded:
    """Open the guard for a store's session. `session` returns the current session, `first` is the first.

    Raises UsageError, ConfigError or PolicyInvalid before anything is started.
    """
    try:
        from dsops.cli.run.guard_options import options_of
        from dsops.guard.run.running import RunningGuard

        _find_packages()
    except ImportError as error:
        if (error.name or "").startswith("dsops"):
            raise
        why, hint = f"{error.name} is missing", install_command("guard")
        raise ExtraMissing("the packages of the guard are not installed", why=why, hint=hint) from error
    step = plan.steps[store]
    with ExitStack() as opened:
        start, hidden = None, None
        if arguments.has(ISOLATE) and arguments.switch(ISOLATE):
            from dsops.process.isolated import IsolatedStart

            hidden = _hidden(runtime) if sys.platform == "linux" else []
            start = opened.enter_context(IsolatedStart(hidden))
        options = options_of(arguments, plan, step, first, runtime, hidden)
        if start is not None:
            options = options._replace(listen=start.listener)
        guard = RunningGuard(options, session, runtime)
        opened.pop_all()
    return Guarded(ChildIdentity(guard.variables(empty_file()), step.region), guard.attendants, start)


def _find_packages() -> None:
    """Raise ModuleNotFoundError if a package is missing that is loaded only after the command has started."""
    for name in _LOADED_LATER:
        if find_spec(name) is None:
            raise ModuleNotFoundError(name=name)


def _hidden(runtime: Runtime) -> list[str]:
    """Return the paths to hide; shows a note about a folder that stays visible, because the command works in it."""
    hidden = []
    for path in hidden_paths(runtime.environ):
        if f"{os.path.realpath(runtime.folder)}/".startswith(f"{os.path.realpath(path)}/"):
            note(f"{path} is not hidden from the command, because the working folder is in it")
        else:
            hidden.append(path)
    return hidden


def hidden_paths(environ: Mapping[str, str]) -> list[str]:
    """Return the files and folders with credentials, and the sockets through which a command could get some.

    Only for Linux.
    """
    import pwd

    named = [
        os.path.abspath(os.path.expanduser(environ[name])) for name in _FILES_WITH_CREDENTIALS if environ.get(name)
    ]
    homes = (environ.get("HOME", ""), pwd.getpwuid(os.getuid()).pw_dir)
    own = [config_folder(environ), data_folder(environ), state_folder(environ), folder_of(environ)]
    in_homes = [f"{home}/{name}" for home in homes if home for name in _FOLDERS_IN_HOME]
    run = (environ.get("XDG_RUNTIME_DIR", ""), f"/run/user/{os.getuid()}")
    paths = [*in_homes, *run, *own, *named, *_sockets(environ), *_SOCKETS]
    return [path for path in dict.fromkeys(paths) if path.startswith("/")]


def _sockets(environ: Mapping[str, str]) -> list[str]:
    """Return the sockets of programs that hold keys or start programs for the user: agents, buses, multiplexers."""
    tmux = f"{environ.get('TMUX_TMPDIR') or '/tmp'}/tmux-{os.getuid()}"  # noqa: S108 - tmux's own folder
    named = [environ.get(name, "") for name in _SOCKET_VARIABLES]
    buses = [
        part.partition("path=")[2].partition(",")[0] for part in environ.get("DBUS_SESSION_BUS_ADDRESS", "").split(";")
    ]
    return [tmux, *(path.removeprefix("unix://").partition(",")[0] for path in (*named, *buses))]

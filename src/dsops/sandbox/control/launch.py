"""Start a sandbox from a seed, and return the variables with which a client acts as one of its users."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NamedTuple

from dsops.errors import SandboxUnavailable, SeedInvalid
from dsops.input_file import read_whole, reason
from dsops.sandbox.clock import MovableClock
from dsops.sandbox.cloudtrail.trail import EventTrail
from dsops.sandbox.control.client import LOOPBACK, client_variables
from dsops.sandbox.control.endpoints import find_user
from dsops.sandbox.control.server import SandboxServer
from dsops.sandbox.control.service import Sandbox
from dsops.sandbox.control.setup import plant
from dsops.sandbox.functions.run import FunctionHost
from dsops.sandbox.seed.file import read_seed
from dsops.sandbox.seed.model import Seed

_MOST_BYTES = 1 << 22
"""Maximum size of a seed file in bytes: four times the parser's maximum number of characters."""


def read_seed_file(path: str) -> Seed:
    """Read and parse a seed file. Raises SeedInvalid."""
    try:
        text = read_whole(path, _MOST_BYTES, takes_pipes=True).decode()
    except (OSError, UnicodeDecodeError) as error:
        why = reason(error) if isinstance(error, OSError) else "it is not UTF-8"
        raise SeedInvalid(f"the seed {path} can't be read", why=why or str(error), hint="check `--seed`") from error
    return read_seed(text, path, os.path.dirname(path))


class TrailTarget(NamedTuple):
    """The folder that receives CloudTrail log files, and a callback for problems."""

    folder: str
    tell: Callable[[str], None]
    """The function to call with one line for each problem with the folder while the sandbox runs."""
    has_data_events: bool = False


def open_server(
    seed: Seed,
    *,
    host: str = LOOPBACK,
    port: int = 0,
    clock: MovableClock | None = None,
    kept_events: int = 10_000,
    trail: TrailTarget | None = None,
    functions: FunctionHost | None = None,
) -> SandboxServer:
    """Return a listening server with the seed loaded; `run()` serves in this thread, `start()` in a new one.

    `functions` runs Lambda functions; without it, Invoke is refused. A process can have only one such server at a time.
    Raises SandboxUnavailable and SeedInvalid.
    """
    sandbox = Sandbox(clock, kept_events)
    plant(sandbox, seed)
    if functions is not None:
        sandbox.functions.run_on(functions)
    if trail is not None:
        sandbox.events.trail = EventTrail(
            trail.folder,
            clock=sandbox.clock,
            accounts=sandbox.world.partitions,
            tell=trail.tell,
            has_data_events=trail.has_data_events,
        )
    return SandboxServer(sandbox, host, port)


def identity_variables(server: SandboxServer, name: str) -> dict[str, str]:
    """Return the variables with which a client acts as a user.

    `name` is `NAME` or `NAME@ACCOUNT`, or "" for the default user.
    """
    sandbox = server.sandbox
    name = name or sandbox.default_identity
    with sandbox.world.lock:
        user = find_user(sandbox, name)
        keys = [] if user is None else sandbox.world.keys_of(user)
    if not keys:
        raise SandboxUnavailable(
            f"the sandbox has no user `{name}` with an access key",
            hint="name one of the seed's users, `NAME@ACCOUNT` if several accounts have the user, or `admin`",
        )
    return client_variables(server.url, sandbox.region, *keys[0])

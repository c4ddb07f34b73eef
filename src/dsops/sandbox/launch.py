"""A seed -> a sandbox that serves; and the environment in which a client uses it and nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import NamedTuple

from dsops.errors import SandboxUnavailable, SeedInvalid
from dsops.input_file import read_whole, reason
from dsops.sandbox.clock import Clock
from dsops.sandbox.control import find_user
from dsops.sandbox.plant import plant
from dsops.sandbox.seed_model import Seed
from dsops.sandbox.seedfile import read_seed
from dsops.sandbox.server import LOOPBACK, Server
from dsops.sandbox.service import Sandbox
from dsops.sandbox.trail import Trail

_KEPT = frozenset(
    {"AWS_PAGER", "AWS_DEFAULT_OUTPUT", "AWS_MAX_ATTEMPTS", "AWS_RETRY_MODE", "AWS_CLI_AUTO_PROMPT",
     "AWS_CLI_FILE_ENCODING", "AWS_SDK_UA_APP_ID"}
)  # fmt: skip
"""Variables of AWS that say nothing of whose account, which endpoint or which credentials."""

_MOST_BYTES = 1 << 22
"""Of a seed: four for each character that is parsed."""


def read_seed_file(path: str) -> Seed:
    """The seed in a file. Raises SeedInvalid."""
    try:
        text = read_whole(path, _MOST_BYTES, takes_pipes=True).decode()
    except (OSError, UnicodeDecodeError) as error:
        why = reason(error) if isinstance(error, OSError) else "it is not UTF-8"
        raise SeedInvalid(f"the seed {path} can't be read", why=why or str(error), hint="check `--seed`") from error
    return read_seed(text, path, os.path.dirname(path))


class TrailWish(NamedTuple):
    """A folder that gets what happens, as CloudTrail delivers it."""

    folder: str
    tell: Callable[[str], None]
    """Is told of trouble with the folder while the sandbox runs, in one line."""
    has_data_events: bool = False


def open_server(
    seed: Seed,
    *,
    host: str = LOOPBACK,
    port: int = 0,
    clock: Clock | None = None,
    kept_events: int = 10_000,
    trail: TrailWish | None = None,
) -> Server:
    """A sandbox with that seed in it, listening; `run()` serves in this thread, `start()` in one of its own.

    There is one at a time in a process. Raises SandboxUnavailable and SeedInvalid.
    """
    sandbox = Sandbox(clock, kept_events)
    plant(sandbox, seed)
    if trail is not None:
        sandbox.events.trail = Trail(
            trail.folder, clock=sandbox.clock, accounts=sandbox.world.partitions, tell=trail.tell,
            has_data_events=trail.has_data_events,
        )  # fmt: skip
    return Server(sandbox, host, port)


def identity_variables(server: Server, name: str) -> dict[str, str]:
    """What a client needs to be that user (`NAME` or `NAME@ACCOUNT`; "" for the default one) in the sandbox."""
    sandbox = server.sandbox
    name = name or sandbox.default_identity
    with sandbox.world.lock:
        user = find_user(sandbox, name)
        keys = [] if user is None else sandbox.world.keys_of(user)
    if not keys:
        raise SandboxUnavailable(
            f"the sandbox has no user `{name}` with an access key",
            hint="name one of the seed's users, `NAME@ACCOUNT` where several accounts have it, or `admin`",
        )
    return client_variables(server.url, sandbox.region, *keys[0])


def client_variables(url: str, region: str, key_id: str, secret: str) -> dict[str, str]:
    """The variables that point a client at a sandbox, and away from the user's own files and metadata service."""
    return {
        "AWS_ENDPOINT_URL": url,
        # The Go SDK (config 1.33) follows only this one in its own role and web identity providers; with the other
        # alone it would send their requests, tokens included, to the real STS.
        "AWS_ENDPOINT_URL_STS": url,
        # Tokens of IAM Identity Center go nowhere else either.
        "AWS_ENDPOINT_URL_SSO": url,
        "AWS_ENDPOINT_URL_SSO_OIDC": url,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_ACCESS_KEY_ID": key_id,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        # The user's own keys and MFA seeds are none of a sandbox's: it has devices of the same name with other seeds.
        "DSOPS_KEYRING": "off",
    }


def rivals(environ: Mapping[str, str]) -> list[str]:
    """Inherited variables that would lead a client elsewhere: another profile, endpoint or source of credentials."""
    return sorted(name for name in environ if name.startswith("AWS_") and name not in _KEPT)


def client_environment(environ: Mapping[str, str], variables: Mapping[str, str]) -> dict[str, str]:
    """The inherited environment without rivals, with the variables; no proxy stands between it and loopback."""
    gone = set(rivals(environ))
    child = {name: value for name, value in environ.items() if name not in gone}
    for name in ("NO_PROXY", "no_proxy"):
        if name in child or name == "NO_PROXY":
            child[name] = ",".join(part for part in (child.get(name, ""), LOOPBACK, "localhost") if part)
    return child | dict(variables)

"""The child process that runs a test suite's sandbox.

`process.py` starts the process, which ends when stdin is closed. moto's state and the side effects of importing moto
are confined to this process. The tests may therefore use moto themselves.
"""

from __future__ import annotations

import gc
import os
import pickle
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any

from dsops.agent.failure import pack_error
from dsops.errors import DsopsError, ExtraMissing, SandboxUnavailable
from dsops.extras import install_command

if TYPE_CHECKING:
    from dsops.request.lookups import SecretLocation
    from dsops.sandbox.control.server import SandboxServer
    from dsops.sandbox.control.service import Sandbox
    from dsops.sandbox.seed.model import Seed

ANSWER, FAILURE, BUG = "answer", "failure", "bug"
"""The kinds of a result. They determine its content: the value, a packed DsopsError, or a traceback."""


class SandboxKeeper:
    """Runs one sandbox at a time. Tests control it through `do`."""

    def __init__(self) -> None:
        self._server: SandboxServer | None = None

    @property
    def server(self) -> SandboxServer:
        """The running server. Raises SandboxUnavailable if there is none."""
        if self._server is None:
            raise SandboxUnavailable("the sandbox of this test has ended")
        return self._server

    def do(self, act: str, **parameters: Any) -> Any:  # arguments and result are pickled; types depend on the act
        """Call the public method of `Acts` with the name `act`, or `open` or `close`."""
        if act == "open":
            return self._open(**parameters)
        if act == "close":
            return self._close()
        with self.server.sandbox.world.lock:
            method: Callable[..., Any] = getattr(Acts(self.server.sandbox), act)
            return method(**parameters)

    def _open(self, kind: str, seed: Any, folder: str) -> tuple[str, str]:
        """Start a sandbox with that seed; return the sandbox's URL and region. Raises SeedInvalid."""
        self._close()
        launch = _launch()
        self._server = launch.open_server(_read(kind, seed, folder)).start()
        return self._server.url, self._server.sandbox.region

    def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None


class Acts:
    """The operations that a test can perform on its sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        from dsops.sandbox.state.iam_builder import IamBuilder

        self._sandbox = sandbox
        self._planter = IamBuilder(sandbox.world)

    def account(self, account_id: str) -> tuple[str, str]:
        """Return an account's id and partition; "" means the default account. A missing account is created empty."""
        account_id = account_id or self._sandbox.default_account
        if account_id not in self._sandbox.world.partitions:
            self._sandbox.world.add_account(account_id)
        return account_id, self._sandbox.world.partitions[account_id]

    def keys(self, name: str) -> tuple[str, str]:
        """Return a user's access key id and secret. `name` is NAME or NAME@ACCOUNT, or "" for the default user."""
        from dsops.sandbox.control.endpoints import find_user

        name = name or self._sandbox.default_identity
        user = find_user(self._sandbox, name)
        keys = [] if user is None else self._sandbox.world.keys_of(user)
        if not keys:
            raise SandboxUnavailable(f"the sandbox has no user `{name}` with an access key")
        return keys[0]

    def add_user(
        self, account: str, name: str, policies: Sequence[tuple[str, str]], tags: Sequence[tuple[str, str]]
    ) -> None:
        """Create a user with an access key. `policies` are (name, text) or (ARN, "") pairs."""
        user = self._planter.add_user(account, name, tags=tuple(tags))
        self._planter.add_key(user, "", "")
        self._put(account, "user", name, policies)

    def add_role(
        self,
        account: str,
        name: str,
        trust: str,
        policies: Sequence[tuple[str, str]],
        tags: Sequence[tuple[str, str]],
        max_seconds: int,
    ) -> str:
        """Create a role; return its ARN."""
        role = self._planter.add_role(account, name, trust, tags=tuple(tags), max_seconds=max_seconds)
        self._put(account, "role", name, policies)
        return role.arn

    def _put(self, account: str, kind: str, name: str, policies: Sequence[tuple[str, str]]) -> None:
        from dsops.request.stored_policies import StoredPolicy

        for policy in policies:
            self._planter.put_policy(account, kind, name, StoredPolicy(*policy))

    def add_mfa_device(self, account: str, user: str, name: str) -> str:
        """Create an MFA device for a user; return its serial number."""
        owner = self._sandbox.world.user_named(account, user)
        if owner is None:
            raise SandboxUnavailable(f"account {account} of the sandbox has no user `{user}`")
        return self._planter.add_mfa_device(owner, "/", name, "")

    def add_key(self, account: str, name: str, policy: str | None) -> str:
        """Create a KMS key; return its ARN."""
        return self._sandbox.keys.add(self._place(account), "", policy, f"alias/{name}")

    def add_secret(self, account: str, name: str, value: str, policy: str | None, kms_key: str) -> str:
        """Create a secret; return its ARN.

        If the secret has a policy and no key is given, the secret gets a key that other accounts can use.
        """
        from dsops.sandbox.seed.region_setup import open_key

        place = self._place(account)
        if policy is not None and not kms_key:
            kms_key = open_key(self._sandbox.keys, self._sandbox.world.partitions[account], place)
        return self._sandbox.secret_storage.put_secret(place, name, value, None, policy, kms_key)

    def add_parameter(self, account: str, name: str, value: str, kms_key: str) -> None:
        """Create a SecureString parameter."""
        self._sandbox.secret_storage.open_parameters()
        self._sandbox.secret_storage.put_parameter(self._place(account), name, value, "SecureString", kms_key)

    def _place(self, account: str) -> SecretLocation:
        from dsops.request.lookups import SecretLocation

        return SecretLocation(account, self._sandbox.region)

    def totp(self, serial: str) -> str:
        """Return the MFA device's current code."""
        from dsops.sandbox.sts import totp

        device = self._sandbox.world.virtual_mfa_device(serial)
        if device is None:
            raise SandboxUnavailable(f"the sandbox has no MFA device {serial}")
        return totp.code_at(device.seed, self._sandbox.clock.now())

    def clock(self) -> tuple[float, bool]:
        """Return the sandbox's time in seconds since 1970, and whether the clock is frozen."""
        return self._sandbox.clock.now(), self._sandbox.clock.is_frozen

    def move_clock(self, seconds: float) -> None:
        """Set the clock to `seconds` since 1970."""
        self._sandbox.move_clock(seconds)

    def freeze_clock(self, *, is_frozen: bool) -> None:
        """Freeze or unfreeze the clock."""
        self._sandbox.clock.freeze(is_frozen=is_frozen)

    def decisions(self) -> list[dict[str, Any]]:
        """Return the authorization decisions, oldest first."""
        from dsops.sandbox.authorization.decisions import decision_record

        return [decision_record(entry) for entry in self._sandbox.judge.decisions]

    def events(self) -> list[Mapping[str, Any]]:
        """Return the recorded calls in CloudTrail's format, oldest first."""
        return list(self._sandbox.events.records())


def main() -> None:
    """Execute requests from standard input until it is closed. It is also closed if the suite is killed."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # output of libraries must not mix with the responses
    # The objects of the first imports are never freed, and scanning them for garbage took a quarter of the start time.
    gc.disable()
    keeper = SandboxKeeper()
    while True:
        try:
            act, parameters = pickle.load(sys.stdin.buffer)  # noqa: S301 - the suite's own process wrote the data
        except (EOFError, OSError, pickle.UnpicklingError):
            os._exit(0)  # also ends the server's thread and connections
        _send(answers, _outcome(keeper, act, parameters))
        if not gc.isenabled():
            gc.freeze()
            gc.enable()


def _outcome(keeper: SandboxKeeper, act: str, parameters: Mapping[str, Any]) -> tuple[str, Any]:
    try:
        return ANSWER, keeper.do(act, **parameters)
    except DsopsError as error:
        return FAILURE, pack_error(error)
    except Exception:  # noqa: BLE001 - the suite shows the error
        return BUG, traceback.format_exc()


def _send(answers: IO[bytes], outcome: tuple[str, Any]) -> None:
    try:
        answers.write(pickle.dumps(outcome))
        answers.flush()
    except OSError:
        os._exit(0)


def _launch() -> Any:  # Any: the result is a module, which is imported together with moto
    try:
        from dsops.sandbox.control import launch
    except ModuleNotFoundError as error:
        hint = f"install it: {install_command('sandbox')}"
        raise ExtraMissing("the sandbox is not installed", why=f"{error.name} is missing", hint=hint) from error
    return launch


def _read(kind: str, seed: Any, folder: str) -> Seed:
    """Return the seed.

    If the kind is `text`, `seed` is YAML, and files that it names are relative to `folder`. If the kind is `file`,
    `seed` is a path. Otherwise `seed` is a Seed.
    """
    from dsops.sandbox.control.launch import read_seed_file
    from dsops.sandbox.seed.file import read_seed
    from dsops.sandbox.seed.model import Seed

    if kind == "text":
        return read_seed(seed, "the test's seed", folder)
    if kind == "file":
        return read_seed_file(os.path.join(folder, seed))
    return seed or Seed()

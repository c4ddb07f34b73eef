"""A sandbox that runs beside a test, as the test sees it: accounts to fill, people to be, a clock to move."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from dsops.arn import is_account_id
from dsops.credentials import Credentials
from dsops.errors import ExtraMissing, SandboxUnavailable
from dsops.extras import pip_install
from dsops.iam.policy import PolicyKind, parse_policy
from dsops.sandbox import totp
from dsops.sandbox.backends import PolicyText
from dsops.sandbox.control import find_user
from dsops.sandbox.decisions import decision_record
from dsops.sandbox.launch import client_environment, client_variables
from dsops.sandbox.planter import Planter
from dsops.sandbox.region_planter import open_key
from dsops.sandbox.vault import Place
from dsops.secret import Secret

if TYPE_CHECKING:
    from dsops.sandbox.server import Server
    from dsops.sandbox.service import Sandbox
    from dsops.testing.policies import Document


class Identity:
    """Somebody who can sign requests to the sandbox: a user, or a role's session."""

    def __init__(self, url: str, region: str, credentials: Credentials) -> None:
        self.url = url
        self.region = region
        self.credentials = credentials

    def with_credentials(self, credentials: Credentials) -> Identity:
        """Somebody else in the same sandbox."""
        return Identity(self.url, self.region, credentials)

    @property
    def arn(self) -> str:
        """What GetCallerIdentity says now; raises what any call with these credentials would."""
        from dsops.testing.session import caller_arn

        return caller_arn(self)

    def environment(self, environ: Mapping[str, str] | None = None) -> dict[str, str]:
        """A whole environment in which a program is this one: `subprocess.run(..., env=alice.environment())`.

        Made of `environ` (this process's by default) without the variables that would lead an AWS client elsewhere.
        """
        held = self.credentials
        variables = client_variables(
            self.url, self.region, held.access_key_id, held.secret_access_key.reveal()
        )
        if held.session_token is not None:
            variables["AWS_SESSION_TOKEN"] = held.session_token.reveal()
        return client_environment(os.environ if environ is None else environ, variables)

    def boto3_session(self) -> Any:  # boto3 ships no types
        """A boto3 Session whose clients and resources talk to the sandbox. Raises ExtraMissing without boto3."""
        try:
            from dsops.testing.boto import session_of
        except ModuleNotFoundError as error:
            raise ExtraMissing(
                "boto3 is not installed", why=f"{error.name} is missing", hint=f"install it: {pip_install('boto3')}"
            ) from error
        return session_of(self)

    def __repr__(self) -> str:
        return f"Identity({self.credentials.masked_key_id}, {self.url})"


class SandboxClock:
    """The sandbox's time: sessions end and MFA codes change by it. Signatures are checked by the machine's."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def now(self) -> datetime:
        """The sandbox's time, in UTC."""
        return datetime.fromtimestamp(self._sandbox.clock.now(), UTC)

    def advance(self, step: float | timedelta) -> datetime:
        """Moves on, by seconds or a timedelta, and gives the time that it is then."""
        seconds = step.total_seconds() if isinstance(step, timedelta) else step
        return self._move(self._sandbox.clock.now() + seconds)

    def move_to(self, moment: datetime) -> datetime:
        """Goes to a moment; one without a zone is in UTC."""
        return self._move((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())

    def freeze(self) -> None:
        """Stands still from now on; it can still be moved."""
        self._freeze(is_frozen=True)

    def resume(self) -> None:
        """Runs on from the time that it shows."""
        self._freeze(is_frozen=False)

    @property
    def is_frozen(self) -> bool:
        """Whether it stands still."""
        return self._sandbox.clock.is_frozen

    def _move(self, seconds: float) -> datetime:
        with self._sandbox.world.lock:
            self._sandbox.move_clock(seconds)
        return self.now()

    def _freeze(self, *, is_frozen: bool) -> None:
        with self._sandbox.world.lock:
            self._sandbox.clock.freeze(is_frozen=is_frozen)


class SandboxAccount:
    """One account: what is added to it counts from the next request on."""

    def __init__(self, aws: LocalAws, account_id: str) -> None:
        self._aws = aws
        self._sandbox = aws.server.sandbox
        self.id = account_id

    @property
    def partition(self) -> str:
        """`aws` for most."""
        return self._sandbox.world.partitions[self.id]

    @property
    def root_arn(self) -> str:
        """The account itself, as a trust policy names it."""
        return f"arn:{self.partition}:iam::{self.id}:root"

    def user(self, name: str) -> Identity:
        """A user of this account."""
        return self._aws.user(f"{name}@{self.id}")

    def add_user(
        self, name: str, *, policies: Iterable[Document | str] = (), tags: Mapping[str, str] | None = None
    ) -> Identity:
        """A new user with a key. A policy is a document or the ARN of a managed one."""
        texts = [_policy_text(policy, number) for number, policy in enumerate(policies, 1)]
        with self._sandbox.world.lock:
            planter = Planter(self._sandbox.world)
            user = planter.add_user(self.id, name, tags=tuple((tags or {}).items()))
            planter.add_key(user, "", "")
            for text in texts:
                planter.put_policy(self.id, "user", name, text)
        return self.user(name)

    def add_mfa_device(self, user: str, name: str = "") -> str:
        """The serial number of a new device of that user; `sandbox.totp(serial)` is what it shows."""
        with self._sandbox.world.lock:
            owner = self._sandbox.world.user_named(self.id, user)
            if owner is None:
                raise SandboxUnavailable(f"account {self.id} of the sandbox has no user `{user}`")
            return Planter(self._sandbox.world).add_mfa_device(owner, "/", name or user, "")

    def add_role(
        self,
        name: str,
        *,
        trust: Document | str,
        policies: Iterable[Document | str] = (),
        max_session_duration: int = 3600,
        tags: Mapping[str, str] | None = None,
    ) -> str:
        """The ARN of a new role. Raises PolicyInvalid for a document that AWS would not take."""
        document = _checked(trust, "trust", f"the trust policy of role {name}")
        texts = [_policy_text(policy, number) for number, policy in enumerate(policies, 1)]
        with self._sandbox.world.lock:
            planter = Planter(self._sandbox.world)
            role = planter.add_role(
                self.id, name, document, tags=tuple((tags or {}).items()), max_seconds=max_session_duration
            )
            for text in texts:
                planter.put_policy(self.id, "role", name, text)
        return role.arn

    def add_key(self, name: str, *, policy: Document | str = "") -> str:
        """The ARN of a new KMS key in the sandbox's region, `alias/NAME`; without a policy its account decides."""
        document = _checked(policy, "resource", f"the policy of key {name}") if policy else None
        with self._sandbox.world.lock:
            return self._sandbox.keys.add(self._place, "", document, f"alias/{name}")

    def add_secret(
        self, name: str, value: str | Mapping[str, object], *, policy: Document | str = "", kms_key: str = ""
    ) -> str:
        """The ARN of a new secret in the sandbox's region; a mapping becomes JSON, and `kms_key` is a key's ARN.

        With a policy and no key it has one that everybody may use through Secrets Manager, so that other accounts can.
        """
        text = value if isinstance(value, str) else json.dumps(value)
        document = _checked(policy, "resource", f"the policy of secret {name}") if policy else None
        with self._sandbox.world.lock:
            if document is not None and not kms_key:
                kms_key = open_key(self._sandbox.keys, self._sandbox.world.partitions[self.id], self._place)
            return self._sandbox.vault.put_secret(self._place, name, text, None, document, kms_key)

    def add_parameter(self, name: str, value: str, *, kms_key: str = "") -> None:
        """A new SecureString of Parameter Store in the sandbox's region; `kms_key` is a key's ARN."""
        with self._sandbox.world.lock:
            self._sandbox.vault.open_parameters()
            self._sandbox.vault.put_parameter(self._place, name, value, "SecureString", kms_key)

    @property
    def _place(self) -> Place:
        return Place(self.id, self._sandbox.region)


class LocalAws:
    """A sandbox that serves in the `with` block."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.clock = SandboxClock(server.sandbox)

    @property
    def url(self) -> str:
        """What AWS_ENDPOINT_URL is set to."""
        return self.server.url

    @property
    def region(self) -> str:
        """What clients are told to use, and where secrets without a region are."""
        return self.server.sandbox.region

    def account(self, account_id: str = "") -> SandboxAccount:
        """An account; the default one if none is named. One that is not there yet is made, empty."""
        sandbox = self.server.sandbox
        account_id = account_id or sandbox.default_account
        if not is_account_id(account_id):
            raise ValueError(f"`{account_id}` is not an account id: that is a text of 12 digits")
        with sandbox.world.lock:
            if account_id not in sandbox.world.partitions:
                sandbox.world.add_account(account_id)
        return SandboxAccount(self, account_id)

    def user(self, name: str = "") -> Identity:
        """A user by NAME or NAME@ACCOUNT; the default one (`admin`, unless the seed says another) if none is named."""
        sandbox = self.server.sandbox
        name = name or sandbox.default_identity
        with sandbox.world.lock:
            found = find_user(sandbox, name)
            keys = [] if found is None else sandbox.world.keys_of(found)
        if not keys:
            raise SandboxUnavailable(f"the sandbox has no user `{name}` with an access key")
        key_id, secret = keys[0]
        return Identity(self.url, self.region, Credentials(key_id, Secret(secret)))

    def environment(self, name: str = "", environ: Mapping[str, str] | None = None) -> dict[str, str]:
        """A whole environment in which a program is that user: see `Identity.environment`."""
        return self.user(name).environment(environ)

    def totp(self, serial: str) -> str:
        """The code that an MFA device shows now."""
        sandbox = self.server.sandbox
        with sandbox.world.lock:
            device = sandbox.world.virtual_mfa_device(serial)
            if device is None:
                raise SandboxUnavailable(f"the sandbox has no MFA device {serial}")
            return totp.code_at(device.seed, sandbox.clock.now())

    def decisions(self) -> list[dict[str, Any]]:
        """Why requests were allowed or refused, oldest first, as `/_sandbox/decisions` tells it."""
        sandbox = self.server.sandbox
        with sandbox.world.lock:
            return [decision_record(kept) for kept in sandbox.judge.decisions]

    def events(self) -> list[dict[str, Any]]:
        """The calls so far as CloudTrail records them, oldest first."""
        with self.server.sandbox.world.lock:
            return list(self.server.sandbox.events.records())

    def __enter__(self) -> Self:
        self.server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.server.close()


def _policy_text(policy: Document | str, number: int) -> PolicyText:
    if isinstance(policy, str) and policy.startswith("arn:"):
        return PolicyText(policy, "")
    name = f"policy-{number}"
    return PolicyText(name, _checked(policy, "identity", name))


def _checked(policy: Document | str, kind: PolicyKind, name: str) -> str:
    """The document as JSON text. Raises PolicyInvalid."""
    text = policy if isinstance(policy, str) else json.dumps(policy, indent=2)
    parse_policy(text, kind, name=name)
    return text

"""A test's interface to its sandbox: accounts to fill, identities to use, a clock to move."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from dsops.arn import is_account_id
from dsops.credentials import Credentials
from dsops.errors import ExtraMissing
from dsops.extras import install_packages
from dsops.policy import PolicyKind, parse_policy
from dsops.sandbox.control.client import client_environment, client_variables
from dsops.secret import Secret

if TYPE_CHECKING:
    from dsops.sandbox.seed.model import Seed
    from dsops.testing.policies import Document

    # A function that calls an operation with its parameters: SandboxProcess.do, or SandboxKeeper.do in the sandbox's
    # process.
    Do = Callable[..., Any]
    SeedLike = str | Mapping[str, object] | os.PathLike[str] | Seed | None


class Identity:
    """A user or a role session, whose credentials sign requests to the sandbox."""

    def __init__(self, url: str, region: str, credentials: Credentials) -> None:
        self.url = url
        self.region = region
        self.credentials = credentials

    def with_credentials(self, credentials: Credentials) -> Identity:
        """Return an identity with other credentials in the same sandbox."""
        return Identity(self.url, self.region, credentials)

    @property
    def arn(self) -> str:
        """The ARN that GetCallerIdentity returns. Raises the error of that call if the credentials are invalid."""
        from dsops.testing.session import caller_arn

        return caller_arn(self.url, self.region, self.credentials)

    def environment(self, environ: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the environment variables with which a program acts as this identity.

        Usage: `run(..., env=alice.environment())`. The result is `environ` (by default this process's environment
        variables) plus this identity's variables. Variables that would make an AWS client use another identity or
        endpoint are removed.
        """
        credentials = self.credentials
        variables = client_variables(
            self.url, self.region, credentials.access_key_id, credentials.secret_access_key.reveal()
        )
        if credentials.session_token is not None:
            variables["AWS_SESSION_TOKEN"] = credentials.session_token.reveal()
        return client_environment(os.environ if environ is None else environ, variables)

    def boto3_session(self) -> Any:  # Any: boto3 has no type hints
        """Return a boto3 Session that uses the sandbox. Raises ExtraMissing if boto3 is not installed."""
        try:
            from dsops.testing.boto import SandboxSession
        except ModuleNotFoundError as error:
            raise ExtraMissing(
                "boto3 is not installed",
                why=f"{error.name} is missing",
                hint=f"install it: {install_packages('boto3')}",
            ) from error
        return SandboxSession(self.url, self.region, self.credentials)

    def __repr__(self) -> str:
        return f"Identity({self.credentials.masked_key_id}, {self.url})"


class SandboxClock:
    """The sandbox's clock. Sessions and MFA codes depend on it; signatures depend on the machine's clock."""

    def __init__(self, do: Do) -> None:
        self._do = do

    def now(self) -> datetime:
        """Return the sandbox's time, in UTC."""
        return datetime.fromtimestamp(self._do("clock")[0], UTC)

    def advance(self, step: float | timedelta) -> datetime:
        """Move the clock forward by seconds or a timedelta; return the new time."""
        seconds = step.total_seconds() if isinstance(step, timedelta) else step
        return self._move(self._do("clock")[0] + seconds)

    def move_to(self, moment: datetime) -> datetime:
        """Set the clock; return the new time. A time without a time zone is UTC."""
        return self._move((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())

    def freeze(self) -> None:
        """Stop the clock. A test can still move it."""
        self._do("freeze_clock", is_frozen=True)

    def resume(self) -> None:
        """Let a stopped clock run again, from its current time."""
        self._do("freeze_clock", is_frozen=False)

    @property
    def is_frozen(self) -> bool:
        """Whether the clock is frozen."""
        return bool(self._do("clock")[1])

    def _move(self, seconds: float) -> datetime:
        self._do("move_clock", seconds=seconds)
        return self.now()


class SandboxAccount:
    """An account of the sandbox. Changes take effect at the next request."""

    def __init__(self, aws: LocalAws, account_id: str, partition: str, do: Do) -> None:
        self._aws = aws
        self._do = do
        self.id = account_id
        self.partition = partition
        """The account's partition: `aws` for most accounts."""

    @property
    def root_arn(self) -> str:
        """The ARN of the account's root. In a trust policy, it stands for the whole account."""
        return f"arn:{self.partition}:iam::{self.id}:root"

    def user(self, name: str) -> Identity:
        """Return the user of that name in this account."""
        return self._aws.user(f"{name}@{self.id}")

    def add_user(
        self, name: str, *, policies: Iterable[Document | str] = (), tags: Mapping[str, str] | None = None
    ) -> Identity:
        """Create a user with an access key. Each policy is a document or the ARN of a managed policy."""
        self._do("add_user", account=self.id, name=name, policies=_policy_texts(policies), tags=_pairs(tags))
        return self.user(name)

    def add_mfa_device(self, user: str, name: str = "") -> str:
        """Create an MFA device for that user; return its serial number.

        `sandbox.totp(serial)` returns the device's current code.
        """
        serial: str = self._do("add_mfa_device", account=self.id, user=user, name=name or user)
        return serial

    def add_role(
        self,
        name: str,
        *,
        trust: Document | str,
        policies: Iterable[Document | str] = (),
        max_session_duration: int = 3600,
        tags: Mapping[str, str] | None = None,
    ) -> str:
        """Create a role; return its ARN. Raises PolicyInvalid for a document that AWS would refuse."""
        document = _checked(trust, "trust", f"the trust policy of role {name}")
        arn: str = self._do(
            "add_role",
            account=self.id,
            name=name,
            trust=document,
            policies=_policy_texts(policies),
            tags=_pairs(tags),
            max_seconds=max_session_duration,
        )
        return arn

    def add_key(self, name: str, *, policy: Document | str = "") -> str:
        """Create a KMS key with alias `alias/NAME` in the sandbox's region; return its ARN.

        Without a policy the key gets CreateKey's default policy, which lets the account's IAM policies decide.
        """
        document = _checked(policy, "resource", f"the policy of key {name}") if policy else None
        arn: str = self._do("add_key", account=self.id, name=name, policy=document)
        return arn

    def add_secret(
        self, name: str, value: str | Mapping[str, object], *, policy: Document | str = "", kms_key: str = ""
    ) -> str:
        """Create a secret in the sandbox's region; return its ARN.

        A mapping is stored as JSON. `kms_key` is a key's ARN. A secret with a policy but without `kms_key` gets a key
        that all callers may use through Secrets Manager, so that other accounts can read the secret.
        """
        text = value if isinstance(value, str) else json.dumps(value)
        document = _checked(policy, "resource", f"the policy of secret {name}") if policy else None
        arn: str = self._do("add_secret", account=self.id, name=name, value=text, policy=document, kms_key=kms_key)
        return arn

    def add_parameter(self, name: str, value: str, *, kms_key: str = "") -> None:
        """Create a SecureString parameter in the sandbox's region; `kms_key` is a key's ARN."""
        self._do("add_parameter", account=self.id, name=name, value=value, kms_key=kms_key)


class LocalAws:
    """A sandbox that runs in a separate process during the `with` block."""

    def __init__(self, do: Do, seed: SeedLike = None, folder: str | os.PathLike[str] = ".") -> None:
        """`do` calls the operations of `dsops.testing.child`. Paths of files in the seed are relative to `folder`."""
        self._do = do
        self._seed = seed
        self._folder = os.path.abspath(folder)
        self.clock = SandboxClock(do)
        self.url = ""
        """The sandbox's URL, which clients use as AWS_ENDPOINT_URL."""
        self.region = ""
        """The region that clients use. The seed's secrets are in this region unless they name another one."""

    def account(self, account_id: str = "") -> SandboxAccount:
        """Return an account; without an id, the default account. Creates an empty account if it is missing."""
        if account_id and not is_account_id(account_id):
            raise ValueError(f"`{account_id}` is not an account id: that is a text of 12 digits")
        account_id, partition = self._do("account", account_id=account_id)
        return SandboxAccount(self, account_id, partition, self._do)

    def user(self, name: str = "") -> Identity:
        """Return the user NAME or NAME@ACCOUNT; without a name, the seed's default identity (`admin`)."""
        key_id, secret = self._do("keys", name=name)
        return Identity(self.url, self.region, Credentials(key_id, Secret(secret)))

    def environment(self, name: str = "", environ: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return variables with which a program acts as that user; see `Identity.environment` and `user`."""
        return self.user(name).environment(environ)

    def totp(self, serial: str) -> str:
        """Return the MFA device's current code."""
        code: str = self._do("totp", serial=serial)
        return code

    def decisions(self) -> list[dict[str, Any]]:
        """Return the authorization decisions, oldest first, in the format of `/_sandbox/decisions`."""
        decisions: list[dict[str, Any]] = self._do("decisions")
        return decisions

    def events(self) -> list[dict[str, Any]]:
        """Return the recorded calls in CloudTrail's format, oldest first."""
        events: list[dict[str, Any]] = self._do("events")
        return events

    def __enter__(self) -> Self:
        """Start the sandbox. Raises SeedInvalid with all problems of the seed."""
        kind, seed = _seed_argument(self._seed)
        self.url, self.region = self._do("open", kind=kind, seed=seed, folder=self._folder)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._do("close")


def _seed_argument(seed: SeedLike) -> tuple[str, object]:
    """Return the kind of the seed and the seed itself, in the form that `SandboxKeeper` accepts."""
    if isinstance(seed, str):
        return "text", seed
    if isinstance(seed, Mapping):
        # JSON is valid YAML. It is indented, so that the seed's problems have useful line numbers.
        return "text", json.dumps(seed, indent=2)
    if isinstance(seed, os.PathLike):
        return "file", os.fspath(seed)
    return "seed", seed


def _pairs(tags: Mapping[str, str] | None) -> tuple[tuple[str, str], ...]:
    return tuple((tags or {}).items())


def _policy_texts(policies: Iterable[Document | str]) -> list[tuple[str, str]]:
    return [_policy_text(policy, number) for number, policy in enumerate(policies, 1)]


def _policy_text(policy: Document | str, number: int) -> tuple[str, str]:
    """Return a policy's name and document; for a managed policy, return its ARN and ""."""
    if isinstance(policy, str) and policy.startswith("arn:"):
        return policy, ""
    name = f"policy-{number}"
    return name, _checked(policy, "identity", name)


def _checked(policy: Document | str, kind: PolicyKind, name: str) -> str:
    """Return the document as JSON text. Raises PolicyInvalid if the document is not valid."""
    text = policy if isinstance(policy, str) else json.dumps(policy, indent=2)
    parse_policy(text, kind, name=name)
    return text

"""The plan's data: steps, variables, base identities, logins."""

from __future__ import annotations

from collections.abc import Mapping

from dsops.errors import Where
from dsops.model import Transform
from dsops.schema import REASON_TO, Settings, StoreType
from dsops.secret import Secret
from dsops.startup import NamedTuple, NewType

Fingerprint = NewType("Fingerprint", str)


class Ambient(NamedTuple):
    """The identity that signs the first hop, as far as it is known without starting a process."""

    source: str
    """`environment`, `profile NAME`, or `default chain`."""
    digest: str
    """Differs whenever the identity may differ. An HMAC, so that it reveals nothing about the key."""
    is_temporary: bool | None
    """Whether a role assumed with it is chained, since it is temporary; None if only botocore can tell."""
    region: str = ""
    """The region of its profile; "" if the profile names none, or there is no profile."""
    endpoints: tuple[tuple[str, str], ...] = ()
    """The endpoint settings of its profile, as environment variables that are not set."""
    mark: str = ""
    """Like `digest`, but only for this process: changes when the files change; "" for keys in variables."""


class Login(NamedTuple):
    """A login to IAM Identity Center, as known before it is used."""

    told: str
    """The state of the login in words: when it ends, or that there is none."""
    mark: str
    """Differs for another login; "" without a login."""
    region: str
    """The region of the Identity Center instance."""
    note: str = ""
    """A note for the user, such as a login that ends soon."""


class Proof(NamedTuple):
    """What takes the place of base credentials: a web identity token, SAML response or login, not sent yet."""

    source: str
    """The source in words: `the token from GitHub Actions`."""
    digest: str
    """Differs for another token or another source of it. Reveals nothing about the token."""
    speaks_of: tuple[str, str, str] | None = None
    """Issuer, subject and audience, unverified; None if the token is available only at run time."""
    is_fetched: bool = False
    """Whether the token is available only at run time: from a command or a platform's endpoint."""
    login: Login | None = None
    """The login, if a user's login takes the place of base credentials."""
    endpoints: tuple[tuple[str, str], ...] = ()
    """The endpoint settings of the profile that the environment names, as environment variables that are not set."""

    @property
    def may_change(self) -> bool:
        """Whether the identity can change between plan and use: there is no token yet, or the user may log in again."""
        return self.login is not None or (self.speaks_of is None and not self.is_fetched)


def no_proof(store_type: str, settings: Settings) -> Proof:
    """The default for `proof`: refuses, since different tokens would share sessions without it."""
    raise TypeError(f"a plan of {store_type} with {sorted(settings)} needs `proof`")


class Step(NamedTuple):
    """One store that the environment needs: texts expanded, limits checked."""

    name: str
    type: StoreType
    settings: Settings
    """The settings by canonical name, without `region`, `credentials_from` and `profile`, which are attributes."""
    region: str
    credentials_from: str
    """The step whose credentials sign its calls; "" for base credentials (of `profile`, if that is set)."""
    profile: str
    fingerprint: Fingerprint
    """The fingerprint of the session that it issues (credential stores) or reads with (secret stores)."""
    is_chained: bool | None
    """Whether temporary credentials sign its AssumeRole call, which limits the session to an hour; None if unknown."""
    where: Where
    operation: str = ""
    """The STS operation that issues its session; "" for other store types."""
    proof: Proof | None = None
    """The token or login that takes the place of base credentials; then nothing signs the call."""
    endpoints: tuple[tuple[str, str], ...] = ()
    """The endpoint settings of the profile at the start of its chain, as environment variables that are not set."""

    @property
    def role(self) -> str:
        """The role of its session: an ARN, or account and permission set; "" for a session without a role."""
        return "/".join([str(self.settings[key]) for key in self.type.role_keys if key in self.settings])

    @property
    def session_action(self) -> str:
        """The API action that issues its session; "" if no API call does."""
        return self.operation or self.type.session_action

    @property
    def session_permission(self) -> str:
        """The IAM action of `session_action`, such as `sts:AssumeRole`; "" if no API call issues its session."""
        return f"{self.type.service}:{self.session_action}" if self.session_action else ""

    @property
    def session_source(self) -> str:
        """The issuer of its session, as `plan` and `graph` show it: an API action, `keyring`, or the store type."""
        return self.session_action or self.type.shown_as or self.type.name

    @property
    def lacks_reason(self) -> bool:
        """Whether the session needs a reason and none is given."""
        to = str(self.settings.get(REASON_TO, ""))
        if not to.startswith("tag:"):
            return bool(to) and to not in self.settings
        tags = self.settings.get("tags", ())
        return not isinstance(tags, tuple) or all(pair[0] != to.removeprefix("tag:") for pair in tags)

    @property
    def sends_tags(self) -> bool:
        """Whether the call sends session tags, including a reason that is not known yet."""
        return "tags" in self.settings or str(self.settings.get(REASON_TO, "")).startswith("tag:")

    @property
    def sends_source_identity(self) -> bool:
        """Whether the call sends a source identity, including a reason that is not known yet."""
        return "source_identity" in self.settings or self.settings.get(REASON_TO) == "source_identity"


class SecretReference(NamedTuple):
    """One read from a secret store; equal references are fetched once."""

    key: str
    version: str
    field: str


class PlannedVariable(NamedTuple):
    """One variable of the environment, its texts expanded. `step` is "" for a literal."""

    name: str
    step: str
    reference: SecretReference | None
    literal: Secret | None
    default: Secret | None
    optional: bool
    transforms: tuple[Transform, ...]
    source: str
    """The source in words: `store://aws-secrets-prod/prod/database/connection`, or `literal`."""
    where: Where


class Plan(NamedTuple):
    """Everything that a run will do, known before it does anything."""

    environment: str
    variables: tuple[PlannedVariable, ...]
    steps: Mapping[str, Step]
    """The steps; each stands after the one whose credentials it uses."""
    ambient: Mapping[str, Ambient]
    """Profile name ("" for none) -> base identity, for the profiles that steps use."""
    calls: int
    """The number of requests to AWS without cached sessions."""
    notes: tuple[str, ...]
    unallowed: str = ""
    """The file, if dsops found it and the user has not allowed it: such a plan is shown, never carried out."""

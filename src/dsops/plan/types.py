"""The plan's data: steps, variables, base identities, logins."""

from __future__ import annotations

from collections.abc import Mapping

from dsops.errors import Where
from dsops.model import ReadFiles, Transform
from dsops.schema import REASON_TO, Settings, StoreType
from dsops.secret import Secret
from dsops.startup import NamedTuple, NewType

Fingerprint = NewType("Fingerprint", str)


class Ambient(NamedTuple):
    """The identity that signs the first hop, as far as it is known without starting a process."""

    source: str
    """The source: `environment`, `profile NAME`, or `default chain`."""
    digest: str
    """A digest that changes whenever the identity may have changed. As an HMAC it reveals nothing about the key."""
    is_temporary: bool | None
    """Whether the identity is temporary; None if only botocore can determine it.

    A role that is assumed with a temporary identity is a chained role.
    """
    region: str = ""
    """The region of the identity's profile; "" if there is no profile or the profile has no region."""
    endpoints: tuple[tuple[str, str], ...] = ()
    """The profile's endpoint settings, in the form of environment variables.

    Environment variables that are set take precedence over them.
    """
    mark: str = ""
    """A digest that changes when AWS's files change; "" for keys from environment variables.

    Only this process can compare it, because the HMAC key is in its memory.
    """


class Login(NamedTuple):
    """The facts about a login to IAM Identity Center that are known before the login is used."""

    told: str
    """The state of the login in words: when it ends, or that the user is not logged in."""
    mark: str
    """A digest that identifies the login; "" if there is no login."""
    region: str
    """The region of the Identity Center instance."""
    note: str = ""
    """A note for the user, such as a login that ends soon."""


class Proof(NamedTuple):
    """The facts about a token, SAML response or login that are known before it is sent.

    The token, SAML response or login replaces base credentials.
    """

    source: str
    """The source in words, such as `the token from GitHub Actions`."""
    digest: str
    """A digest that differs between tokens and between token sources. It reveals nothing about the token."""
    speaks_of: tuple[str, str, str] | None = None
    """The token's issuer, subject and audience, unverified; None if the token is available only at run time."""
    is_fetched: bool = False
    """Whether the token is available only at run time: from a command or a platform's endpoint."""
    login: Login | None = None
    """The user's login, if a login replaces base credentials."""
    endpoints: tuple[tuple[str, str], ...] = ()
    """The endpoint settings, as environment variables, of the profile that AWS_PROFILE names.

    The list omits variables that are already set.
    """
    certificate: str = ""
    """The digest of the certificate that replaces base credentials; "" for a token or login, or if it is missing."""
    region: str = ""
    """The region of the certificate's trust anchor; "" for a token or login."""

    @property
    def may_change(self) -> bool:
        """Whether the identity can change between plan and use: no token exists yet, or the user may log in again."""
        is_known = self.speaks_of is not None or self.is_fetched or bool(self.certificate)
        return self.login is not None or not is_known


def no_proof(store_type: str, settings: Settings) -> Proof:
    """Raise TypeError: the caller must pass `proof`. Without it, sessions of different tokens would look the same."""
    raise TypeError(f"a plan of {store_type} with {sorted(settings)} needs `proof`")


def no_recording(path: str) -> str:
    """Raise TypeError: the caller must pass `recorded`. Without it, a session would not be limited."""
    raise TypeError(f"a plan with the recording {path} needs `recorded`")


class Step(NamedTuple):
    """One store that the dsops environment needs, with its `${NAME}` expanded and its limits checked."""

    name: str
    type: StoreType
    settings: Settings
    """The settings by canonical name, without `region`, `credentials_from` and `profile`, which are attributes."""
    region: str
    credentials_from: str
    """The step whose credentials sign this step's calls; "" for base credentials (of `profile`, if that is set)."""
    profile: str
    fingerprint: Fingerprint
    """The fingerprint of the session that the step issues (credential stores) or reads with (secret stores)."""
    is_chained: bool | None
    """Whether temporary credentials sign the AssumeRole call, which limits the session to an hour; None if unknown."""
    where: Where
    operation: str = ""
    """The STS operation that issues the step's session; "" for other store types."""
    proof: Proof | None = None
    """The token or login that replaces base credentials. The call is then unsigned."""
    endpoints: tuple[tuple[str, str], ...] = ()
    """The endpoint settings of the profile at the start of the chain, as environment variables.

    The list omits variables that are already set.
    """

    @property
    def role(self) -> str:
        """The role of the step's session: an ARN, or account and permission set; "" for a session without a role."""
        return "/".join([str(self.settings[key]) for key in self.type.role_keys if key in self.settings])

    @property
    def session_action(self) -> str:
        """The API action that issues the step's session; "" if no API call does."""
        return self.operation or self.type.session_action

    @property
    def session_permission(self) -> str:
        """The IAM action for `session_action`, such as `sts:AssumeRole`; "" if no API call issues the session."""
        return f"{self.type.service}:{self.session_action}" if self.session_action else ""

    @property
    def session_source(self) -> str:
        """What issued the session, as `plan` and `graph` show it: an API action, `keyring`, or the store type."""
        return self.session_action or self.type.shown_as or self.type.name

    @property
    def lacks_reason(self) -> bool:
        """Whether the step must send a reason and the user has given none."""
        to = str(self.settings.get(REASON_TO, ""))
        if not to.startswith("tag:"):
            return bool(to) and to not in self.settings
        tags = self.settings.get("tags", ())
        return not isinstance(tags, tuple) or all(pair[0] != to.removeprefix("tag:") for pair in tags)

    @property
    def asks_code(self) -> bool:
        """Whether the call sends an MFA code, so that a user may have to type it."""
        return "serial_number" in self.settings

    @property
    def sends_tags(self) -> bool:
        """Whether the call sends session tags. True also if the tag is a reason that is not known yet."""
        return "tags" in self.settings or str(self.settings.get(REASON_TO, "")).startswith("tag:")

    @property
    def sends_source_identity(self) -> bool:
        """Whether the call sends a source identity. True also if it is a reason that is not known yet."""
        return "source_identity" in self.settings or self.settings.get(REASON_TO) == "source_identity"


class SecretReference(NamedTuple):
    """One read from a secret store. Equal references are fetched once."""

    key: str
    version: str
    field: str


class PlannedVariable(NamedTuple):
    """One variable of the dsops environment, with its `${NAME}` expanded. `step` is "" for a literal."""

    name: str
    step: str
    reference: SecretReference | None
    literal: Secret | None
    default: Secret | None
    optional: bool
    transforms: tuple[Transform, ...]
    source: str
    """The source of the value in words: `store://aws-secrets-prod/prod/database/connection`, or `literal`."""
    where: Where


class Plan(NamedTuple):
    """Everything that a run will do, determined before the run starts."""

    environment: str
    variables: tuple[PlannedVariable, ...]
    steps: Mapping[str, Step]
    """The steps. Each step comes after the step whose credentials it uses."""
    ambient: Mapping[str, Ambient]
    """The base identities by profile name ("" for none), for the profiles that steps use."""
    calls: int
    """The number of requests to AWS that a run without cached sessions sends."""
    notes: tuple[str, ...]
    unallowed: str = ""
    """The path of the configuration if dsops found it and the user has not allowed it; otherwise "".

    Such a plan may be shown, but not executed.
    """
    read: ReadFiles = ReadFiles()
    """The configuration files from which the plan was made."""

    def variables_by_step(self) -> Mapping[str, list[PlannedVariable]]:
        """Return the variables that read from each step; a step that no variable reads from is missing."""
        variables: dict[str, list[PlannedVariable]] = {}
        for variable in self.variables:
            if variable.reference is not None:
                variables.setdefault(variable.step, []).append(variable)
        return variables

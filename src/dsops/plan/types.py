"""What a plan is made of; values only."""

from __future__ import annotations

from collections.abc import Mapping

from dsops.errors import Where
from dsops.model import Transform
from dsops.schema import REASON_TO, Settings
from dsops.secret import Secret
from dsops.startup import NamedTuple, NewType

Fingerprint = NewType("Fingerprint", str)


class Ambient(NamedTuple):
    """What is known, without asking anybody, of the identity that signs the first hop."""

    source: str
    """`environment`, `profile NAME`, or `default chain`."""
    digest: str
    """Differs whenever the identity may differ; an HMAC, so that it tells nothing about the key."""
    is_temporary: bool | None
    """Whether a role assumed with it is chained; None when only the subprocess can tell."""
    region: str = ""
    """The region that its profile names; "" where it names none, or there is no profile."""
    endpoints: tuple[tuple[str, str], ...] = ()
    """What its profile says of endpoints, as variables that the environment does not have."""
    mark: str = ""
    """As `digest`, for this process to compare: another one once the files say something else; "" for plain keys."""


class Login(NamedTuple):
    """What is known of a login before it is used."""

    told: str
    """For people: until when it lasts, or that there is none."""
    mark: str
    """Differs for another login; "" where nobody has logged in."""
    region: str
    """Of the place where people log in."""
    note: str = ""
    """What somebody should see to."""


class Proof(NamedTuple):
    """What stands where base credentials stand elsewhere, as known before it is sent: a web identity token, a login."""

    source: str
    """For people: `the token from GitHub Actions`."""
    digest: str
    """Differs whenever another token, or another way to it, is meant; it tells nothing about the token."""
    speaks_of: tuple[str, str, str] | None = None
    """Issuer, subject and audience, which nobody has verified; None where the token comes only at run time."""
    is_fetched: bool = False
    """Whether it comes only at run time: from a command or a platform's service."""
    login: Login | None = None
    """Where it is what a person's login has left behind."""
    endpoints: tuple[tuple[str, str], ...] = ()
    """What the profile of the environment says of endpoints, as variables that the environment does not have."""

    @property
    def may_change(self) -> bool:
        """Whether it may be another one at the next use: it was not at hand, or somebody may log in once more."""
        return self.login is not None or (self.speaks_of is None and not self.is_fetched)


def no_proof(store_type: str, settings: Settings) -> Proof:
    """Stands in where nobody said how tokens are told apart: a plan without that would share sessions."""
    raise TypeError(f"a plan of {store_type} with {sorted(settings)} needs `proof`")


_SESSION_SOURCES = {"aws.sso": "GetRoleCredentials", "aws.keys": "keyring"}


class Step(NamedTuple):
    """One store that the environment needs, its texts expanded and every limit checked."""

    name: str
    type: str
    settings: Settings
    """Under their canonical names, without `region`, `credentials_from` and `profile`, which stand below."""
    region: str
    credentials_from: str
    """The step whose credentials it uses; "" for the ambient ones (of `profile`, where that is set)."""
    profile: str
    fingerprint: Fingerprint
    """Of the session it issues (credential stores) or reads with (secret stores)."""
    is_chained: bool | None
    """Whether temporary credentials sign its AssumeRole, so that one hour is the most; None: not known."""
    where: Where
    operation: str = ""
    """The API action that issues its session; "" for a store that issues none, or a plugin's."""
    proof: Proof | None = None
    """What stands for base credentials; then nothing signs the call."""
    endpoints: tuple[tuple[str, str], ...] = ()
    """What the profile that it all begins with says of endpoints, as variables that the environment does not have."""

    @property
    def role(self) -> str:
        """The role that it becomes: an ARN, or account and permission set; "" where it becomes none."""
        if self.type == "aws.sso":
            return f"{self.settings['account_id']}/{self.settings['role_name']}"
        return str(self.settings.get("role_arn", ""))

    @property
    def session_source(self) -> str:
        """What issues its session, as `plan` and `graph` show it: an API action, `keyring`, or the store type."""
        return self.operation or _SESSION_SOURCES.get(self.type, self.type)

    @property
    def lacks_reason(self) -> bool:
        """Whether its session takes a reason, and nobody gave one."""
        to = str(self.settings.get(REASON_TO, ""))
        if not to.startswith("tag:"):
            return bool(to) and to not in self.settings
        tags = self.settings.get("tags", ())
        return not isinstance(tags, tuple) or all(pair[0] != to.removeprefix("tag:") for pair in tags)

    @property
    def sends_tags(self) -> bool:
        """Whether tags go along, be it only that of a reason which is not known yet."""
        return "tags" in self.settings or str(self.settings.get(REASON_TO, "")).startswith("tag:")

    @property
    def sends_source_identity(self) -> bool:
        """Whether a source identity goes along, be it a reason which is not known yet."""
        return "source_identity" in self.settings or self.settings.get(REASON_TO) == "source_identity"


class SecretReference(NamedTuple):
    """What a secret store is asked for; equal references are fetched once."""

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
    """For people: `store://aws-secrets-prod/prod/database/connection`, or `literal`."""
    where: Where


class Plan(NamedTuple):
    """Everything that a run will do, before it does anything."""

    environment: str
    variables: tuple[PlannedVariable, ...]
    steps: Mapping[str, Step]
    """In an order in which each stands after the one whose credentials it uses."""
    ambient: Mapping[str, Ambient]
    """Profile name ("" for none) -> the ambient identity, for those that some step uses."""
    calls: int
    """How many requests a cold run makes to AWS."""
    notes: tuple[str, ...]
    unallowed: str = ""
    """The file, where it was found and the user has not allowed it: such a plan is shown, and never carried out."""

"""What a sandbox starts with: accounts and all that is in them. Made from a seed file, or by `dsops.seed`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from dsops.sandbox.seed.identity_center_model import SeedIdentityCenter
from dsops.sandbox.state.iam_backend import StoredPolicy
from dsops.sandbox.state.organization_builder import SeedOrganization
from dsops.sandbox.state.world import Tags

DEFAULT_ACCOUNT = "123456789012"
DEFAULT_REGION = "us-east-1"
ADMIN = "admin"


class SeedKey(NamedTuple):
    """An access key; "" for what is to be made up."""

    access_key_id: str
    secret_access_key: str


class SeedDevice(NamedTuple):
    """A virtual MFA device; `seed` "" is made up."""

    name: str
    seed: str
    path: str = "/"


class SeedUser(NamedTuple):
    """A user, with one access key."""

    name: str
    key: SeedKey = SeedKey("", "")
    unique_id: str = ""
    path: str = "/"
    devices: tuple[SeedDevice, ...] = ()
    source_ip: str = ""
    groups: tuple[str, ...] = ()
    tags: Tags = ()
    policies: tuple[StoredPolicy, ...] = ()
    """Inline ones; a managed one is its ARN with "" as text."""
    boundary: str = ""
    """The ARN of a managed policy."""


class SeedRole(NamedTuple):
    """A role."""

    name: str
    trust: str
    unique_id: str = ""
    path: str = "/"
    source_ip: str = ""
    tags: Tags = ()
    policies: tuple[StoredPolicy, ...] = ()
    boundary: str = ""
    max_session_duration: int = 3600


class SeedSecret(NamedTuple):
    """A secret of Secrets Manager; one of `string` and `binary` (base64) is set."""

    string: str | None
    binary: str | None = None
    policy: str | None = None
    kms_key: str = ""
    """The name of one of the region's keys, or an ARN; "" for the account's default key.

    With a policy "" stands for a key that everybody may use through Secrets Manager: other accounts can't use the
    default one.
    """


class SeedKmsKey(NamedTuple):
    """A customer managed key."""

    key_id: str = ""
    """Empty for one that is made up."""
    policy: str | None = None
    """None for that of CreateKey: its account decides."""


class SeedRegion(NamedTuple):
    """What an account holds in one region."""

    secrets: Mapping[str, SeedSecret]
    parameters: Mapping[str, str | tuple[str, ...]]
    """Texts become SecureStrings, several texts a StringList."""
    keys: Mapping[str, SeedKmsKey] = {}
    """By name; their alias is `alias/NAME`."""
    parameter_keys: Mapping[str, str] = {}
    """By parameter; as a secret's `kms_key`."""


class SeedOidcProvider(NamedTuple):
    """An OpenID Connect provider; its tokens are signed by the sandbox, or by whoever owns the keys in `jwks`."""

    url: str
    client_ids: tuple[str, ...]
    """Empty for an issuer that every account knows: no provider is made then."""
    is_issued_by_sandbox: bool = False
    jwks: str = ""
    """A JSON Web Key Set; "" for none: then no token of it can be verified, there being no way to the internet."""


class SeedSamlProvider(NamedTuple):
    """A SAML identity provider: the sandbox's own, or whoever's metadata that is."""

    name: str
    metadata: str
    """Empty for the sandbox's own."""


class SeedAccount(NamedTuple):
    """One account. A user `admin` with full rights is added if it isn't among the users."""

    account: str
    partition: str = "aws"
    root: SeedKey | None = None
    users: tuple[SeedUser, ...] = ()
    groups: Mapping[str, tuple[StoredPolicy, ...]] = {}
    roles: tuple[SeedRole, ...] = ()
    policies: tuple[StoredPolicy, ...] = ()
    """Managed policies of its own."""
    regions: Mapping[str, SeedRegion] = {}
    oidc_providers: tuple[SeedOidcProvider, ...] = ()
    saml_providers: tuple[SeedSamlProvider, ...] = ()
    has_outbound_federation: bool = False
    """Whether GetWebIdentityToken is switched on."""
    closed_sts_regions: tuple[str, ...] = ()
    """Where the account has switched STS off."""


class Seed(NamedTuple):
    """The first account is the default one."""

    accounts: tuple[SeedAccount, ...] = (SeedAccount(DEFAULT_ACCOUNT),)
    region: str = DEFAULT_REGION
    default_identity: str = ADMIN
    """Whose keys a command gets when nobody says `--as`."""
    organization: SeedOrganization | None = None
    throttle: Mapping[str, float] = {}
    """Service -> requests a second, for each account and region."""
    identity_center: SeedIdentityCenter | None = None
    authorization_ids: frozenset[str] = frozenset()
    """Services whose refusals have an authorization id in them; `all` for every one."""

"""The content of a sandbox at start, from a seed file or from `dsops.seed`: accounts and their resources."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from dsops.request.question import Tags
from dsops.request.stored_policies import StoredPolicy
from dsops.sandbox.seed.identity_center_model import SeedIdentityCenter
from dsops.sandbox.seed.roles_anywhere import SeedRolesAnywhere
from dsops.sandbox.state.organization_builder import SeedOrganization

DEFAULT_ACCOUNT = "123456789012"
DEFAULT_REGION = "us-east-1"
ADMIN = "admin"
FULL_RIGHTS = StoredPolicy(
    "full-rights", '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}'
)
"""The inline policy of each account's user `admin`."""


class SeedKey(NamedTuple):
    """An access key. The id or the secret is generated if it is ""."""

    access_key_id: str
    secret_access_key: str


class SeedDevice(NamedTuple):
    """A virtual MFA device. The device's secret is generated if `seed` is ""."""

    name: str
    seed: str
    path: str = "/"


class SeedUser(NamedTuple):
    """A user with one access key."""

    name: str
    key: SeedKey = SeedKey("", "")
    unique_id: str = ""
    path: str = "/"
    devices: tuple[SeedDevice, ...] = ()
    source_ip: str = ""
    groups: tuple[str, ...] = ()
    tags: Tags = ()
    policies: tuple[StoredPolicy, ...] = ()
    """Inline policies, and managed policies. A managed policy has its ARN as name and "" as text."""
    boundary: str = ""
    """The ARN of a managed policy."""


class SeedRole(NamedTuple):
    """A role with its trust policy and permissions."""

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
    """A secret of Secrets Manager, with either `string` or `binary` (base64)."""

    string: str | None
    binary: str | None = None
    policy: str | None = None
    kms_key: str = ""
    """The name of one of the region's keys, or an ARN; "" for the account's default key.

    Other accounts can't use the default key. Therefore "" has a different meaning for a secret with a policy: a key
    that all callers may use through Secrets Manager.
    """


class SeedKmsKey(NamedTuple):
    """A customer managed key."""

    key_id: str = ""
    """The key's id; "" if an id is to be generated."""
    policy: str | None = None
    """The key policy; None for CreateKey's default policy, which lets the account's IAM policies decide."""


class SeedRegion(NamedTuple):
    """An account's resources in one region."""

    secrets: Mapping[str, SeedSecret]
    parameters: Mapping[str, str | tuple[str, ...]]
    """Parameter name -> value. A string becomes a SecureString, and a tuple becomes a StringList."""
    keys: Mapping[str, SeedKmsKey] = {}
    """Key name -> key. The key's alias is `alias/NAME`."""
    parameter_keys: Mapping[str, str] = {}
    """Parameter name -> the parameter's key, in the format of a secret's `kms_key`."""


class SeedOidcProvider(NamedTuple):
    """An OpenID Connect provider.

    The sandbox signs the provider's tokens, unless `jwks` contains the public keys of an external issuer.
    """

    url: str
    client_ids: tuple[str, ...]
    """The provider's client ids; () for an issuer that every account trusts without creating a provider."""
    is_issued_by_sandbox: bool = False
    jwks: str = ""
    """A JSON Web Key Set; "" without one.

    The sandbox does not use the network, so it can't verify an external issuer's tokens without the key set.
    """


class SeedSamlProvider(NamedTuple):
    """A SAML identity provider: the sandbox's own, or an external one described by its metadata."""

    name: str
    metadata: str
    """The provider's metadata document; "" for the sandbox's own provider."""


class SeedAccount(NamedTuple):
    """An account. If the seed has no user `admin` in the account, such a user with full rights is added."""

    account: str
    partition: str = "aws"
    root: SeedKey | None = None
    users: tuple[SeedUser, ...] = ()
    groups: Mapping[str, tuple[StoredPolicy, ...]] = {}
    roles: tuple[SeedRole, ...] = ()
    policies: tuple[StoredPolicy, ...] = ()
    """Customer managed policies."""
    regions: Mapping[str, SeedRegion] = {}
    oidc_providers: tuple[SeedOidcProvider, ...] = ()
    saml_providers: tuple[SeedSamlProvider, ...] = ()
    has_outbound_federation: bool = False
    """Whether GetWebIdentityToken is enabled."""
    closed_sts_regions: tuple[str, ...] = ()
    """Regions in which the account has deactivated STS."""
    roles_anywhere: SeedRolesAnywhere | None = None
    """The account's IAM Roles Anywhere."""


class Seed(NamedTuple):
    """The whole content of a sandbox. The first account is the default account."""

    accounts: tuple[SeedAccount, ...] = (SeedAccount(DEFAULT_ACCOUNT),)
    region: str = DEFAULT_REGION
    default_identity: str = ADMIN
    """The user whose keys a command uses if `--as` is absent."""
    organization: SeedOrganization | None = None
    throttle: Mapping[str, float] = {}
    """Service -> rate limit in requests a second, for each account and region."""
    identity_center: SeedIdentityCenter | None = None
    authorization_ids: frozenset[str] = frozenset()
    """The services whose denials include an authorization id; `all` means every service."""

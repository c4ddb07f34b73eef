"""Secrets and parameters as moto's backends hold them: found by any form of their names, read, and put there."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, cast

from dsops.arn import parse_arn
from dsops.sandbox.resource_policies.principals import Carrier
from dsops.sandbox.state import handlers
from dsops.sandbox.state.iam_backend import StoredPolicy
from dsops.sandbox.state.world import Tags, World

if TYPE_CHECKING:
    from moto.secretsmanager import models as moto_secrets
    from moto.ssm import models as moto_ssm


def is_default_key(key: str, service: str) -> bool:
    """Whether it is the key that AWS made for the service in each account, which no other account can ever use."""
    return key in {"", f"alias/aws/{service}"}


class Version(NamedTuple):
    """One version of a secret; exactly one of `string` and `binary` is set, or neither."""

    version_id: str
    stages: tuple[str, ...]
    string: str | None
    binary: str | None
    """Base64, as the API carries it."""
    created: int


class StoredSecret(NamedTuple):
    """A secret as it is now."""

    arn: str
    name: str
    account: str
    region: str
    tags: Tags
    policy: StoredPolicy | None
    kms_key: str
    """As it was written: an id, ARN or alias; "" for the account's default key."""
    is_deleted: bool
    rotation_function: str
    """The ARN of the function that rotates it; "" for none."""
    versions: tuple[Version, ...]

    def version(self, version_id: str, stage: str) -> Version | None:
        """The version of that id, else the one that carries that label."""
        for version in self.versions:
            if version.version_id == version_id or (not version_id and stage in version.stages):
                return version
        return None


class StoredParameter(NamedTuple):
    """A parameter as it is now."""

    arn: str
    is_secure: bool
    kms_key: str


class SecretLocation(NamedTuple):
    """Where a secret or parameter is looked for."""

    account: str
    region: str


class Vault:
    """Secrets Manager and Parameter Store of every account and region of a world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._planned: list[tuple[SecretLocation, str, str, str, str]] = []

    def find_secret(self, secret_id: str, place: SecretLocation) -> StoredSecret | None:
        """By name, full ARN, or ARN without its six random characters; another account's only by ARN."""
        arn = parse_arn(secret_id)
        if arn is None or arn.service != "secretsmanager":
            return self._named(secret_id, place)
        place = SecretLocation(arn.account, arn.region)
        if self._world.partitions.get(arn.account) != arn.partition:
            return None
        name = arn.resource.removeprefix("secret:")
        # A secret whose own name ends like an ARN does makes the short form ambiguous; the full one wins.
        by_suffix = self._named(name[:-7], place) if len(name) > 7 and name[-7] == "-" else None
        if by_suffix is not None and by_suffix.arn == secret_id:
            return by_suffix
        return self._named(name, place)

    def resource_of(self, secret_id: str, place: SecretLocation) -> tuple[str, str]:
        """The ARN that policies are matched against for a secret that does not exist, and its account."""
        arn = parse_arn(secret_id)
        if arn is not None and arn.service == "secretsmanager":
            return secret_id, arn.account
        partition = self._world.partitions[place.account]
        return f"arn:{partition}:secretsmanager:{place.region}:{place.account}:secret:{secret_id}", place.account

    def all_secrets(self, place: SecretLocation) -> Iterator[StoredSecret]:
        """Every secret there."""
        for secret in dict.values(self._backend(place).secrets):
            yield _stored(secret)

    def resource_policies(self) -> Iterator[Carrier]:
        """The policies of all secrets that have one."""
        from moto.secretsmanager.models import FakeSecret, secretsmanager_backends

        for account in self._world.partitions:
            for backend in secretsmanager_backends[account].values():
                for secret in dict.values(backend.secrets):
                    if isinstance(secret, FakeSecret) and secret.policy is not None:
                        yield Carrier(secret.policy, partial(_set_policy, secret))

    def put_secret(
        self, place: SecretLocation, name: str, string: str | None, binary: str | None, policy: str | None, kms_key: str
    ) -> str:
        """A new secret; gives its ARN."""
        backend = self._backend(place)
        made = backend.create_secret(name, string, binary, "", [], kms_key or None, None, [], False)
        if string == "":
            # moto makes a secret without any version of it.
            backend.put_secret_value(name, "", "", "", ["AWSCURRENT"])
            del backend.secrets[name].versions[backend.secrets[name].default_version_id or ""]["secret_binary"]
        if policy is not None:
            backend.put_resource_policy(name, policy)
        arn: str = json.loads(made)["ARN"]
        return arn

    def put_parameter(self, place: SecretLocation, name: str, value: str, kind: str, kms_key: str = "") -> None:
        """A parameter that will be there when the first request for one comes: moto's SSM takes 0.7 s to load."""
        self._planned.append((place, name, value, kind, kms_key))

    def parameters(self, place: SecretLocation, names: Iterable[str]) -> Iterator[StoredParameter]:
        """Those of the names, ARNs, and names with a version or label that exist."""
        for name in names:
            arn = parse_arn(name)
            bare = arn.resource.removeprefix("parameter") if arn is not None and arn.service == "ssm" else name
            bare = bare.partition(":")[0]
            for form in (bare, bare.removeprefix("/")):
                found = self._parameters(place).get_parameters([form])
                if found:
                    yield from (self._stored(place, each) for each in found.values())
                    break

    def parameters_below(self, place: SecretLocation, asked: Mapping[str, object]) -> Iterator[StoredParameter]:
        """Those that GetParametersByPath with these parameters gives."""
        found, _ = self._parameters(place).get_parameters_by_path(
            str(asked["Path"]),
            bool(asked.get("Recursive")),
            cast("list[dict[str, object]]", asked.get("ParameterFilters")),
            cast("str | None", asked.get("NextToken")),
            int(str(asked.get("MaxResults", 10))),
        )
        yield from (self._stored(place, each) for each in found)

    def parameter_tags(self, place: SecretLocation, name: str) -> Tags:
        """The tags of a parameter; none for one that does not exist."""
        if not self._parameters(place).get_parameters([name]):
            return ()
        tags: Mapping[str, str] = self._parameters(place).list_tags_for_resource("Parameter", name)
        return tuple(tags.items())

    def drop_leftovers(self, place: SecretLocation) -> None:
        """Removes what moto keeps of missing parameters: a name that was looked up, the tags of a deleted one.

        moto fails at a name without any version in every later list.
        """
        backend = self._parameters(place)
        known = backend._parameters  # noqa: SLF001 - moto has no other way to it
        for name in [name for name, versions in known.items() if not versions]:
            del known[name]
        tags = backend._resource_tags["Parameter"]  # noqa: SLF001 - as above
        for name in [name for name in tags if known.normalize_name(name) not in known.keys()]:  # noqa: SIM118 - moto's
            del tags[name]

    def open_parameters(self) -> None:
        """Puts the planned parameters into moto; called before any request for Parameter Store goes there."""
        handlers.load("ssm")
        while self._planned:
            place, name, value, kind, key = self._planned.pop()
            key = key or ("alias/aws/ssm" if kind == "SecureString" else "")
            self._parameters(place).put_parameter(name, "", value, kind, "", key, False, [], "text", None, None)

    def _stored(self, place: SecretLocation, found: moto_ssm.Parameter) -> StoredParameter:
        key = found.keyid or ""
        arn = f"arn:{self._world.partitions[place.account]}:ssm:{place.region}:{place.account}:parameter/"
        return StoredParameter(
            f"{arn}{found.name.removeprefix('/')}",
            found.parameter_type == "SecureString",
            "" if is_default_key(key, "ssm") else key,
        )

    def _parameters(self, place: SecretLocation) -> moto_ssm.SimpleSystemManagerBackend:
        from moto.ssm.models import ssm_backends

        return ssm_backends[place.account][place.region]

    def _backend(self, place: SecretLocation) -> moto_secrets.SecretsManagerBackend:
        from moto.secretsmanager.models import secretsmanager_backends

        return secretsmanager_backends[place.account][place.region]

    def _named(self, name: str, place: SecretLocation) -> StoredSecret | None:
        if place.account not in self._world.partitions:
            return None
        try:
            secrets = self._backend(place).secrets
        except KeyError:
            return None
        secret = dict.get(secrets, name)
        if secret is None or secret.name != name:
            # A replica stands under its ARN.
            secret = next((held for held in dict.values(secrets) if held.name == name), None)
        return None if secret is None else _stored(secret)


def _set_policy(secret: moto_secrets.FakeSecret, text: str) -> None:
    secret.policy = text


def _stored(secret: moto_secrets.FakeSecret | moto_secrets.ReplicaSecret) -> StoredSecret:
    from moto.secretsmanager.models import FakeSecret

    source = secret if isinstance(secret, FakeSecret) else secret.source
    tags = tuple((tag["Key"], tag["Value"]) for tag in source.tags or ())
    policy = None if source.policy is None else StoredPolicy(f"the policy of secret {source.name}", source.policy)
    key = source.kms_key_id or ""
    key = "" if is_default_key(key, "secretsmanager") else key
    versions = tuple(
        Version(
            version["version_id"],
            tuple(version["version_stages"]),
            version.get("secret_string"),
            version.get("secret_binary"),
            version["createdate"],
        )
        for version in source.versions.values()
    )
    return StoredSecret(
        secret.arn,
        secret.name,
        source.account_id,
        secret.region,
        tags,
        policy,
        key,
        source.is_deleted(),
        source.rotation_lambda_arn or "",
        versions,
    )

"""Find, read and create secrets and parameters in moto's backends."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache, partial
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from dsops.arn import parse_arn
from dsops.request.lookups import SecretLocation
from dsops.request.question import Tags
from dsops.request.stored_policies import StoredPolicy
from dsops.sandbox.resource_policies.principals import Carrier
from dsops.sandbox.state import handlers
from dsops.sandbox.state.secret_table import LAST_ACCESS, secret_named
from dsops.sandbox.state.world import World

if TYPE_CHECKING:
    from moto.core.base_backend import BackendDict
    from moto.secretsmanager import models as moto_secrets
    from moto.ssm import models as moto_ssm


_MOST_VERSIONS = 100
_DAY = 24 * 3600


def is_default_key(key: str, service: str) -> bool:
    """Whether the key is the service's AWS managed key, which other accounts can never use."""
    return key in {"", f"alias/aws/{service}"}


def note_access(secret: StoredSecret, version_id: str, now: float) -> None:
    """Store the day on which a version of the secret was last read. Secrets Manager stores no time of day."""
    secret.contents[version_id][LAST_ACCESS] = now - now % _DAY


class Version(NamedTuple):
    """A version of a secret. At most one of `string` and `binary` is set."""

    version_id: str
    stages: tuple[str, ...]
    string: str | None
    binary: str | None
    """The binary value in Base64, as in the API."""
    created: int
    accessed: float | None
    """The start of the day on which the version was last read; None if it never was."""


class StoredSecret(NamedTuple):
    """The current state of a secret."""

    arn: str
    name: str
    account: str
    region: str
    tags: Tags
    policy: StoredPolicy | None
    kms_key: str
    """The KMS key as stored: an id, ARN or alias; "" for the account's default key."""
    is_deleted: bool
    rotation_function: str
    """The ARN of the secret's rotation function; "" if it has none."""
    contents: dict[str, dict[str, Any]]
    """Version id -> moto's content of the version."""

    @property
    def versions(self) -> tuple[Version, ...]:
        """All versions, oldest first."""
        return tuple(map(_version, self.contents.values()))

    def version(self, version_id: str, stage: str) -> Version | None:
        """Return the version with that id or, if `version_id` is "", the version with that staging label."""
        if version_id:
            content = self.contents.get(version_id)
        else:
            # The newest version is the first candidate, because most requests ask for AWSCURRENT.
            newest_first = reversed(self.contents.values())
            content = next((content for content in newest_first if stage in content["version_stages"]), None)
        return None if content is None else _version(content)


class StoredParameter(NamedTuple):
    """The current state of a parameter."""

    arn: str
    is_secure: bool
    kms_key: str


class KeptParameter(NamedTuple):
    """A parameter with the value of its latest version."""

    place: SecretLocation
    name: str
    value: str
    kind: str
    """`String`, `StringList` or `SecureString`."""
    kms_key: str
    """The KMS key as stored: an id, ARN or alias; "" for the account's default key."""
    is_plain: bool
    """Whether it has neither tags nor description, and only one version."""


class SecretStorage:
    """The secrets and parameters of all accounts and regions of a world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._planned: list[tuple[SecretLocation, str, str, str, str]] = []

    def find_secret(self, secret_id: str, place: SecretLocation) -> StoredSecret | None:
        """Find a secret by name, by ARN, or by ARN without the random suffix.

        A secret of another account is found only by ARN.
        """
        arn = parse_arn(secret_id)
        if arn is None or arn.service != "secretsmanager":
            return self._find_secret(secret_id, place)
        place = SecretLocation(arn.account, arn.region)
        if self._world.partitions.get(arn.account) != arn.partition:
            return None
        name = arn.resource.removeprefix("secret:")
        # An ARN without its suffix is ambiguous if a secret's name ends like a suffix. A secret with exactly this ARN
        # takes precedence.
        by_suffix = self._find_secret(name[:-7], place) if len(name) > 7 and name[-7] == "-" else None
        if by_suffix is not None and by_suffix.arn == secret_id:
            return by_suffix
        return self._find_secret(name, place)

    def resource_of(self, secret_id: str, place: SecretLocation) -> tuple[str, str]:
        """Return the ARN and account to use in policy evaluation when the secret does not exist."""
        arn = parse_arn(secret_id)
        if arn is not None and arn.service == "secretsmanager":
            return secret_id, arn.account
        partition = self._world.partitions[place.account]
        return f"arn:{partition}:secretsmanager:{place.region}:{place.account}:secret:{secret_id}", place.account

    def all_secrets(self, place: SecretLocation) -> Iterator[StoredSecret]:
        """Yield all secrets in an account and region."""
        for secret in dict.values(self._backend(place).secrets):
            yield _stored(secret)

    def kept_secrets(self) -> Iterator[tuple[StoredSecret, bool]]:
        """Yield the secrets of all accounts and regions, each with whether it is a replica."""
        models = _secrets_models()
        for account in self._world.partitions:
            for backend in dict.values(dict.get(models.secretsmanager_backends, account, {})):
                for secret in dict.values(backend.secrets):
                    yield _stored(secret), not isinstance(secret, models.FakeSecret)

    def resource_policies(self) -> Iterator[Carrier]:
        """Yield the resource policies of all secrets that have one."""
        from moto.secretsmanager.models import FakeSecret, secretsmanager_backends

        for account in self._world.partitions:
            for backend in secretsmanager_backends[account].values():
                for secret in dict.values(backend.secrets):
                    if isinstance(secret, FakeSecret) and secret.policy is not None:
                        yield Carrier(secret.policy, partial(_set_policy, secret))

    def put_secret(
        self, place: SecretLocation, name: str, string: str | None, binary: str | None, policy: str | None, kms_key: str
    ) -> str:
        """Create a secret; return its ARN."""
        backend = self._backend(place)
        secret_json = backend.create_secret(name, string, binary, "", [], kms_key or None, None, [], False)
        if string == "":
            # moto creates no version for an empty string, so this call adds one.
            backend.put_secret_value(name, "", "", "", ["AWSCURRENT"])
            del backend.secrets[name].versions[backend.secrets[name].default_version_id or ""]["secret_binary"]
        if policy is not None:
            backend.put_resource_policy(name, policy)
        arn: str = json.loads(secret_json)["ARN"]
        return arn

    def follow_current(self, secret: StoredSecret) -> None:
        """Tell moto which version has AWSCURRENT after this label was moved.

        moto stores this information in two places. Without this call, the next PutSecretValue would leave AWSCURRENT
        on two versions.
        """
        from moto.secretsmanager.models import FakeSecret

        stored = self._backend(SecretLocation(secret.account, secret.region)).secrets[secret.arn]
        current = [version for version, content in stored.versions.items() if "AWSCURRENT" in content["version_stages"]]
        if current and isinstance(stored, FakeSecret):
            stored.set_default_version_id(current[0])

    def make_room(self, secret: StoredSecret, now: float) -> bool:
        """Remove outdated versions if the secret has 100 versions; return whether a new version fits.

        A version is outdated if it has no staging label and is more than 24 hours old ("AWS Secrets Manager quotas" in
        the user guide).
        """
        versions = self._backend(SecretLocation(secret.account, secret.region)).secrets[secret.arn].versions
        outdated = (
            version_id
            for version_id, content in versions.items()
            if not content["version_stages"] and content["createdate"] < now - _DAY
        )
        for version_id in list(islice(outdated, max(0, len(versions) + 1 - _MOST_VERSIONS))):
            del versions[version_id]
        return len(versions) < _MOST_VERSIONS

    def put_parameter(self, place: SecretLocation, name: str, value: str, kind: str, kms_key: str = "") -> None:
        """Plan a parameter, which is created at the first request to Parameter Store.

        The creation is delayed because loading moto's SSM takes 0.7 s.
        """
        self._planned.append((place, name, value, kind, kms_key))

    def parameters(self, place: SecretLocation, names: Iterable[str]) -> Iterator[StoredParameter]:
        """Yield the parameters that exist. Each name may be an ARN, and may end in a version or label."""
        for name in names:
            arn = parse_arn(name)
            bare = arn.resource.removeprefix("parameter") if arn is not None and arn.service == "ssm" else name
            bare = bare.partition(":")[0]
            for form in (bare, bare.removeprefix("/")):
                parameters_found = self._parameters(place).get_parameters([form])
                if parameters_found:
                    yield from (self._stored(place, parameter) for parameter in parameters_found.values())
                    break

    def parameters_below(
        self, place: SecretLocation, request_parameters: Mapping[str, object]
    ) -> Iterator[StoredParameter]:
        """Yield the parameters that GetParametersByPath returns for these request parameters."""
        parameters_found, _ = self._parameters(place).get_parameters_by_path(
            str(request_parameters["Path"]),
            bool(request_parameters.get("Recursive")),
            cast("list[dict[str, object]]", request_parameters.get("ParameterFilters")),
            cast("str | None", request_parameters.get("NextToken")),
            int(str(request_parameters.get("MaxResults", 10))),
        )
        yield from (self._stored(place, parameter) for parameter in parameters_found)

    def parameter_tags(self, place: SecretLocation, name: str) -> Tags:
        """Return the tags of a parameter; () if the parameter does not exist."""
        if not self._parameters(place).get_parameters([name]):
            return ()
        tags: Mapping[str, str] = self._parameters(place).list_tags_for_resource("Parameter", name)
        return tuple(tags.items())

    def all_parameters(self) -> Iterator[KeptParameter]:
        """Yield the parameters of all accounts and regions with their values, including those still planned."""
        for place, name, value, kind, key in self._planned:
            yield KeptParameter(place, name, value, kind, key, is_plain=True)
        loaded = sys.modules.get("moto.ssm.models")
        for account in self._world.partitions if loaded is not None else ():
            backends: dict[str, Any] = loaded.ssm_backends[account]  # type: ignore[union-attr]
            for region, backend in dict.items(backends):
                place = SecretLocation(account, region)
                for versions in list(dict.values(backend._parameters)):  # noqa: SLF001 - moto has no public access to parameters
                    if versions and not versions[-1].name.startswith("/aws/"):
                        yield _kept(place, versions, bool(self.parameter_tags(place, versions[-1].name)))

    def drop_leftovers(self, place: SecretLocation) -> None:
        """Remove what moto stores for parameters that do not exist.

        These are names that were looked up, and tags of deleted parameters. A name without versions would make moto
        fail in every later operation that lists parameters.
        """
        backend = self._parameters(place)
        versions_by_name = backend._parameters  # noqa: SLF001 - moto has no public access to parameters
        for name in [name for name, versions in versions_by_name.items() if not versions]:
            del versions_by_name[name]
        tags = backend._resource_tags["Parameter"]  # noqa: SLF001 - moto has no public access to tags
        for name in [name for name in tags if versions_by_name.normalize_name(name) not in versions_by_name.keys()]:  # noqa: SIM118 - moto's
            del tags[name]

    def open_parameters(self) -> None:
        """Create the planned parameters in moto. Must be called before a request to Parameter Store."""
        handlers.load("ssm")
        while self._planned:
            place, name, value, kind, key = self._planned.pop()
            key = key or ("alias/aws/ssm" if kind == "SecureString" else "")
            self._parameters(place).put_parameter(name, "", value, kind, "", key, False, [], "text", None, None)

    def _stored(self, place: SecretLocation, parameter: moto_ssm.Parameter) -> StoredParameter:
        key = parameter.keyid or ""
        arn = f"arn:{self._world.partitions[place.account]}:ssm:{place.region}:{place.account}:parameter/"
        return StoredParameter(
            f"{arn}{parameter.name.removeprefix('/')}",
            parameter.parameter_type == "SecureString",
            "" if is_default_key(key, "ssm") else key,
        )

    def _parameters(self, place: SecretLocation) -> moto_ssm.SimpleSystemManagerBackend:
        from moto.ssm.models import ssm_backends

        return ssm_backends[place.account][place.region]

    def _backend(self, place: SecretLocation) -> moto_secrets.SecretsManagerBackend:
        backends: BackendDict[moto_secrets.SecretsManagerBackend] = _secrets_models().secretsmanager_backends
        return backends[place.account][place.region]

    def _find_secret(self, name: str, place: SecretLocation) -> StoredSecret | None:
        if place.account not in self._world.partitions:
            return None
        try:
            # moto stores a replica under its ARN, not under its name.
            secret = secret_named(self._backend(place), name)
        except KeyError:
            return None
        return None if secret is None else _stored(secret)


@cache
def _secrets_models() -> Any:  # Any: the type of a module that is imported late
    from moto.secretsmanager import models

    return models


def _set_policy(secret: moto_secrets.FakeSecret, text: str) -> None:
    secret.policy = text


def _stored(secret: moto_secrets.FakeSecret | moto_secrets.ReplicaSecret) -> StoredSecret:
    primary = _secrets_models().FakeSecret
    source: moto_secrets.FakeSecret = secret if isinstance(secret, primary) else cast("Any", secret).source
    tags = tuple((tag["Key"], tag["Value"]) for tag in source.tags or ())
    policy = None if source.policy is None else StoredPolicy(f"the policy of secret {source.name}", source.policy)
    key = source.kms_key_id or ""
    key = "" if is_default_key(key, "secretsmanager") else key
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
        source.versions,
    )


def _kept(place: SecretLocation, versions: list[moto_ssm.Parameter], has_tags: bool) -> KeptParameter:  # noqa: FBT001
    latest = versions[-1]
    key = latest.keyid or ""
    return KeptParameter(
        place,
        latest.name,
        latest.decrypt(latest.value) or "",
        latest.parameter_type,
        "" if is_default_key(key, "ssm") else key,
        is_plain=len(versions) == 1 and not has_tags and not latest.description,
    )


def _version(content: Mapping[str, Any]) -> Version:
    stages = tuple(content["version_stages"])
    values = content.get("secret_string"), content.get("secret_binary")
    return Version(content["version_id"], stages, *values, content["createdate"], content.get(LAST_ACCESS))

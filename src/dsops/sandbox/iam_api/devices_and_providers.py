"""IAM operations that moto lacks for MFA devices, identity providers and instance profiles.

Most of them are about tags.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from dsops.arn import parse_arn
from dsops.request.parameter_values import listed_tags, texts
from dsops.request.wire.errors import no_such_entity, refusal
from dsops.request.wire.responses import Moment, Value
from dsops.sandbox.state.world import World
from dsops.sandbox.sts import totp

Parameters = Mapping[str, object]

_TAGGED: Final[Mapping[str, str]] = {
    "MFADevice": "SerialNumber",
    "SAMLProvider": "SAMLProviderArn",
    "InstanceProfile": "InstanceProfileName",
}
"""Resource type -> the request parameter that names the resource."""
_MOST_TAGS: Final = 50
_MADE: Final[Mapping[str, str]] = {"CreateVirtualMFADevice": "VirtualMFADeviceName", "CreateSAMLProvider": "Name"}


class DevicesAndProviders:
    """The operations on MFA devices, identity providers and instance profiles in one sandbox."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._operations: dict[str, Callable[[Parameters, str, float], dict[str, Value]]] = {
            "AddClientIDToOpenIDConnectProvider": self._add_client,
            "RemoveClientIDFromOpenIDConnectProvider": self._remove_client,
            "GetMFADevice": self._device,
            "ResyncMFADevice": self._resync,
            "ListInstanceProfileTags": lambda parameters, account, _: self._list_tags(
                "InstanceProfile", parameters, account
            ),
            **self._tagging("MFADevice"),
            **self._tagging("SAMLProvider"),
        }

    def perform(self, operation: str, parameters: Parameters, account: str, now: float) -> dict[str, Value] | None:
        """Perform the operation and return its result; return None if this class does not implement it.

        Raises SandboxRefusal if AWS would refuse the request.
        """
        work = self._operations.get(operation)
        return None if work is None else work(parameters, account, now)

    def keep_tags(self, operation: str, parameters: Parameters, account: str) -> None:
        """Store the tags of a new MFA device or identity provider, because moto discards them."""
        if operation not in _MADE or not parameters.get("Tags"):
            return
        kind = "mfa" if operation == "CreateVirtualMFADevice" else "saml-provider"
        path = str(parameters.get("Path", "/")) if kind == "mfa" else "/"
        arn = f"arn:{self._world.partitions[account]}:iam::{account}:{kind}{path}{parameters[_MADE[operation]]}"
        self._world.backend(account).tagger.tag_resource(arn, _tags(parameters))

    def _tagging(self, kind: str) -> dict[str, Callable[[Parameters, str, float], dict[str, Value]]]:
        return {
            f"Tag{kind}": lambda parameters, account, _: self._tag(kind, parameters, account),
            f"Untag{kind}": lambda parameters, account, _: self._untag(kind, parameters, account),
            f"List{kind}Tags": lambda parameters, account, _: self._list_tags(kind, parameters, account),
        }

    def _tag(self, kind: str, parameters: Parameters, account: str) -> dict[str, Value]:
        arn, tagger = self._existing(kind, parameters, account), self._world.backend(account).tagger
        tag_keys = {*tagger.get_tag_dict_for_resource(arn), *(tag["Key"] for tag in _tags(parameters))}
        if len(tag_keys) > _MOST_TAGS:
            raise refusal("LimitExceeded", f"The number of tags has reached the maximum limit: {_MOST_TAGS}", 409)
        tagger.tag_resource(arn, _tags(parameters))
        return {}

    def _untag(self, kind: str, parameters: Parameters, account: str) -> dict[str, Value]:
        arn = self._existing(kind, parameters, account)
        self._world.backend(account).tagger.untag_resource_using_names(arn, list(texts(parameters, "TagKeys")))
        return {}

    def _list_tags(self, kind: str, parameters: Parameters, account: str) -> dict[str, Value]:
        backend = self._world.backend(account)
        name = self._existing(kind, parameters, account)
        if kind == "InstanceProfile":
            tags = {tag["Key"]: tag["Value"] for tag in backend.instance_profiles[name].tags}
        else:
            tags = backend.tagger.get_tag_dict_for_resource(name)
        return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()], "IsTruncated": "false"}

    def _existing(self, kind: str, parameters: Parameters, account: str) -> str:
        """Return the name or ARN of the requested resource. Raises NoSuchEntity if it does not exist."""
        name, backend = str(parameters[_TAGGED[kind]]), self._world.backend(account)
        if kind == "InstanceProfile" and name not in backend.instance_profiles:
            raise no_such_entity(f"Instance Profile {name} cannot be found.")
        if kind == "MFADevice" and name not in backend.virtual_mfa_devices:
            raise no_such_entity(f"VirtualMFADevice with serial number {name} doesn't exist.")
        if kind == "SAMLProvider" and name not in self._world.saml_providers(account):
            raise no_such_entity(f"Manifest not found for arn {name}")
        return name

    def _device(self, parameters: Parameters, account: str, _now: float) -> dict[str, Value]:
        serial, user_name = self._existing("MFADevice", parameters, account), str(parameters.get("UserName", ""))
        device = self._world.backend(account).virtual_mfa_devices[serial]
        user = device.user
        if user is None or device.enable_date is None or user_name not in {"", user.name}:
            raise no_such_entity(f"MFA Device with serial number {serial} is not enabled.")
        return {"UserName": user.name, "SerialNumber": serial, "EnableDate": Moment(device.enable_date.timestamp())}

    def _resync(self, parameters: Parameters, account: str, now: float) -> dict[str, Value]:
        user = self._world.user_named(account, str(parameters["UserName"]))
        serial = str(parameters["SerialNumber"])
        devices = () if user is None else self._world.mfa_devices_of(user)
        device = next((device for device in devices if device.serial == serial), None)
        if device is None:
            raise no_such_entity(f"VirtualMFADevice with serial number {serial} doesn't exist.")
        codes = str(parameters["AuthenticationCode1"]), str(parameters["AuthenticationCode2"])
        if not totp.are_consecutive(device.seed, *codes, now):
            raise refusal("InvalidAuthenticationCode", "Authentication code for device is not valid.", 403)
        return {}

    def _clients(self, parameters: Parameters, account: str) -> list[str]:
        arn = str(parameters["OpenIDConnectProviderArn"])
        parts = parse_arn(arn)
        provider = self._world.backend(account).open_id_providers.get(arn) if parts is not None else None
        if provider is None:
            raise no_such_entity(f"OpenIDConnect Provider not found for arn {arn}")
        return provider.client_id_list

    def _add_client(self, parameters: Parameters, account: str, _now: float) -> dict[str, Value]:
        clients, client = self._clients(parameters, account), str(parameters["ClientID"])
        if client not in clients:
            clients.append(client)
        return {}

    def _remove_client(self, parameters: Parameters, account: str, _now: float) -> dict[str, Value]:
        clients, client = self._clients(parameters, account), str(parameters["ClientID"])
        if client in clients:
            clients.remove(client)
        return {}


def _tags(parameters: Parameters) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in listed_tags(parameters.get("Tags"))]

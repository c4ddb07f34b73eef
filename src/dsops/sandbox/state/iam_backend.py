"""Extend moto's IAM models, and read AWS's managed policies from moto's data."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from dsops.arn import PARTITIONS
from dsops.request.stored_policies import NOTHING_ALLOWED, StoredPolicy
from dsops.sandbox.state import identifiers
from dsops.sandbox.state.role_table import keep_roles_by_name, write_role_lists

if TYPE_CHECKING:
    from moto.iam import models as moto_iam

    StoredUser = moto_iam.User
    StoredGroup = moto_iam.Group
    StoredRole = moto_iam.Role

    class SandboxUser(moto_iam.User):
        """The type of a user with a permissions boundary, which moto's own class lacks."""

        permissions_boundary_arn: str | None


@cache
def iam_models() -> Any:  # Any: the module has no static type; `world` annotates its backends
    """Return moto's IAM models with user boundaries, AWS's format of unique ids, and policies for root users."""
    pattern = _know_every_partition()
    from moto.core.serialize import never_return, url_encode
    from moto.iam import models, policy_validation
    from moto.iam.responses import IamResponse

    vars(models)["ARN_PARTITION_REGEX"] = pattern  # Other modules of moto may already have imported the old pattern.
    kinds = policy_validation.VALID_RESOURCE_PATH_STARTING_VALUES["iam"]["values"]
    if "root" not in kinds:
        # `root` is the resource type of sts:AssumeRoot (Service Authorization Reference). moto would call such an ARN
        # malformed.
        kinds.append("root")
    _accept_numbers(policy_validation.IAMPolicyDocumentValidator)
    # "IAM resource-listing operations return a subset of the available attributes" (API reference, ListUsers).
    # CreateRole also omits some attributes (AWS's responses to LocalStack's tests).
    IamResponse.RESPONSE_KEY_PATH_TO_TRANSFORMER |= {
        "ListUsersResponse.Users.User.PermissionsBoundary": never_return,
        "CreateRoleResponse.Role.MaxSessionDuration": never_return,
        "CreateRoleResponse.Role.RoleLastUsed": never_return,
        "ListRolesResponse.Roles.Role.AssumeRolePolicyDocument": url_encode,
        "GetAccountAuthorizationDetailsResponse.RoleDetailList.RoleDetail.AssumeRolePolicyDocument": url_encode,
        # In botocore's model only GetPolicyVersion and GetAccountAuthorizationDetails return PolicyVersion.Document.
        "GetPolicyVersionResponse.PolicyVersion.Document": url_encode,
        "CreatePolicyVersionResponse.PolicyVersion.Document": never_return,
        "ListPolicyVersionsResponse.Versions.PolicyVersion.Document": never_return,
    }
    vars(models)["random_policy_id"] = lambda: identifiers.unique_id("ANPA", "000000000000")
    models.ManagedPolicy.permissions_boundary_usage_count = property(_boundary_uses)  # type: ignore[attr-defined]

    class SandboxUser(models.User):
        """A user with an id that begins with AIDA, and optionally a permissions boundary."""

        def __init__(self, account_id: str, region_name: str, name: str, path: str | None = None) -> None:
            super().__init__(account_id, region_name, name, path)
            self.id = identifiers.unique_id("AIDA", account_id)
            self.permissions_boundary_arn: str | None = None

        @property
        def permissions_boundary(self) -> dict[str, str] | None:
            """The permissions boundary in the format of GetUser's response."""
            if not self.permissions_boundary_arn:
                return None
            return {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": self.permissions_boundary_arn}

    class SandboxGroup(models.Group):
        """A group with an id that begins with AGPA."""

        def __init__(self, account_id: str, region_name: str, name: str, path: str = "/") -> None:
            super().__init__(account_id, region_name, name, path)
            self.id = identifiers.unique_id("AGPA", account_id)

    _add_names(SandboxUser, "user")
    _add_names(SandboxGroup, "group")
    models.User = SandboxUser  # type: ignore[misc]
    models.Group = SandboxGroup  # type: ignore[misc]
    keep_roles_by_name(models)
    write_role_lists(IamResponse)
    return models


def _add_names(model: type, kind: str) -> None:
    """Add the names that moto's answer to GetAccountAuthorizationDetails looks for, such as `user_name`."""
    setattr(model, f"{kind}_name", property(lambda entity: entity.name))
    setattr(model, f"{kind}_id", property(lambda entity: entity.id))


def _boundary_uses(policy: moto_iam.ManagedPolicy) -> int:
    """Return the number of users and roles in the account that have the policy as their boundary."""
    backend = policy.backend
    owners: list[Any] = [*backend.users.values(), *backend.roles.values()]
    return sum(owner.permissions_boundary_arn == policy.arn for owner in owners)


def _know_every_partition() -> str:
    """Add the partitions that moto lacks; return a regular expression that matches ARNs of all partitions.

    This must happen before moto's services are imported.
    """
    from moto.utilities import utils

    for partition in PARTITIONS:
        if partition.name not in utils.PARTITION_NAMES:
            utils.PARTITION_NAMES.append(partition.name)
            utils.REGION_PREFIX_TO_PARTITION.update(dict.fromkeys(partition.region_prefixes, partition.name))
    vars(utils)["get_partition"].cache_clear()
    # Longer names must come first; otherwise `aws-iso` would match the start of `aws-iso-e`.
    names = sorted(utils.PARTITION_NAMES, reverse=True)
    utils.ARN_PARTITION_REGEX = f"^arn:({'|'.join(names)})"
    return utils.ARN_PARTITION_REGEX


def _accept_numbers(validator: Any) -> None:  # Any: `validator` is a class of moto whose check methods are private
    """Let moto's validator accept numbers as condition values, as IAM's grammar does."""
    for name in ("_validate_condition_syntax", "_legacy_parse_statement"):
        check = getattr(validator, name)
        if not hasattr(check, "takes_numbers"):
            setattr(validator, name, staticmethod(_with_texts(check)))


def _with_texts(check: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any]], None]:
    def checked(statement: dict[str, Any]) -> None:
        conditions = statement.get("Condition")
        if isinstance(conditions, dict):
            statement = {**statement, "Condition": {name: _texts(keys) for name, keys in conditions.items()}}
        check(statement)

    checked.takes_numbers = True  # type: ignore[attr-defined]
    return checked


def _texts(keys: object) -> object:
    """Return a condition operator's keys and values, with all numbers converted to strings."""
    if not isinstance(keys, dict):
        return keys
    return {
        key: [_text(item) for item in value] if isinstance(value, list) else _text(value) for key, value in keys.items()
    }


def _text(value: object) -> object:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def words_for_malformed(text: str) -> str:
    """Return IAM's error message for a malformed identity policy; "" if moto's validator accepts the policy."""
    from moto.iam.exceptions import MalformedPolicyDocument
    from moto.iam.policy_validation import IAMPolicyDocumentValidator

    try:
        IAMPolicyDocumentValidator(text).validate()
    except MalformedPolicyDocument as refused:
        return str(refused.message)
    except Exception:  # noqa: BLE001 - moto's checks raise other errors for some texts that are not policies
        return ""
    return ""


@cache
def aws_policies() -> dict[str, tuple[str, Mapping[str, object]]]:
    """Map `/service-role/NAME` to (NAME, policy data) for AWS's managed policies; takes 25 ms on first use."""
    from moto.iam.aws_managed_policies import aws_managed_policies_data

    policies: dict[str, dict[str, object]] = json.loads(aws_managed_policies_data)
    return {f"{data['Path']}{name}": (name, data) for name, data in policies.items()}


def reset() -> None:
    """Empty all of moto's backends, which are global to the process."""
    from moto.core.base_backend import BackendDict

    BackendDict.reset()
    organizations = sys.modules.get("moto.organizations.models")
    if organizations is not None:
        # moto keeps the member accounts of organizations outside its backends, so a reset would not clear them.
        organizations.organizations_backends.master_accounts.clear()


def policies_of(holder: moto_iam.User | moto_iam.Group | moto_iam.Role) -> Iterator[StoredPolicy]:
    """Yield the inline policies, then the default versions of the attached managed policies."""
    for name, text in holder.policies.items():
        yield StoredPolicy(name, text)
    for policy in holder.managed_policies.values():
        yield default_version(policy)


def default_version(policy: moto_iam.ManagedPolicy) -> StoredPolicy:
    """Return the default version of a managed policy."""
    for version in policy.versions:
        if version.version_id == policy.default_version_id:
            return StoredPolicy(policy.arn, version.document)
    return StoredPolicy(policy.arn, NOTHING_ALLOWED)

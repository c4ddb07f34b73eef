"""IAM Identity Center: its instances, permission sets, assignments, and the names of users and groups."""

from __future__ import annotations

from dsops.aws.apis.inventory.pages import Json, ListedBy, ServiceApi, json_call, json_list, objects
from dsops.aws.http.answer import object_in, text_in

_TARGET = "SWBExternalService"
_DIRECTORY = "AWSIdentityStore"


async def list_instances(api: ServiceApi) -> list[Json]:
    """Return the instances of the region that the caller's account can see."""
    return objects(await json_list(api, ListedBy(_TARGET, "ListInstances", "Instances"), {}))


async def list_permission_sets(api: ServiceApi, instance: str) -> list[str]:
    """Return the ARNs of an instance's permission sets."""
    by = ListedBy(_TARGET, "ListPermissionSets", "PermissionSets")
    items = await json_list(api, by, {"InstanceArn": instance, "MaxResults": 100})
    return [item for item in items if isinstance(item, str)]


async def describe_permission_set(api: ServiceApi, instance: str, permission_set: str) -> Json:
    """Return the description of a permission set."""
    parameters = {"InstanceArn": instance, "PermissionSetArn": permission_set}
    return object_in(await json_call(api, _TARGET, "DescribePermissionSet", parameters), "PermissionSet")


async def list_accounts_for_provisioned_permission_set(
    api: ServiceApi, instance: str, permission_set: str
) -> list[str]:
    """Return the ids of the accounts in which a permission set has a role."""
    by = ListedBy(_TARGET, "ListAccountsForProvisionedPermissionSet", "AccountIds")
    parameters = {"InstanceArn": instance, "PermissionSetArn": permission_set, "MaxResults": 100}
    return [item for item in await json_list(api, by, parameters) if isinstance(item, str)]


async def list_account_assignments(api: ServiceApi, instance: str, permission_set: str, account: str) -> list[Json]:
    """Return the users and groups that may use a permission set in an account."""
    by = ListedBy(_TARGET, "ListAccountAssignments", "AccountAssignments")
    parameters = {"InstanceArn": instance, "PermissionSetArn": permission_set, "AccountId": account, "MaxResults": 100}
    return objects(await json_list(api, by, parameters))


async def describe_user(api: ServiceApi, store: str, user: str) -> str:
    """Return the name of a user of an identity store."""
    content = await json_call(api, _DIRECTORY, "DescribeUser", {"IdentityStoreId": store, "UserId": user})
    return text_in(content, "UserName")


async def describe_group(api: ServiceApi, store: str, group: str) -> str:
    """Return the display name of a group of an identity store."""
    content = await json_call(api, _DIRECTORY, "DescribeGroup", {"IdentityStoreId": store, "GroupId": group})
    return text_in(content, "DisplayName")

"""Organizations: the tree of an organization, its accounts, and its control policies with their targets."""

from __future__ import annotations

from dsops.aws.apis.inventory.pages import Absence, Json, ListedBy, ServiceApi, json_call, json_list, objects
from dsops.aws.http.answer import lacks, object_in, text_in

_TARGET = "AWSOrganizationsV20161128"
_NOT_IN_USE = Absence(("AWSOrganizationsNotInUseException",))


async def describe_organization(api: ServiceApi) -> Json:
    """Return the organization of the caller's account.

    Raises EntityNotFound if the account is in none, in addition to the errors of every call.
    """
    content = await json_call(api, _TARGET, "DescribeOrganization", {}, _NOT_IN_USE.refusal)
    organization = object_in(content, "Organization")
    if not text_in(organization, "Id"):
        raise lacks(api.endpoint, "DescribeOrganization", "organization")
    return organization


async def list_roots(api: ServiceApi) -> list[Json]:
    """Return the roots (AWS has one per organization) with the types of policies that are enabled."""
    return objects(await json_list(api, ListedBy(_TARGET, "ListRoots", "Roots"), {}))


async def list_organizational_units_for_parent(api: ServiceApi, parent: str) -> list[Json]:
    """Return the organizational units directly in a root or unit."""
    by = ListedBy(_TARGET, "ListOrganizationalUnitsForParent", "OrganizationalUnits")
    return objects(await json_list(api, by, {"ParentId": parent}))


async def list_accounts_for_parent(api: ServiceApi, parent: str) -> list[Json]:
    """Return the accounts directly in a root or unit."""
    by = ListedBy(_TARGET, "ListAccountsForParent", "Accounts")
    return objects(await json_list(api, by, {"ParentId": parent}))


async def list_policies(api: ServiceApi, policy_type: str) -> list[Json]:
    """Return the summaries of all policies of a type, such as `SERVICE_CONTROL_POLICY`."""
    by = ListedBy(_TARGET, "ListPolicies", "Policies")
    return objects(await json_list(api, by, {"Filter": policy_type}))


async def describe_policy(api: ServiceApi, policy: str) -> str:
    """Return the text of a policy."""
    content = await json_call(api, _TARGET, "DescribePolicy", {"PolicyId": policy})
    return text_in(object_in(content, "Policy"), "Content")


async def list_targets_for_policy(api: ServiceApi, policy: str) -> list[str]:
    """Return the ids of the roots, units and accounts to which a policy is attached."""
    by = ListedBy(_TARGET, "ListTargetsForPolicy", "Targets")
    return [text_in(target, "TargetId") for target in objects(await json_list(api, by, {"PolicyId": policy}))]

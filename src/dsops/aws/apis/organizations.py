"""Organizations, read only: where an account stands, and the policies on the way; one function per API action."""

from __future__ import annotations

from typing import NamedTuple

from dsops.aws.http.answer import lacks, text_in
from dsops.aws.http.client import Call, Client, call_json
from dsops.credentials import Credentials
from dsops.endpoint import Endpoint
from dsops.errors import AwsAnswer, DsopsError, EntityNotFound

_TARGET = "AWSOrganizationsV20161128"
_MOST_PAGES = 100
_ABSENT = ("AWSOrganizationsNotInUseException", "ChildNotFoundException")


class OrganizationsClient(NamedTuple):
    """Where Organizations is asked, and by whom."""

    client: Client
    credentials: Credentials
    endpoint: Endpoint


class Organization(NamedTuple):
    """The one that an account is in."""

    id: str
    management_account: str
    has_all_features: bool
    """Without them there is billing and no policy."""


class Parent(NamedTuple):
    """What an account or an organizational unit is in."""

    id: str
    is_root: bool


async def describe_organization(api: OrganizationsClient) -> Organization | None:
    """The caller's own; None when the caller's account is in none."""
    try:
        content = await _ask(api, "DescribeOrganization", "ask for the organization")
    except EntityNotFound:
        return None
    found = _object(content.get("Organization"))
    if not text_in(found, "Id") or not text_in(found, "MasterAccountId"):
        raise lacks(api.endpoint, "DescribeOrganization", "organization")
    return Organization(text_in(found, "Id"), text_in(found, "MasterAccountId"), text_in(found, "FeatureSet") == "ALL")


async def list_parents(api: OrganizationsClient, child: str) -> Parent | None:
    """What that account or unit is in; None when the organization has no such."""
    try:
        parents = await _list(api, "ListParents", "Parents", f"ask what {child} is in", ChildId=child)
    except EntityNotFound:
        return None
    if len(parents) != 1:
        raise lacks(api.endpoint, "ListParents", "parent")
    return Parent(text_in(parents[0], "Id"), text_in(parents[0], "Type") == "ROOT")


async def list_enabled_policy_types(api: OrganizationsClient) -> frozenset[str]:
    """The types of policy that are switched on: `SERVICE_CONTROL_POLICY`, `RESOURCE_CONTROL_POLICY` ..."""
    roots = await _list(api, "ListRoots", "Roots", "list the organization's root")
    types = [_object(each) for root in roots for each in _items(root.get("PolicyTypes"))]
    return frozenset(text_in(each, "Type") for each in types if text_in(each, "Status") == "ENABLED")


async def list_policies_for_target(api: OrganizationsClient, target: str, policy_type: str) -> list[tuple[str, str]]:
    """Id and ARN of each policy of that type that is attached to a root, a unit or an account itself."""
    doing = f"list the policies of {target}"
    found = await _list(api, "ListPoliciesForTarget", "Policies", doing, TargetId=target, Filter=policy_type)
    return [(text_in(each, "Id"), text_in(each, "Arn")) for each in found]


async def describe_policy(api: OrganizationsClient, policy_id: str) -> str:
    """A policy, as JSON."""
    content = await _ask(api, "DescribePolicy", f"read the policy {policy_id}", PolicyId=policy_id)
    text = text_in(_object(content.get("Policy")), "Content")
    if not text:
        raise lacks(api.endpoint, "DescribePolicy", "policy")
    return text


async def _ask(api: OrganizationsClient, action: str, doing: str, **parameters: str) -> dict[str, object]:
    call = Call(api.endpoint, api.credentials, action, doing, _refused)
    return await call_json(api.client, call, _TARGET, parameters)


def _refused(said: AwsAnswer, doing: str) -> DsopsError | None:
    if said.code in _ABSENT:
        hint = "is the account a member of the organization whose keys ask?"
        return EntityNotFound(f"Organizations can't {doing}", why=said.message, hint=hint, aws=said)
    return None


async def _list(
    api: OrganizationsClient, action: str, name: str, doing: str, **parameters: str
) -> list[dict[str, object]]:
    """The objects of a list, from all its pages."""
    found: list[dict[str, object]] = []
    for _ in range(_MOST_PAGES):
        content = await _ask(api, action, doing, **parameters)
        if not isinstance(content.get(name), list):
            raise lacks(api.endpoint, action, name)
        found += [_object(each) for each in _items(content.get(name))]
        parameters["NextToken"] = text_in(content, "NextToken")
        if not parameters["NextToken"]:
            return found
    raise lacks(api.endpoint, action, f"end after {_MOST_PAGES} pages")


def _items(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _object(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}

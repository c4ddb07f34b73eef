"""Organizations, read only: an account's parents and the control policies attached to them.

There is one function per API action.
"""

from __future__ import annotations

from typing import NamedTuple

from dsops.aws.http.answer import lacks, text_in
from dsops.aws.http.call import Call, Client
from dsops.aws.http.client import call_json
from dsops.credentials import Credentials
from dsops.endpoint import Endpoint
from dsops.errors import AwsAnswer, DsopsError, EntityNotFound

_TARGET = "AWSOrganizationsV20161128"
_MOST_PAGES = 100
_ABSENT = ("AWSOrganizationsNotInUseException", "ChildNotFoundException")


class OrganizationsClient(NamedTuple):
    """Client, credentials and endpoint for calls to Organizations."""

    client: Client
    credentials: Credentials
    endpoint: Endpoint


class Organization(NamedTuple):
    """The organization of an account."""

    id: str
    management_account: str
    has_all_features: bool
    """Whether all features are enabled. Otherwise the organization has only consolidated billing and no policies."""


class Parent(NamedTuple):
    """The organizational unit or root that contains an account or unit."""

    id: str
    is_root: bool


async def describe_organization(api: OrganizationsClient) -> Organization | None:
    """Return the organization of the caller's account; None when the account belongs to none."""
    try:
        content = await _ask(api, "DescribeOrganization", "ask for the organization")
    except EntityNotFound:
        return None
    organization = _object(content.get("Organization"))
    if not text_in(organization, "Id") or not text_in(organization, "MasterAccountId"):
        raise lacks(api.endpoint, "DescribeOrganization", "organization")
    return Organization(
        text_in(organization, "Id"),
        text_in(organization, "MasterAccountId"),
        text_in(organization, "FeatureSet") == "ALL",
    )


async def list_parents(api: OrganizationsClient, child: str) -> Parent | None:
    """Return the parent of the account or unit; None when the organization has no such member."""
    try:
        parents = await _list(api, "ListParents", "Parents", f"ask what {child} is in", ChildId=child)
    except EntityNotFound:
        return None
    if len(parents) != 1:
        raise lacks(api.endpoint, "ListParents", "parent")
    return Parent(text_in(parents[0], "Id"), text_in(parents[0], "Type") == "ROOT")


async def list_enabled_policy_types(api: OrganizationsClient) -> frozenset[str]:
    """Return the policy types enabled on the root, such as `SERVICE_CONTROL_POLICY`."""
    roots = await _list(api, "ListRoots", "Roots", "list the organization's root")
    types = [_object(policy_type) for root in roots for policy_type in _items(root.get("PolicyTypes"))]
    return frozenset(
        text_in(policy_type, "Type") for policy_type in types if text_in(policy_type, "Status") == "ENABLED"
    )


async def list_policies_for_target(api: OrganizationsClient, target: str, policy_type: str) -> list[tuple[str, str]]:
    """Return id and ARN of each policy of that type attached directly to a root, unit or account."""
    doing = f"list the policies of {target}"
    policies = await _list(api, "ListPoliciesForTarget", "Policies", doing, TargetId=target, Filter=policy_type)
    return [(text_in(policy, "Id"), text_in(policy, "Arn")) for policy in policies]


async def describe_policy(api: OrganizationsClient, policy_id: str) -> str:
    """Return the policy's document, as JSON."""
    content = await _ask(api, "DescribePolicy", f"read the policy {policy_id}", PolicyId=policy_id)
    text = text_in(_object(content.get("Policy")), "Content")
    if not text:
        raise lacks(api.endpoint, "DescribePolicy", "policy")
    return text


async def _ask(api: OrganizationsClient, action: str, doing: str, **parameters: str) -> dict[str, object]:
    call = Call(api.endpoint, api.credentials, action, doing, _refused)
    return await call_json(api.client, call, _TARGET, parameters)


def _refused(answer: AwsAnswer, doing: str) -> DsopsError | None:
    if answer.code in _ABSENT:
        hint = "check that the account is a member of the organization of these credentials"
        return EntityNotFound(
            f"could not {doing}: not found in AWS Organizations", why=answer.message, hint=hint, aws=answer
        )
    return None


async def _list(
    api: OrganizationsClient, action: str, name: str, doing: str, **parameters: str
) -> list[dict[str, object]]:
    """Return the objects of a paginated list, from all pages."""
    objects: list[dict[str, object]] = []
    for _ in range(_MOST_PAGES):
        content = await _ask(api, action, doing, **parameters)
        if not isinstance(content.get(name), list):
            raise lacks(api.endpoint, action, name)
        objects += [_object(item) for item in _items(content.get(name))]
        parameters["NextToken"] = text_in(content, "NextToken")
        if not parameters["NextToken"]:
            return objects
    raise lacks(api.endpoint, action, f"end after {_MOST_PAGES} pages")


def _items(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _object(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}

"""IAM: all users, groups, roles and policies of an account, and its identity providers.

The answers have the form in which the AWS CLI prints them: lists and objects, with policies as JSON.
"""

from __future__ import annotations

import json
from urllib.parse import unquote

from dsops.aws.apis.inventory.pages import MOST_PAGES, Json, ServiceApi, no_refusal, objects
from dsops.aws.http.answer import Element, lacks
from dsops.aws.http.call import Call
from dsops.aws.http.client import call_query

_VERSION = "2010-05-08"
_PAGE = "200"
"""The number of items of a page. With IAM's maximum of 1,000, one answer can have more than 16 MB."""

_DETAILS = ("UserDetailList", "GroupDetailList", "RoleDetailList", "Policies")
_LISTS = frozenset(
    """
    UserDetailList GroupDetailList RoleDetailList Policies UserPolicyList GroupPolicyList RolePolicyList GroupList
    AttachedManagedPolicies Tags InstanceProfileList Roles PolicyVersionList OpenIDConnectProviderList SAMLProviderList
    """.split()
)
_DOCUMENTS = frozenset({"PolicyDocument", "AssumeRolePolicyDocument", "Document"})
_BOOLEANS = frozenset({"IsAttachable", "IsDefaultVersion"})
_NUMBERS = frozenset({"AttachmentCount", "PermissionsBoundaryUsageCount"})
_OBJECTS = frozenset({"RoleLastUsed", "PermissionsBoundary"})
"""Objects that can be empty, and then look like empty texts."""


async def get_account_authorization_details(api: ServiceApi) -> Json:
    """Return all users, groups and roles with their policies, from all pages."""
    action = "GetAccountAuthorizationDetails"
    details: dict[str, list[object]] = {name: [] for name in _DETAILS}
    parameters = [("MaxItems", _PAGE)]
    for _ in range(MOST_PAGES):
        result = await _call(api, action, tuple(parameters))
        for name in _DETAILS:
            listed = result.find(name)
            details[name] += [_value(member) for member in listed.children] if listed is not None else []
        marker = result.text_of("Marker")
        if result.text_of("IsTruncated") != "true" or not marker:
            return {**details}
        parameters = [("MaxItems", _PAGE), ("Marker", marker)]
    raise lacks(api.endpoint, action, f"end after {MOST_PAGES} pages")


async def list_open_id_connect_providers(api: ServiceApi) -> list[Json]:
    """Return the ARNs of the OIDC providers, each in an object."""
    return await _listed(api, "ListOpenIDConnectProviders", "OpenIDConnectProviderList")


async def list_saml_providers(api: ServiceApi) -> list[Json]:
    """Return the ARNs of the SAML providers, each in an object."""
    return await _listed(api, "ListSAMLProviders", "SAMLProviderList")


async def _listed(api: ServiceApi, action: str, name: str) -> list[Json]:
    listed = (await _call(api, action, ())).find(name)
    if listed is None:
        raise lacks(api.endpoint, action, name)
    return objects([_value(member) for member in listed.children])


async def _call(api: ServiceApi, action: str, parameters: tuple[tuple[str, str], ...]) -> Element:
    call = Call(api.endpoint, api.credentials, action, f"call iam:{action}", no_refusal)
    return (await call_query(api.client, call, _VERSION, parameters)).result


def _value(element: Element) -> object:
    """Return an element of IAM's XML as the AWS CLI prints it in JSON."""
    if element.name in _LISTS:
        return [_value(member) for member in element.children]
    if element.children or element.name in _OBJECTS:
        return {child.name: _value(child) for child in element.children}
    if element.name in _DOCUMENTS:
        return _document(element.text.strip())
    if element.name in _BOOLEANS:
        return element.text.strip() == "true"
    if element.name in _NUMBERS and element.text.strip().isdecimal():
        return int(element.text)
    return element.text


def _document(text: str) -> object:
    """Return a policy, which IAM sends percent-encoded (RFC 3986); the text itself if it is not JSON."""
    decoded = unquote(text)
    try:
        return json.loads(decoded)
    except (ValueError, RecursionError):
        return decoded

"""Reads a SAML response: the provider, condition keys and actions with which AWS evaluates a trust policy.

Sources: IAM User Guide, "Configure SAML assertions for the authentication response" and "Available keys for SAML-based
AWS STS federation"; STS API Reference, AssumeRoleWithSAML. The signature is not verified here, because AWS verifies it
before it evaluates policies.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha1
from typing import Final, NamedTuple

from dsops.arn import Arn, parse_arn
from dsops.policy import attribute_keys
from dsops.stores.saml_response import ATTRIBUTES, SESSION_NAME, SamlResponse

_TAG: Final = f"{ATTRIBUTES}PrincipalTag:"
_TRANSITIVE: Final = f"{ATTRIBUTES}TransitiveTagKeys"
_SOURCE_IDENTITY: Final = f"{ATTRIBUTES}SourceIdentity"
_FORMAT_PREFIX: Final = "urn:oasis:names:tc:SAML:2.0:nameid-format:"
_UNSPECIFIED: Final = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"


class AssertedContext(NamedTuple):
    """The facts of a SAML response with which AWS evaluates a trust policy."""

    principal_arn: str
    """The ARN of the provider that signed; "" if the response does not determine it."""
    context: dict[str, tuple[str, ...]]
    """The condition keys that the response sets. The call has no other condition keys of SAML."""
    actions: tuple[str, ...]
    """The actions that the trust policy has to allow, in AWS's order."""


def read_told(response: SamlResponse, role: Arn, principal_arn: str) -> AssertedContext:
    """Read a SAML response for the role. `principal_arn` is the configured provider, or "" for the response's."""
    offered = {offer.principal_arn for offer in response.roles if offer.role_arn == str(role)}
    provider = principal_arn or (next(iter(offered)) if len(offered) == 1 else "")
    context = {
        **attribute_keys(response.attributes),
        "SAML:iss": (response.issuer,),
        "SAML:aud": (response.recipient,),
        "SAML:sub": (response.name_id,),
        "SAML:sub_type": ((response.name_format or _UNSPECIFIED).removeprefix(_FORMAT_PREFIX),),
        **_of_provider(response.issuer, provider),
    }
    actions = ["sts:AssumeRoleWithSAML"]
    session_name, source_identity = (
        response.attributes.get(attribute, ())[:1] for attribute in (SESSION_NAME, _SOURCE_IDENTITY)
    )
    if session_name:
        context["sts:RoleSessionName"] = session_name
    if source_identity:
        context["sts:SourceIdentity"] = source_identity
        actions.append("sts:SetSourceIdentity")
    tags = {
        name.removeprefix(_TAG): values[:1]
        for name, values in response.attributes.items()
        if name.startswith(_TAG) and values
    }
    if tags:
        context |= {"aws:TagKeys": tuple(tags), **{f"aws:RequestTag/{key}": values for key, values in tags.items()}}
        actions.append("sts:TagSession")
    if response.attributes.get(_TRANSITIVE):
        context["sts:TransitiveTagKeys"] = response.attributes[_TRANSITIVE]
    return AssertedContext(provider, context, tuple(actions))


def _of_provider(issuer: str, provider: str) -> dict[str, tuple[str, ...]]:
    arn = parse_arn(provider)
    if arn is None:
        return {}
    whose = f"{arn.account}/{arn.resource_name}"
    # This SHA-1 hash is AWS's definition of `saml:namequalifier`; it has no security purpose.
    qualifier = b64encode(sha1(f"{issuer}{whose}".encode(), usedforsecurity=False).digest()).decode()
    return {"SAML:doc": (whose,), "SAML:namequalifier": (qualifier,), "aws:FederatedProvider": (provider,)}

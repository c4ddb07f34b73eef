"""Map SAML attributes to the condition keys that a trust policy can test, as AWS does.

IAM User Guide, "Configure SAML assertions for the authentication response" (the three tables) and "Available keys for
SAML-based AWS STS federation" (which keys exist, and which are multivalued). Other attributes set no condition key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

_EDU_PERSON: Final = "urn:oid:1.3.6.1.4.1.5923.1.1.1."
_EDU_ORG: Final = "urn:oid:1.3.6.1.4.1.5923.1.2.1."
_CLAIMS: Final = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/"

_EDU_PERSON_KEYS: Final = """
affiliation nickname orgdn orgunitdn primaryaffiliation principalname entitlement primaryorgunitdn scopedaffiliation
targetedid assurance
""".split()
_EDU_ORG_KEYS: Final = "homepageuri identityauthnpolicyuri legalname superioruri whitepagesuri".split()

KEYS: Final[Mapping[str, str]] = {
    **{f"{_EDU_PERSON}{number}": f"saml:eduperson{name}" for number, name in enumerate(_EDU_PERSON_KEYS, 1)},
    **{f"{_EDU_ORG}{number}": f"saml:eduorg{name}" for number, name in enumerate(_EDU_ORG_KEYS, 2)},
    "urn:oid:2.5.4.3": "saml:cn",
    f"{_CLAIMS}name": "saml:name",
    "http://schemas.xmlsoap.org/claims/CommonName": "saml:commonName",
    f"{_CLAIMS}givenname": "saml:givenName",
    f"{_CLAIMS}surname": "saml:surname",
    f"{_CLAIMS}emailaddress": "saml:mail",
    # The guide's table maps this attribute to `uid`. In the guide's list of keys, `saml:primaryGroupSID` is the only
    # key that is left for it.
    "http://schemas.microsoft.com/ws/2008/06/identity/claims/primarygroupsid": "saml:primaryGroupSID",
    "2.5.4.3": "saml:commonName",
    "2.5.4.4": "saml:surname",
    "2.5.4.42": "saml:givenName",
    # The guide maps this name to the same key as the name above.
    "2.4.5.42": "saml:givenName",
    "2.5.4.45": "saml:x500UniqueIdentifier",
    "0.9.2342.19200300100.1.1": "saml:uid",
    "0.9.2342.19200300100.1.3": "saml:mail",
    "0.9.2342.19200300.100.1.45": "saml:organizationStatus",
}
_SINGLE: Final = frozenset(
    """
    saml:edupersonorgdn saml:edupersonprimaryaffiliation saml:edupersonprimaryorgunitdn saml:edupersonprincipalname
    """.split()
)


def attribute_keys(attributes: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Return the condition keys that an assertion's attributes set.

    If two attributes set the same key, the first attribute is used. A single-valued key gets the attribute's first
    value.
    """
    keys: dict[str, tuple[str, ...]] = {}
    for name, values in attributes.items():
        key = KEYS.get(name, "")
        if key and values:
            keys.setdefault(key, tuple(values[:1] if key in _SINGLE else values))
    return keys

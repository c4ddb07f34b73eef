"""Extract the attributes of a certificate that become session tags, by a profile's attribute mappings.

IAM Roles Anywhere User Guide, "Certificate attribute mapping". The guide does not say what happens to several values
of one attribute; the sandbox joins them by `/`, so that a policy for one of them does not match.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, cast

from cryptography import x509
from cryptography.x509.oid import NameOID

from dsops.request.question import Tags

_NAMES: Final = {
    NameOID.COMMON_NAME: "CN",
    NameOID.COUNTRY_NAME: "C",
    NameOID.DOMAIN_COMPONENT: "DC",
    NameOID.GIVEN_NAME: "GN",
    NameOID.LOCALITY_NAME: "L",
    NameOID.ORGANIZATION_NAME: "O",
    NameOID.ORGANIZATIONAL_UNIT_NAME: "OU",
    NameOID.SERIAL_NUMBER: "SERIALNUMBER",
    NameOID.STATE_OR_PROVINCE_NAME: "ST",
    NameOID.STREET_ADDRESS: "STREET",
    NameOID.SURNAME: "SN",
    NameOID.TITLE: "T",
    NameOID.USER_ID: "UID",
}
FIELDS: Final = ("x509Subject", "x509Issuer", "x509SAN")
DEFAULT_MAPPINGS: Final[Sequence[Mapping[str, object]]] = (
    {"certificateField": "x509Issuer", "mappingRules": [{"specifier": "*"}]},
    {
        "certificateField": "x509SAN",
        "mappingRules": [{"specifier": "DNS"}, {"specifier": "URI"}, {"specifier": "Name/*"}],
    },
    {"certificateField": "x509Subject", "mappingRules": [{"specifier": "*"}]},
)
"""The attribute mappings of a new profile."""


def is_specifier(field: str, specifier: str) -> bool:
    """Whether a mapping rule of that field may have the specifier: `*`, or the name of an attribute."""
    if field == "x509SAN":
        kind, _, name = specifier.partition("/")
        return specifier in ("DNS", "URI") or (kind == "Name" and (name == "*" or name in _NAMES.values()))
    return specifier == "*" or specifier in _NAMES.values()


def common_name(certificate: x509.Certificate) -> str:
    """Return the CN of the subject, which becomes the source identity; "" without one."""
    return dict(_parts(certificate.subject)).get("CN", "")


def session_tags(certificate: x509.Certificate, mappings: Sequence[object]) -> Tags:
    """Return the tags of the session: key such as `x509Subject/CN`, and value."""
    found = {field: dict(_attributes(field, certificate)) for field in FIELDS}
    tags: dict[str, str] = {}
    for mapping in cast("Sequence[Mapping[str, object]]", mappings):
        field = str(mapping["certificateField"])
        for rule in cast("Sequence[Mapping[str, str]]", mapping["mappingRules"]):
            for name in _named(found[field], rule["specifier"]):
                tags[f"{field}/{name}"] = found[field][name]
    return tuple(sorted(tags.items()))


def _named(attributes: Mapping[str, str], specifier: str) -> Iterator[str]:
    if specifier.endswith("*"):
        return (name for name in attributes if name.startswith(specifier[:-1]))
    return (name for name in attributes if name == specifier)


def _attributes(field: str, certificate: x509.Certificate) -> Iterator[tuple[str, str]]:
    if field == "x509Subject":
        yield from _parts(certificate.subject)
    elif field == "x509Issuer":
        yield from _parts(certificate.issuer)
    else:
        yield from _alternative_names(certificate)


def _alternative_names(certificate: x509.Certificate) -> Iterator[tuple[str, str]]:
    """Yield the first DNS name, the first URI, and the attributes of the first directory name."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return
    for name, values in (
        ("DNS", names.get_values_for_type(x509.DNSName)),
        ("URI", names.get_values_for_type(x509.UniformResourceIdentifier)),
    ):
        if values:
            yield name, values[0]
    for directory_name in names.get_values_for_type(x509.DirectoryName)[:1]:
        for name, value in _parts(directory_name):
            yield f"Name/{name}", value


def _parts(name: x509.Name) -> Iterator[tuple[str, str]]:
    """Yield the supported attributes of a distinguished name."""
    for oid, short in _NAMES.items():
        values = [str(attribute.value) for attribute in name.get_attributes_for_oid(oid)]
        if values:
            yield short, "/".join(values)

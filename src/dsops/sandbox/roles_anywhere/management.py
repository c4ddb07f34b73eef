"""The operations by which administrators manage trust anchors, profiles, revocation lists and subjects.

Most operations differ only in the type of resource, so they share one function for each verb. IAM Roles Anywhere API
Reference, 2018-05-10. Not served: trust anchors of AWS Private CA, aliases, and trusted identity propagation.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final, cast

from dsops.arn import parse_arn
from dsops.document import parse_json
from dsops.policy import check_policy
from dsops.request.context import iso_time
from dsops.request.messages import HttpAnswer
from dsops.request.wire.models import ROLES_ANYWHERE, operation_model
from dsops.sandbox.authorization.request import AuthenticatedRequest
from dsops.sandbox.roles_anywhere.attributes import DEFAULT_MAPPINGS, FIELDS, is_specifier
from dsops.sandbox.roles_anywhere.certificates import is_signed_by, read_bundle, read_crl
from dsops.sandbox.roles_anywhere.records import (
    CRL,
    KINDS,
    PROFILE,
    SUBJECT,
    TRUST_ANCHOR,
    AnywhereResource,
    AnywhereResources,
    Kind,
    Location,
)
from dsops.sandbox.roles_anywhere.refusals import not_found, validation_exception
from dsops.sandbox.state.closed_operations import not_served

_JSON: Final = ("Content-Type", "application/json")
_PAGE: Final = 50
_MOST_TAGS: Final = 200
_NOTIFICATIONS: Final[Sequence[Mapping[str, object]]] = tuple(
    {"enabled": True, "event": event, "threshold": 45, "channel": "ALL", "configuredBy": "rolesanywhere.amazonaws.com"}
    for event in ("CA_CERTIFICATE_EXPIRY", "END_ENTITY_CERTIFICATE_EXPIRY")
)
_NOT_SERVED: Final[Mapping[str, str]] = {
    "aliasName": "aliases do not exist in it",
    "tipConfiguration": "trusted identity propagation does not exist in it",
}
_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "trust-anchor": ("name", "source"),
    "profile": (
        "name",
        "sessionPolicy",
        "roleArns",
        "managedPolicyArns",
        "durationSeconds",
        "acceptRoleSessionName",
        "requireInstanceProperties",
    ),
    "crl": ("name", "crlData"),
}
"""Type -> the parameters of Create and Update that become fields of the resource."""
_ENABLED: Final = "enabled"
_VERBS: Final = re.compile(r"(Create|Delete|Disable|Enable|Get|Import|Update)(TrustAnchor|Profile|Crl|Subject)")


class Management:
    """The operations on the records of one sandbox."""

    def __init__(self, records: AnywhereResources) -> None:
        self._records = records
        self._verbs: Mapping[str, Callable[[AuthenticatedRequest, Kind], AnywhereResource]] = {
            "Create": self._create,
            "Delete": self._delete,
            "Disable": lambda turn, kind: self._switch(turn, kind, is_enabled=False),
            "Enable": lambda turn, kind: self._switch(turn, kind, is_enabled=True),
            "Get": self._named,
            "Import": self._create,
            "Update": self._update,
        }
        self._others: Mapping[str, Callable[[AuthenticatedRequest], Mapping[str, object]]] = {
            "DeleteAttributeMapping": self._delete_mapping,
            "ListTagsForResource": lambda turn: {"tags": _tag_list(self._tagged(turn))},
            "PutAttributeMapping": self._put_mapping,
            "PutNotificationSettings": self._put_notifications,
            "ResetNotificationSettings": self._reset_notifications,
            "TagResource": self._tag,
            "UntagResource": self._untag,
        }

    def perform(self, turn: AuthenticatedRequest) -> HttpAnswer:
        """Perform the operation. Raises SandboxRefusal if AWS would refuse the request."""
        for name, why in _NOT_SERVED.items():
            if turn.parameters.get(name):
                raise not_served(ROLES_ANYWHERE, turn.operation, why)
        verb = _VERBS.fullmatch(turn.operation)
        content: Mapping[str, object]
        if verb is not None:
            kind = next(kind for kind in KINDS if kind.member.lower() == verb[2].lower())
            content = {kind.member: detail(self._verbs[verb[1]](turn, kind))}
        elif turn.operation in self._others:
            content = self._others[turn.operation](turn)
        else:
            content = self._list(turn)
        status = int(operation_model(ROLES_ANYWHERE, turn.operation).http["responseCode"])
        return HttpAnswer(status, (_JSON,), json.dumps(content).encode())

    def _create(self, turn: AuthenticatedRequest, kind: Kind) -> AnywhereResource:
        fields = _given(turn, kind)
        fields[_ENABLED] = turn.parameters.get(_ENABLED) is True
        location = location_of_caller(turn)
        if kind == TRUST_ANCHOR:
            fields["notificationSettings"] = [*_notifications(turn.parameters.get("notificationSettings", ()))]
        elif kind == PROFILE:
            fields = {**new_profile(turn.caller.arn), **fields}
        else:
            anchor = self._records.find(TRUST_ANCHOR, turn.text("trustAnchorArn"), location)
            if anchor is None:
                raise validation_exception(f"There is no trust anchor {turn.text('trustAnchorArn')}.")
            fields |= {
                **new_crl(turn.text("name"), cast("bytes", fields["crlData"]), anchor),
                _ENABLED: fields[_ENABLED],
            }
        return self._records.add(kind, location, fields, turn.now, tags=_tags_of(turn))

    def _update(self, turn: AuthenticatedRequest, kind: Kind) -> AnywhereResource:
        record, fields = self._named(turn, kind), _given(turn, kind)
        if kind == CRL and "crlData" in fields:
            anchor = self._records.at(record.text("trustAnchorArn"))
            if anchor is not None:
                _check_crl(fields["crlData"], anchor)
        return self._changed(record, turn, fields)

    def _delete(self, turn: AuthenticatedRequest, kind: Kind) -> AnywhereResource:
        record = self._named(turn, kind)
        self._records.remove(record)
        return record

    def _switch(self, turn: AuthenticatedRequest, kind: Kind, *, is_enabled: bool) -> AnywhereResource:
        return self._changed(self._named(turn, kind), turn, {_ENABLED: is_enabled})

    def _named(self, turn: AuthenticatedRequest, kind: Kind) -> AnywhereResource:
        name = turn.text(kind.id_name)
        record = self._records.find(kind, name, location_of_caller(turn))
        if record is None:
            raise not_found(f"There is no {kind.name} {name}.")
        return record

    def _changed(
        self, record: AnywhereResource, turn: AuthenticatedRequest, fields: Mapping[str, object]
    ) -> AnywhereResource:
        changed = record.changed(turn.now, fields)
        self._records.put(changed)
        return changed

    def _list(self, turn: AuthenticatedRequest) -> Mapping[str, object]:
        kind = next(kind for kind in KINDS if turn.operation.lower() == f"list{kind.member.lower()}s")
        found = [*self._records.of(kind, location_of_caller(turn))]
        start, size = _start(turn.text("nextToken")), turn.number("pageSize", _PAGE)
        page = [detail(record) for record in found[start : start + size]]
        if kind == SUBJECT:
            page = [{name: value for name, value in each.items() if name != "credentials"} for each in page]
        following = {"nextToken": _token(start + size)} if start + size < len(found) else {}
        return {f"{kind.member}s": page, **following}

    def _put_mapping(self, turn: AuthenticatedRequest) -> Mapping[str, object]:
        profile, field = self._named(turn, PROFILE), turn.text("certificateField")
        if field not in FIELDS:
            raise validation_exception(f"The certificate field must be one of {', '.join(FIELDS)}.")
        rules = cast("Sequence[Mapping[str, str]]", turn.parameters["mappingRules"])
        for rule in rules:
            if not is_specifier(field, rule["specifier"]):
                raise validation_exception(f"{field} has no attribute {rule['specifier']}.")
        others = [each for each in _mappings(profile) if each["certificateField"] != field]
        mapping = {"certificateField": field, "mappingRules": [dict(rule) for rule in rules]}
        return self._with_mappings(turn, profile, [*others, mapping])

    def _delete_mapping(self, turn: AuthenticatedRequest) -> Mapping[str, object]:
        profile, field = self._named(turn, PROFILE), turn.text("certificateField")
        specifiers = cast("Sequence[str]", turn.parameters.get("specifiers", ()))
        kept: list[Mapping[str, object]] = []
        for mapping in _mappings(profile):
            rules = cast("Sequence[Mapping[str, str]]", mapping["mappingRules"])
            if mapping["certificateField"] == field:
                rules = [rule for rule in rules if specifiers and rule["specifier"] not in specifiers]
            if rules:
                kept.append({**mapping, "mappingRules": [*rules]})
        return self._with_mappings(turn, profile, kept)

    def _with_mappings(
        self, turn: AuthenticatedRequest, profile: AnywhereResource, mappings: list[Mapping[str, object]]
    ) -> Mapping[str, object]:
        ordered = sorted(mappings, key=lambda mapping: str(mapping["certificateField"]))
        return {"profile": detail(self._changed(profile, turn, {"attributeMappings": ordered}))}

    def _put_notifications(self, turn: AuthenticatedRequest) -> Mapping[str, object]:
        anchor = self._named(turn, TRUST_ANCHOR)
        settings = [*_notifications(turn.parameters["notificationSettings"], anchor.fields["notificationSettings"])]
        return {"trustAnchor": detail(self._changed(anchor, turn, {"notificationSettings": settings}))}

    def _reset_notifications(self, turn: AuthenticatedRequest) -> Mapping[str, object]:
        anchor = self._named(turn, TRUST_ANCHOR)
        keys = cast("Sequence[Mapping[str, str]]", turn.parameters["notificationSettingKeys"])
        events = {key["event"] for key in keys}
        kept = cast("Sequence[Mapping[str, object]]", anchor.fields["notificationSettings"])
        kept = [each for each in kept if each["event"] not in events]
        settings = [*kept, *(each for each in _NOTIFICATIONS if each["event"] in events)]
        return {"trustAnchor": detail(self._changed(anchor, turn, {"notificationSettings": settings}))}

    def _tagged(self, turn: AuthenticatedRequest) -> AnywhereResource:
        """Return the resource whose tags are requested."""
        record = self._records.at(turn.text("resourceArn"))
        if record is None or record.location != location_of_caller(turn):
            raise not_found(f"There is no resource {turn.text('resourceArn')}.")
        return record

    def _tag(self, turn: AuthenticatedRequest) -> Mapping[str, object]:
        record = self._tagged(turn)
        tags = dict(record.tags) | dict(_tags_of(turn))
        if len(tags) > _MOST_TAGS:
            raise validation_exception(f"A resource can have at most {_MOST_TAGS} tags.")
        self._records.put(record._replace(tags=tuple(tags.items())))
        return {}

    def _untag(self, turn: AuthenticatedRequest) -> Mapping[str, object]:
        record = self._tagged(turn)
        keys = cast("Sequence[str]", turn.parameters["tagKeys"])
        self._records.put(record._replace(tags=tuple(tag for tag in record.tags if tag[0] not in keys)))
        return {}


def location_of_caller(turn: AuthenticatedRequest) -> Location:
    """Return the account and region in which the caller manages resources."""
    return Location(turn.caller.partition, turn.caller.region, turn.caller.account)


def detail(record: AnywhereResource) -> dict[str, object]:
    """Return the resource as responses contain it."""
    fields = dict(record.fields)
    if "crlData" in fields:
        fields["crlData"] = base64.b64encode(cast("bytes", fields["crlData"])).decode()
    return {
        record.kind.id_name: record.identifier,
        record.kind.arn_name: record.arn,
        **fields,
        "createdAt": iso_time(record.created_at),
        "updatedAt": iso_time(record.updated_at),
    }


def _given(turn: AuthenticatedRequest, kind: Kind) -> dict[str, object]:
    """Return the fields that the request sets. Raises ValidationException for an invalid value."""
    fields = {name: turn.parameters[name] for name in _FIELDS[kind.name] if name in turn.parameters}
    if "source" in fields:
        check_source(turn.operation, cast("Mapping[str, object]", fields["source"]))
    if turn.parameters.get("crlDpRevocationEnabled") is True:
        raise not_served(ROLES_ANYWHERE, turn.operation, "it sends no requests to distribution points of CRLs")
    check_profile(fields)
    return fields


def check_source(operation: str, source: Mapping[str, object]) -> None:
    """Raise ValidationException unless a trust anchor's source is a bundle of CA certificates."""
    if source.get("sourceType") != "CERTIFICATE_BUNDLE":
        raise not_served(ROLES_ANYWHERE, operation, "a trust anchor must be a CERTIFICATE_BUNDLE")
    data = cast("Mapping[str, str]", source.get("sourceData") or {})
    read_bundle(data.get("x509CertificateData", ""))


def check_profile(fields: Mapping[str, object]) -> None:
    """Raise ValidationException for a role, duration or session policy that a profile can't have."""
    for arn in cast("Sequence[str]", fields.get("roleArns", ())):
        parts = parse_arn(arn)
        if parts is None or parts.service != "iam" or parts.resource_type != "role":
            raise validation_exception(f"{arn} is not the ARN of a role.")
    seconds = fields.get("durationSeconds", 3600)
    if not isinstance(seconds, int) or not 900 <= seconds <= 43200:
        raise validation_exception("durationSeconds must be between 900 and 43200.")
    policy = str(fields.get("sessionPolicy", ""))
    if policy:
        checked = check_policy(parse_json(policy, "policy"), "session", name="policy")
        if checked.policy is None:
            raise validation_exception(f"The session policy is invalid: {checked.aws_message}")


def new_anchor(name: str, bundle: str, *, is_enabled: bool) -> dict[str, object]:
    """Return the fields of a trust anchor with these CA certificates. Raises ValidationException."""
    source = {"sourceType": "CERTIFICATE_BUNDLE", "sourceData": {"x509CertificateData": bundle}}
    check_source("CreateTrustAnchor", source)
    notifications = [*_NOTIFICATIONS]
    return {"name": name, "source": source, _ENABLED: is_enabled, "notificationSettings": notifications}


def new_crl(name: str, data: bytes, anchor: AnywhereResource) -> dict[str, object]:
    """Return the fields of an enabled revocation list of that trust anchor. Raises ValidationException."""
    _check_crl(data, anchor)
    return {"name": name, "crlData": data, "trustAnchorArn": anchor.arn, _ENABLED: True}


def new_profile(created_by: str) -> dict[str, object]:
    """Return the fields that a profile has by default."""
    return {
        "acceptRoleSessionName": False,
        "attributeMappings": [*DEFAULT_MAPPINGS],
        "createdBy": created_by,
        "durationSeconds": 3600,
        "managedPolicyArns": [],
        "requireInstanceProperties": False,
    }


def _check_crl(data: object, anchor: AnywhereResource) -> None:
    """Raise ValidationException for a list that names a CA of the trust anchor as issuer and has another signature.

    The list of an intermediate CA is verified when a chain contains this CA.
    """
    crl = read_crl(cast("bytes", data))
    source = cast("Mapping[str, Mapping[str, str]]", anchor.fields["source"])
    issuers = [each for each in read_bundle(source["sourceData"]["x509CertificateData"]) if each.subject == crl.issuer]
    if issuers and not any(is_signed_by(crl, issuer) for issuer in issuers):
        raise validation_exception("The CRL is not signed by the certificate authority of the trust anchor.")


def _notifications(given: object, before: object = _NOTIFICATIONS) -> list[Mapping[str, object]]:
    """Return the notification settings with those of the request replaced."""
    settings = {str(each["event"]): each for each in cast("Sequence[Mapping[str, object]]", before)}
    for setting in cast("Sequence[Mapping[str, object]]", given):
        defaults = {"threshold": 45, "channel": "ALL"}
        settings[str(setting["event"])] = {**defaults, **setting, "configuredBy": "customer"}
    return [*settings.values()]


def _mappings(profile: AnywhereResource) -> list[Mapping[str, object]]:
    return [*cast("Sequence[Mapping[str, object]]", profile.fields["attributeMappings"])]


def _tags_of(turn: AuthenticatedRequest) -> tuple[tuple[str, str], ...]:
    tags = cast("Sequence[Mapping[str, str]]", turn.parameters.get("tags", ()))
    return tuple((tag["key"], tag["value"]) for tag in tags)


def _tag_list(record: AnywhereResource) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in record.tags]


def _token(start: int) -> str:
    return base64.urlsafe_b64encode(f"from {start}".encode()).decode()


def _start(token: str) -> int:
    """Return the index of a page's first resource. Raises ValidationException for a token that is not ours."""
    try:
        word, _, number = base64.urlsafe_b64decode(token).decode("ascii").partition(" ")
    except ValueError:  # binascii.Error is a ValueError, too.
        word = number = ""
    if token and (word != "from" or not number.isdigit() or len(number) > 9):
        raise validation_exception("The pagination token is invalid.")
    return int(number) if token else 0

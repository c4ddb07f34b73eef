"""CreateSession: verify a certificate and its signature, then assume a role for its holder.

The order of the checks is the sandbox's own: trust anchor and profile, chain, signature, revocation, then the role.
The role is assumed by the service principal `rolesanywhere.amazonaws.com`. The trust policy can use the certificate's
attributes as `aws:PrincipalTag/x509Subject/CN` and the like, `sts:SourceIdentity`, `aws:SourceArn` and
`aws:SourceAccount` (IAM Roles Anywhere User Guide, "The IAM Roles Anywhere trust model").
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple, cast

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from dsops.arn import parse_arn
from dsops.errors import SandboxRefusal
from dsops.request.context import iso_time, request_tags, tag_keys
from dsops.request.messages import HttpRequest
from dsops.request.question import Tags
from dsops.request.wire.errors import access_denied, answer_of
from dsops.request.wire.parameters import check_member
from dsops.request.wire.responses import Value
from dsops.sandbox.authorization.context import membership_keys
from dsops.sandbox.authorization.request import AuthenticatedRequest
from dsops.sandbox.roles_anywhere.attributes import common_name, session_tags
from dsops.sandbox.roles_anywhere.certificates import is_revoked, read_bundle, read_crl, verify_chain
from dsops.sandbox.roles_anywhere.parameters import SessionRequest
from dsops.sandbox.roles_anywhere.records import (
    CRL,
    PROFILE,
    SUBJECT,
    TRUST_ANCHOR,
    AnywhereResource,
    AnywhereResources,
    Kind,
    Location,
)
from dsops.sandbox.roles_anywhere.refusals import cannot_assume, not_found, untrusted, validation_exception
from dsops.sandbox.roles_anywhere.signature import CertificateClaim
from dsops.sandbox.state.sessions import Issued
from dsops.sandbox.state.world import Role, World
from dsops.sandbox.sts.sts import StsService

SERVICE: Final = "rolesanywhere.amazonaws.com"
"""The service principal that roles must trust."""
_MOST_SEEN: Final = 100


class VerifiedRequest(NamedTuple):
    """A verified request: the certificate's owner, and the session that it requests."""

    anchor: AnywhereResource
    profile: AnywhereResource
    role: Role
    certificate: x509.Certificate
    seconds: int
    session_name: str
    source_identity: str
    tags: Tags


class CertificateSessions:
    """Issues the sessions of one sandbox."""

    def __init__(self, world: World, records: AnywhereResources, sts: StsService) -> None:
        self._world = world
        self._records = records
        self._sts = sts

    def verify(
        self, request: HttpRequest, claim: CertificateClaim, asked: SessionRequest, now: float
    ) -> VerifiedRequest:
        """Return the verified request. Raises SandboxRefusal. `now` is the sandbox's time in seconds since 1970."""
        anchor = self._enabled(TRUST_ANCHOR, asked.trust_anchor_arn, claim.region)
        profile = self._enabled(PROFILE, asked.profile_arn, claim.region)
        if anchor.location != profile.location:
            raise access_denied("The trust anchor and the profile belong to different accounts.")
        bundle = read_bundle(_bundle_of(anchor))
        chain = verify_chain(claim.certificate, claim.intermediates, bundle, now)
        claim.check(request)
        crls = [read_crl(cast("bytes", crl.fields["crlData"])) for crl in self._crls_of(anchor)]
        if is_revoked(chain, crls):
            raise access_denied("Certificate revoked")
        if asked.role_arn not in profile.texts("roleArns"):
            raise access_denied(f"The profile {profile.arn} does not contain the role {asked.role_arn}.")
        role = self._world.role_at(asked.role_arn)
        if role is None or role.account != anchor.location.account:
            raise cannot_assume(asked.role_arn)
        if profile.fields.get("requireInstanceProperties") is True and not asked.has_instance_properties:
            raise validation_exception("The profile requires instance properties, and the request has none.")
        if asked.role_session_name and profile.fields.get("acceptRoleSessionName") is not True:
            raise access_denied("The profile does not accept a custom role session name.")
        return _verified(anchor, profile, role, claim.certificate, asked)

    def assume(self, turn: AuthenticatedRequest, verified: VerifiedRequest) -> tuple[Issued, dict[str, Value]]:
        """Issue the role session. Raises AccessDeniedException if the role does not trust the certificate's owner."""
        try:
            for name in ("RoleSessionName", "SourceIdentity", "Tags"):
                if name in turn.parameters:
                    check_member("sts", "AssumeRole", name, turn.parameters[name])
            return self._sts.issue_to_service(turn, verified.role, {})
        except SandboxRefusal as refused:
            aws = answer_of(refused)
            raise cannot_assume(verified.role.arn, "" if aws.code == "AccessDenied" else aws.message) from refused

    def turn(self, verified: VerifiedRequest, now: float, request_id: str) -> AuthenticatedRequest:
        """Return the AssumeRole call that the service makes for the certificate's owner."""
        location = verified.anchor.location
        caller = self._sts.service_caller(verified.role, SERVICE, location.region)
        context: dict[str, tuple[str, ...]] = {
            "aws:PrincipalIsAWSService": ("true",),
            "aws:PrincipalServiceName": (SERVICE,),
            "aws:PrincipalServiceNamesList": (SERVICE,),
            "aws:SourceAccount": (location.account,),
            "aws:SourceArn": (verified.anchor.arn,),
            **tag_keys(("aws:PrincipalTag",), verified.tags),
            **request_tags(verified.tags),
        }
        if self._world.organizations.are_used:
            context |= membership_keys(self._world.organizations.membership(location.account), "Source")
        return AuthenticatedRequest(caller, "AssumeRole", _parameters(verified), context, now, request_id)

    def note_subject(self, verified: VerifiedRequest, now: float, *, has_failed: bool) -> AnywhereResource:
        """Record the certificate's subject and its last request; return the subject's record."""
        certificate, location = verified.certificate, verified.anchor.location
        name = certificate.subject.rfc4514_string()
        found = next((each for each in self._records.of(SUBJECT, location) if each.text("x509Subject") == name), None)
        if found is None:
            fields: dict[str, object] = {"enabled": True, "x509Subject": name, "credentials": []}
            found = self._records.add(SUBJECT, location, fields, now)
        seen: dict[str, object] = {
            "enabled": True,
            "failed": has_failed,
            "issuer": certificate.issuer.rfc4514_string(),
            "seenAt": iso_time(now),
            "serialNumber": str(certificate.serial_number),
            "x509CertificateData": certificate.public_bytes(Encoding.PEM).decode(),
        }
        before = cast("list[dict[str, object]]", found.fields["credentials"])
        others = [each for each in before if each["serialNumber"] != seen["serialNumber"]]
        subject = found.changed(now, {"lastSeenAt": iso_time(now), "credentials": [seen, *others][:_MOST_SEEN]})
        self._records.put(subject)
        return subject

    def _enabled(self, kind: Kind, arn: str, region: str) -> AnywhereResource:
        """Return the trust anchor or profile, which must be enabled and in the request's region."""
        record = self._records.at(arn)
        if record is None or record.kind != kind or record.location.region != region:
            raise not_found(f"There is no {kind.name} {arn} in {region}.")
        if not record.is_enabled:
            raise access_denied(f"The {kind.name} {arn} is disabled.")
        return record

    def _crls_of(self, anchor: AnywhereResource) -> list[AnywhereResource]:
        crls = self._records.of(CRL, anchor.location)
        return [crl for crl in crls if crl.is_enabled and crl.text("trustAnchorArn") == anchor.arn]


def location_of(arn: str) -> Location | None:
    """Return the account and region in an ARN; None for other text."""
    parts = parse_arn(arn)
    return None if parts is None else Location(parts.partition, parts.region, parts.account)


def _bundle_of(anchor: AnywhereResource) -> str:
    source = cast("Mapping[str, Mapping[str, str]]", anchor.fields["source"])
    return source["sourceData"]["x509CertificateData"]


def _verified(
    anchor: AnywhereResource,
    profile: AnywhereResource,
    role: Role,
    certificate: x509.Certificate,
    asked: SessionRequest,
) -> VerifiedRequest:
    limit = cast("int", profile.fields["durationSeconds"])
    seconds = limit if asked.duration_seconds is None else min(asked.duration_seconds, limit)
    name = common_name(certificate)
    if not name:
        raise untrusted("its subject has no common name, which becomes the source identity")
    mappings = cast("list[object]", profile.fields["attributeMappings"])
    return VerifiedRequest(
        anchor,
        profile,
        role,
        certificate,
        seconds,
        asked.role_session_name or f"{certificate.serial_number:x}",
        name,
        session_tags(certificate, mappings),
    )


def _parameters(verified: VerifiedRequest) -> dict[str, object]:
    parameters: dict[str, object] = {
        "RoleArn": verified.role.arn,
        "RoleSessionName": verified.session_name,
        "DurationSeconds": verified.seconds,
        "SourceIdentity": verified.source_identity,
    }
    if verified.tags:
        parameters["Tags"] = [{"Key": key, "Value": value} for key, value in verified.tags]
    if verified.profile.text("sessionPolicy"):
        parameters["Policy"] = verified.profile.text("sessionPolicy")
    if verified.profile.texts("managedPolicyArns"):
        parameters["PolicyArns"] = [{"arn": arn} for arn in verified.profile.texts("managedPolicyArns")]
    return parameters

"""The operations with which administrators manage IAM Roles Anywhere."""

from __future__ import annotations

import base64
import json

import pytest

from tests.anywhere import ANCHOR, ANYWHERE_PROFILE, MACHINE, ROLE, ROOT, call, seed, send
from tests.certificates import Authority
from tests.sandboxes import ACCOUNT, OTHER, Lab, Person

BUNDLE = {"sourceType": "CERTIFICATE_BUNDLE", "sourceData": {"x509CertificateData": ROOT.pem}}


@pytest.fixture
def lab() -> Lab:
    """A sandbox with the seed as it is."""
    return Lab.of(seed())


@pytest.fixture
def admin(lab: Lab) -> Person:
    """The account's administrator."""
    return lab.user("admin")


def operate(caller: Person, operation: str, /, **parameters: object) -> dict[str, object]:
    """Call the operation; return its answer without botocore's metadata."""
    answer = caller.call("rolesanywhere", operation, **parameters)
    answer.pop("ResponseMetadata")
    return answer


def test_all_resources_made_by_the_api_issue_a_session(lab: Lab, admin: Person) -> None:
    """A trust anchor and a profile that were created and enabled with the API work as those of the seed."""
    made = admin.call("rolesanywhere", "CreateTrustAnchor", name="made", source=BUNDLE)["trustAnchor"]
    assert made["enabled"] is False
    profile = admin.call("rolesanywhere", "CreateProfile", name="made", roleArns=[ROLE])["profile"]
    assert (profile["durationSeconds"], profile["enabled"], profile["createdBy"]) == (3600, False, admin.arn)
    request = call(trust_anchor_arn=made["trustAnchorArn"], profile_arn=profile["profileArn"])
    assert send(lab, request).message.endswith("is disabled.")
    admin.call("rolesanywhere", "EnableTrustAnchor", trustAnchorId=made["trustAnchorId"])
    admin.call("rolesanywhere", "EnableProfile", profileId=profile["profileId"])
    assert send(lab, request).status == 201


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ({"sourceType": "CERTIFICATE_BUNDLE", "sourceData": {"x509CertificateData": "no PEM"}}, "not valid PEM"),
        (
            {"sourceType": "CERTIFICATE_BUNDLE", "sourceData": {"x509CertificateData": MACHINE.pem}},
            "Incorrect basic constraints",
        ),
        (
            {
                "sourceType": "CERTIFICATE_BUNDLE",
                "sourceData": {"x509CertificateData": Authority.root(usages=("crl_sign",)).pem},
            },
            "Incorrect key usage",
        ),
    ],
    ids=["no PEM", "no CA", "no Certificate Sign"],
)
def test_a_bundle_without_ca_certificates_is_refused(admin: Person, source: dict[str, object], why: str) -> None:
    """A trust anchor accepts only certificates that can issue certificates."""
    error = admin.refused("rolesanywhere", "CreateTrustAnchor", name="bad", source=source)
    assert error.code == "ValidationException"
    assert why in error.message


def test_what_the_sandbox_lacks_is_refused(admin: Person) -> None:
    """AWS Private CA, aliases and CRL distribution points are answered with NotImplemented."""
    source = {"sourceType": "AWS_ACM_PCA", "sourceData": {"acmPcaArn": "arn:aws:acm-pca:us-east-1:1:x"}}
    for parameters in (
        {"source": source},
        {"source": BUNDLE, "aliasName": "factory"},
        {"source": BUNDLE, "crlDpRevocationEnabled": True},
    ):
        error = admin.refused("rolesanywhere", "CreateTrustAnchor", name="x", **parameters)
        assert error.code == "NotImplemented"


def test_a_crl_revokes_until_it_is_disabled_or_deleted(lab: Lab, admin: Person) -> None:
    """ImportCrl, UpdateCrl, DisableCrl and DeleteCrl take effect at the next CreateSession."""
    data = ROOT.crl(MACHINE).encode()
    crl = admin.call("rolesanywhere", "ImportCrl", name="crl", crlData=data, trustAnchorArn=ANCHOR)["crl"]
    assert (crl["enabled"], crl["crlData"]) == (False, data)
    assert send(lab, call()).status == 201
    admin.call("rolesanywhere", "EnableCrl", crlId=crl["crlId"])
    assert send(lab, call()).message == "Certificate revoked"
    admin.call("rolesanywhere", "UpdateCrl", crlId=crl["crlId"], crlData=ROOT.crl().encode())
    assert send(lab, call()).status == 201
    admin.call("rolesanywhere", "UpdateCrl", crlId=crl["crlArn"], crlData=data)
    assert send(lab, call()).status == 403
    assert len(admin.call("rolesanywhere", "ListCrls")["crls"]) == 1
    admin.call("rolesanywhere", "DeleteCrl", crlId=crl["crlId"])
    assert send(lab, call()).status == 201
    assert admin.refused("rolesanywhere", "GetCrl", crlId=crl["crlId"]).code == "ResourceNotFoundException"


def test_a_crl_that_the_trust_anchor_did_not_sign_is_refused(admin: Person) -> None:
    """A list with the CA's name and another key's signature is refused, as text that is no list."""
    for data in (Authority.root().crl(MACHINE), "no list"):
        error = admin.refused("rolesanywhere", "ImportCrl", name="crl", crlData=data.encode(), trustAnchorArn=ANCHOR)
        assert error.code == "ValidationException"


def test_attribute_mappings_select_the_session_tags(lab: Lab, admin: Person) -> None:
    """PutAttributeMapping and DeleteAttributeMapping change which attributes become tags."""
    profile_id = ANYWHERE_PROFILE.rpartition("/")[2]

    def tags() -> dict[str, str]:
        answer = send(lab, call())
        session = lab.sandbox.sessions.get(answer.session["credentials"]["accessKeyId"])
        assert session is not None
        return dict(session.tags)

    assert tags() == {"x509Issuer/CN": "Example Root", "x509Subject/CN": "machine-1"}
    admin.call(
        "rolesanywhere",
        "PutAttributeMapping",
        profileId=profile_id,
        certificateField="x509Subject",
        mappingRules=[{"specifier": "OU"}],
    )
    assert tags() == {"x509Issuer/CN": "Example Root"}
    admin.call(
        "rolesanywhere", "DeleteAttributeMapping", profileId=profile_id, certificateField="x509Issuer", specifiers=["*"]
    )
    assert tags() == {}
    fields = [
        each["certificateField"]
        for each in admin.call("rolesanywhere", "GetProfile", profileId=profile_id)["profile"]["attributeMappings"]
    ]
    assert fields == ["x509SAN", "x509Subject"]
    error = admin.refused(
        "rolesanywhere",
        "PutAttributeMapping",
        profileId=profile_id,
        certificateField="x509Subject",
        mappingRules=[{"specifier": "DNS"}],
    )
    assert error.code == "ValidationException"


def test_updates_replace_only_what_is_given(admin: Person) -> None:
    """UpdateProfile and UpdateTrustAnchor keep the fields that the request omits."""
    profile_id, anchor_id = ANYWHERE_PROFILE.rpartition("/")[2], ANCHOR.rpartition("/")[2]
    profile = admin.call("rolesanywhere", "UpdateProfile", profileId=profile_id, durationSeconds=900)["profile"]
    assert (profile["durationSeconds"], profile["roleArns"], profile["name"]) == (900, [ROLE], "machines")
    anchor = admin.call("rolesanywhere", "UpdateTrustAnchor", trustAnchorId=anchor_id, name="plant")["trustAnchor"]
    assert (anchor["name"], anchor["source"], anchor["enabled"]) == ("plant", BUNDLE, True)
    policy = json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Maybe", "Action": "*", "Resource": "*"}})
    error = admin.refused("rolesanywhere", "UpdateProfile", profileId=profile_id, sessionPolicy=policy)
    assert error.code == "ValidationException"


def test_notification_settings_are_put_and_reset(admin: Person) -> None:
    """A trust anchor has AWS's default notifications, which can be replaced and restored."""
    anchor_id, event = ANCHOR.rpartition("/")[2], "CA_CERTIFICATE_EXPIRY"

    def threshold() -> int:
        anchor = admin.call("rolesanywhere", "GetTrustAnchor", trustAnchorId=anchor_id)["trustAnchor"]
        return next(int(each["threshold"]) for each in anchor["notificationSettings"] if each["event"] == event)

    setting = {"enabled": True, "event": event, "threshold": 10}
    admin.call("rolesanywhere", "PutNotificationSettings", trustAnchorId=anchor_id, notificationSettings=[setting])
    assert threshold() == 10
    admin.call(
        "rolesanywhere",
        "ResetNotificationSettings",
        trustAnchorId=anchor_id,
        notificationSettingKeys=[{"event": event}],
    )
    assert threshold() == 45


def test_tags_are_listed_added_and_removed(admin: Person) -> None:
    """Tags given at creation or later are listed until they are removed."""
    tags = [{"key": "team", "value": "plant"}]
    anchor = admin.call("rolesanywhere", "CreateTrustAnchor", name="t", source=BUNDLE, tags=tags)["trustAnchor"]
    arn = anchor["trustAnchorArn"]
    admin.call("rolesanywhere", "TagResource", resourceArn=arn, tags=[{"key": "stage", "value": "prod"}])
    assert len(admin.call("rolesanywhere", "ListTagsForResource", resourceArn=arn)["tags"]) == 2
    admin.call("rolesanywhere", "UntagResource", resourceArn=arn, tagKeys=["team"])
    listed = admin.call("rolesanywhere", "ListTagsForResource", resourceArn=arn)["tags"]
    assert listed == [{"key": "stage", "value": "prod"}]
    error = admin.refused("rolesanywhere", "ListTagsForResource", resourceArn=f"{arn}x")
    assert error.code == "ResourceNotFoundException"


def test_lists_have_pages(admin: Person) -> None:
    """A list is complete over its pages; a token that the sandbox did not issue is refused."""
    for number in range(3):
        admin.call("rolesanywhere", "CreateTrustAnchor", name=f"n{number}", source=BUNDLE)
    first = admin.call("rolesanywhere", "ListTrustAnchors", pageSize=3)
    second = admin.call("rolesanywhere", "ListTrustAnchors", pageSize=3, nextToken=first["nextToken"])
    assert [each["name"] for each in (*first["trustAnchors"], *second["trustAnchors"])] == ["factory", "n0", "n1", "n2"]
    assert "nextToken" not in second
    for token in ("x", base64.b64encode(b"from -1").decode()):
        assert admin.refused("rolesanywhere", "ListTrustAnchors", nextToken=token).code == "ValidationException"


def test_subjects_show_the_certificates_that_were_used(lab: Lab, admin: Person) -> None:
    """A subject has the certificates with which it asked, newest first, and whether the last request failed."""
    renewed = ROOT.machine()
    send(lab, call())
    answer = send(lab, call(renewed))
    subject_id = answer.content["subjectArn"].rpartition("/")[2]
    subject = admin.call("rolesanywhere", "GetSubject", subjectId=subject_id)["subject"]
    assert subject["x509Subject"] == "CN=machine-1"
    numbers = [each["serialNumber"] for each in subject["credentials"]]
    assert numbers == [str(each.certificate.serial_number) for each in (renewed, MACHINE)]
    [listed] = admin.call("rolesanywhere", "ListSubjects")["subjects"]
    assert listed["subjectArn"] == answer.content["subjectArn"]


def test_other_accounts_and_regions_see_nothing() -> None:
    """Resources belong to one account and region."""
    text = json.loads(seed())
    text["accounts"][OTHER] = {}
    lab = Lab.of(json.dumps(text))
    stranger, abroad = lab.user("admin", OTHER), lab.user("admin")
    abroad.region = "eu-west-1"
    for caller in (stranger, abroad):
        assert caller.call("rolesanywhere", "ListTrustAnchors")["trustAnchors"] == []
        error = caller.refused("rolesanywhere", "GetTrustAnchor", trustAnchorId=ANCHOR.rpartition("/")[2])
        assert error.code == "ResourceNotFoundException"


def test_operations_need_permission() -> None:
    """A user without policies may do nothing; CreateProfile also needs iam:PassRole for the roles."""
    text = json.loads(seed())
    allowed = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "rolesanywhere:*", "Resource": "*"}}
    text["accounts"][ACCOUNT]["users"] = {"guest": {}, "operator": {"policies": [allowed]}}
    lab = Lab.of(json.dumps(text))
    guest, operator = lab.user("guest"), lab.user("operator")
    assert guest.refused("rolesanywhere", "ListTrustAnchors").code == "AccessDeniedException"
    error = operator.refused("rolesanywhere", "CreateProfile", name="p", roleArns=[ROLE])
    assert "iam:PassRole" in error.message
    assert operate(operator, "CreateTrustAnchor", name="t", source=BUNDLE)


def test_an_unknown_path_is_no_operation(lab: Lab, admin: Person) -> None:
    """A request that no operation matches is answered with UnknownOperationException."""
    request = admin.request("rolesanywhere", "ListProfiles")
    for changed in (request._replace(path="/nothing"), request._replace(path="/sessions")):
        answer = lab.sandbox.handle(changed).answer
        assert (answer.status, dict(answer.headers)["x-amzn-ErrorType"]) == (404, "UnknownOperationException")

"""Authorization ids in denials, and the details that the IAM Toolbox shows to permitted accounts."""

from __future__ import annotations

import re
from typing import Any

import pytest

from dsops.errors import SeedInvalid
from dsops.sandbox.authorization import iam_toolbox
from dsops.sandbox.authorization.authorization_records import AuthorizationRecords, new_id, with_id
from dsops.sandbox.seed.file import read_seed
from tests.sandboxes import ACCOUNT, OTHER, Keys, Person, RefusedError
from tests.unit.sandbox.conftest import LabFactory

OWNER = "999999999999"
STRANGER = "333333333333"
DEPLOY = f"arn:aws:iam::{ACCOUNT}:role/Deploy"
PARTNER = f"arn:aws:iam::{OTHER}:role/Partner"
EXTERNAL_ID = "known-to-two"
MANAGED = f"arn:aws:iam::{ACCOUNT}:policy/Denies"
SEED = f"""
authorization_ids: [all]
organization:
  id: o-exampleorg1
  management_account: "{OWNER}"
  service_control_policies:
    - {{Version: "2012-10-17", Statement: [{{Sid: NoQueues, Effect: Deny, Action: "sqs:*", Resource: "*"}}]}}
  accounts: ["{ACCOUNT}"]
accounts:
  "{ACCOUNT}":
    policies:
      Denies: {{Version: "2012-10-17", Statement: [{{Sid: NoKeys, Effect: Deny, Action: "kms:*", Resource: "*"}}]}}
      Little: {{Version: "2012-10-17", Statement: [{{Effect: Allow, Action: ["sts:*", "kms:*", "sqs:*",
        "secretsmanager:*"], Resource: "*"}}]}}
    users:
      ada:
        tags: {{team: blue}}
        boundary: arn:aws:iam::{ACCOUNT}:policy/Little
        policies:
          - {MANAGED}
          - {{Version: "2012-10-17", Statement: [{{Sid: Everything, Effect: Allow, Action: "*", Resource: "*"}}]}}
      bob: {{}}
      reader:
        policies:
          - {{Version: "2012-10-17", Statement: [{{Effect: Allow, Action: "iam:GetRequestAuthorizationDetails",
             Resource: "*"}}]}}
    roles:
      Deploy:
        tags: {{stage: prod}}
        trust:
          Version: "2012-10-17"
          Statement:
            - Sid: Named
              Effect: Allow
              Principal: {{AWS: "arn:aws:iam::{ACCOUNT}:root"}}
              Action: [sts:AssumeRole, sts:TagSession]
              Condition: {{StringEquals: {{"sts:ExternalId": {EXTERNAL_ID}}}}}
        policies:
          - {{Version: "2012-10-17", Statement: [{{Effect: Allow, Action: "*", Resource: "*"}}]}}
    secrets: {{db: invented}}
  "{OTHER}":
    roles:
      Partner:
        tags: {{stage: theirs}}
        trust:
          Version: "2012-10-17"
          Statement: [{{Sid: Theirs, Effect: Allow, Principal: {{AWS: "arn:aws:iam::{OTHER}:root"}}, Action: "sts:*"}}]
  "{OWNER}": {{}}
  "{STRANGER}": {{}}
"""


def id_of(refused: RefusedError) -> str:
    """Return the authorization id in the error's message."""
    found = re.search(
        r" complete details, or call the GetRequestAuthorizationDetails API with the following authorization id: "
        r"([0-9a-z]{1,256})$",
        refused.message,
    )
    assert found is not None, refused.message
    return found[1]


def told(person: Person, authorization_id: str, **more: object) -> dict[str, Any]:
    """Call GetRequestAuthorizationDetails for the id; return the response."""
    return person.call("iam-toolbox", "GetRequestAuthorizationDetails", authorizationId=authorization_id, **more)


def checks(details: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the type and effect of the last evaluation's checks."""
    return [(each["checkType"], each["evaluatedEffect"]) for each in details["evaluations"][-1]["checks"]]


def statements(details: dict[str, Any], check_type: str) -> list[tuple[str, str]]:
    """Return URI and Sid of the statements that matched in checks of that type."""
    return [
        (policy["uri"], statement["sid"])
        for check in details["evaluations"][-1]["checks"]
        if check["checkType"] == check_type
        for policy in check["matchedPolicies"]
        for statement in policy["matchedStatements"]
    ]


# --- authorization ids -----------------------------------------------------------------------------------------


def test_a_denial_ends_with_link_and_id(make_lab: LabFactory) -> None:
    """The message of a denial ends with AWS's link and the authorization id."""
    lab = make_lab(SEED)

    refused = lab.user("ada").refused("kms", "ListKeys")

    authorization_id = id_of(refused)
    assert refused.message == (
        f"User: arn:aws:iam::{ACCOUNT}:user/ada is not authorized to perform: kms:ListKeys with an explicit deny in "
        f"an identity-based policy: {MANAGED}. Go to https://us-east-1.console.aws.amazon.com/iam/home?"
        f"region=us-east-1#/authorization-details/{authorization_id} for complete details, or call the "
        f"GetRequestAuthorizationDetails API with the following authorization id: {authorization_id}"
    )


@pytest.mark.parametrize(
    ("partition", "console"),
    [
        ("aws", "https://eu-west-1.console.aws.amazon.com/"),
        ("aws-cn", "https://eu-west-1.console.amazonaws.cn/"),
        ("aws-us-gov", "https://eu-west-1.console.amazonaws-us-gov.com/"),
    ],
)
def test_the_link_goes_to_the_console_of_the_partition(partition: str, console: str) -> None:
    """The link has the console's host for the partition, and the region of the denial."""
    assert f"Go to {console}iam/home?region=eu-west-1#/" in with_id("No", "1a", "eu-west-1", partition)


def test_ids_are_given_for_configured_services_only(make_lab: LabFactory) -> None:
    """Denials have authorization ids only for services that the seed lists."""
    plain = make_lab(SEED.replace("authorization_ids: [all]\n", ""))
    without = plain.user("ada").refused("kms", "ListKeys")
    some = make_lab(SEED.replace("[all]", "[iam]"))
    other = some.user("ada").refused("kms", "ListKeys")
    named = some.user("ada").refused("iam", "ListUsers")

    assert "authorization id" not in without.message + other.message
    assert id_of(named)


def test_anonymous_requests_get_no_id(make_lab: LabFactory) -> None:
    """Anonymous requests get no id, as the user guide says."""
    lab = make_lab(SEED)
    decisions = lab.sandbox.judge.decisions
    lab.user("bob").refused("kms", "ListKeys")
    kept = decisions[-1]
    request = kept.decision.request
    nobody = request._replace(principal=request.principal._replace(kind="anonymous", account=""))

    records = AuthorizationRecords(lab.sandbox.world.organizations)
    records.services = frozenset({"all"})

    assert records.note("kms", "us-east-1", [kept._replace(decision=kept.decision._replace(request=nobody))]) == ""
    assert records.note("kms", "us-east-1", [kept]) != ""
    assert records.note("kms", "us-east-1", []) == ""


def test_refusals_without_policy_evaluation_have_no_id(make_lab: LabFactory) -> None:
    """A refusal without policy evaluation (the root user assuming a role) has no authorization id."""
    lab = make_lab(
        SEED.replace(
            "    users:\n      ada:",
            "    root: {access_key_id: AKIAROOTROOTROOTROOT, secret_access_key: root}\n    users:\n      ada:",
            1,
        )
    )
    root = lab.with_keys(Keys(access_key_id="AKIAROOTROOTROOTROOT", secret_access_key="root"))

    assert "authorization id" not in root.refused_role(DEPLOY).message


def test_cloudtrail_records_the_id(make_lab: LabFactory) -> None:
    """CloudTrail records the whole message of a denial; reading the details is an event of the IAM Toolbox."""
    lab = make_lab(SEED)
    refused = lab.user("bob").refused("iam", "ListUsers")
    lab.user("reader").call("iam-toolbox", "GetRequestAuthorizationDetails", authorizationId=id_of(refused))

    first, second = lab.sandbox.events.records(last=2)

    assert first["errorMessage"] == refused.message
    assert (second["eventSource"], second["eventName"]) == (
        "iam-toolbox.amazonaws.com",
        "GetRequestAuthorizationDetails",
    )
    assert second["requestParameters"] == {"authorizationId": id_of(refused)}


def test_ids_are_unique() -> None:
    """Authorization ids are unique and have the form in AWS's service model."""
    ids = {new_id() for _ in range(100)}

    assert len(ids) == 100
    assert all(re.fullmatch("[0-9a-z]{25}", each) for each in ids)


# --- details ---------------------------------------------------------------------------------------------------


def test_a_denying_statement_is_named(make_lab: LabFactory) -> None:
    """The details show the denying statement with check, policy ARN and Sid; other checks have their own results."""
    lab = make_lab(SEED)
    refused = lab.user("ada").refused("kms", "ListKeys")

    details = told(lab.user("admin"), id_of(refused))

    [evaluation] = details["evaluations"]
    assert (evaluation["action"], evaluation["resource"]) == ("kms:ListKeys", "")
    assert evaluation["evaluatedEffect"] == "EXPLICIT_DENY"
    assert checks(details) == [
        ("RESOURCE_CONTROL_POLICY", "ALLOW"),
        ("RESOURCE_CONTROL_POLICY", "ALLOW"),
        ("SERVICE_CONTROL_POLICY", "ALLOW"),
        ("SERVICE_CONTROL_POLICY", "ALLOW"),
        ("PRINCIPAL", "EXPLICIT_DENY"),
        ("PERMISSIONS_BOUNDARY", "ALLOW"),
    ]
    assert (MANAGED, "NoKeys") in statements(details, "PRINCIPAL")
    listed = {policy["uri"]: policy for policy in details["policies"]}
    assert listed[MANAGED] == {
        "type": "IDENTITY_BASED_POLICY",
        "inline": False,
        "uri": MANAGED,
        "attachedTo": [{"arn": f"arn:aws:iam::{ACCOUNT}:user/ada"}],
    }
    inline = [policy for policy in details["policies"] if policy["inline"]]
    assert all(re.fullmatch("inline:[0-9a-f]{16}", policy["uri"]) for policy in inline)


def test_an_scp_check_names_its_root_or_account(make_lab: LabFactory) -> None:
    """For each SCP level there is a check with the ARN of its root or account."""
    lab = make_lab(SEED)
    refused = lab.user("ada").refused("sqs", "ListQueues")

    details = told(lab.user("admin"), id_of(refused))

    of_scps = [each for each in details["evaluations"][-1]["checks"] if each["checkType"] == "SERVICE_CONTROL_POLICY"]
    first, second = of_scps
    assert [each["evaluatedEffect"] for each in of_scps] == ["EXPLICIT_DENY", "ALLOW"]
    assert first["targetArn"].startswith(f"arn:aws:organizations::{OWNER}:root/o-exampleorg1/")
    assert second["targetArn"] == f"arn:aws:organizations::{OWNER}:account/o-exampleorg1/{ACCOUNT}"
    [uri] = {uri for uri, sid in statements(details, "SERVICE_CONTROL_POLICY") if sid == "NoQueues"}
    [listed] = [policy for policy in details["policies"] if policy["uri"] == uri]
    assert listed["attachedTo"] == [{"arn": first["targetArn"]}]
    [full] = [each for each in details["policies"] if each["uri"].endswith("service_control_policy/p-FullAWSAccess")]
    assert len(full["attachedTo"]) == 2


def test_a_missing_allow_is_an_implicit_deny_of_one_check(make_lab: LabFactory) -> None:
    """A boundary without a matching Allow is an implicit deny of the boundary check only."""
    lab = make_lab(SEED)
    refused = lab.user("ada").refused("dynamodb", "ListTables")

    details = told(lab.user("admin"), id_of(refused))

    assert details["evaluations"][0]["evaluatedEffect"] == "IMPLICIT_DENY"
    assert ("PERMISSIONS_BOUNDARY", "IMPLICIT_DENY") in checks(details)
    assert ("PRINCIPAL", "ALLOW") in checks(details)
    assert {"EXPLICIT_DENY"}.isdisjoint(effect for _, effect in checks(details))


def test_a_trust_policy_is_the_resource_check(make_lab: LabFactory) -> None:
    """The trust policy is in the resource check; the context has AWS's format and no external ID."""
    lab = make_lab(SEED)
    refused = lab.user("ada").refused_role(
        DEPLOY, ExternalId="not-the-one", Tags=[{"Key": "ticket", "Value": "7"}, {"Key": "why", "Value": "so"}]
    )

    details = told(lab.user("admin"), id_of(refused))

    assert ("RESOURCE", "IMPLICIT_DENY") in checks(details)
    assert ("PRINCIPAL", "ALLOW") in checks(details)
    context = details["requestContext"]
    assert context["aws:SourceIp"] == "203.0.113.7/32"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", context["aws:EpochTime"])
    assert context["aws:PrincipalARN"] == f"arn:aws:iam::{ACCOUNT}:user/ada"
    assert context["aws:TagKeys"] == "[ticket, why]"
    assert context["aws:PrincipalTag/team"] == "blue"
    assert "not-the-one" not in str(details)
    assert EXTERNAL_ID not in str(details)


def test_each_question_of_a_request_is_an_evaluation(make_lab: LabFactory) -> None:
    """Each permission that a request needs is an evaluation, with the context keys of that permission."""
    lab = make_lab(SEED.replace("Action: [sts:AssumeRole, sts:TagSession]", "Action: sts:AssumeRole"))
    tags = [{"Key": "ticket", "Value": "7"}]
    refused = lab.user("ada").refused_role(DEPLOY, ExternalId=EXTERNAL_ID, Tags=tags)

    details = told(lab.user("admin"), id_of(refused))

    found = [(each["action"], each["evaluatedEffect"]) for each in details["evaluations"]]
    assert found == [("sts:AssumeRole", "ALLOW"), ("sts:TagSession", "IMPLICIT_DENY")]
    assert all(not set(each["context"]) & set(details["requestContext"]) for each in details["evaluations"])


def test_a_missing_role_has_no_policy(make_lab: LabFactory) -> None:
    """The details of a missing role show no trust policy."""
    lab = make_lab(SEED)
    refused = lab.user("ada").refused_role(f"{DEPLOY}y")

    details = told(lab.user("admin"), id_of(refused))

    assert ("RESOURCE", "IMPLICIT_DENY") in checks(details)
    assert "RESOURCE_BASED_POLICY" not in [policy["type"] for policy in details["policies"]]


def test_a_session_policy_is_a_check(make_lab: LabFactory) -> None:
    """A session policy has its own check, and is listed as attached to the role."""
    lab = make_lab(SEED)
    little = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:*", "Resource": "*"}]}'
    session = lab.user("ada").assume(DEPLOY, ExternalId=EXTERNAL_ID, Policy=little)

    details = told(lab.user("admin"), id_of(session.refused("dynamodb", "ListTables")))

    assert checks(details)[-2:] == [("PRINCIPAL", "ALLOW"), ("SESSION", "IMPLICIT_DENY")]
    [listed] = [policy for policy in details["policies"] if policy["type"] == "SESSION_POLICY"]
    assert (listed["inline"], listed["attachedTo"]) == (True, [{"arn": DEPLOY}])


def test_within_an_account_a_resource_deny_is_in_the_principal_check(make_lab: LabFactory) -> None:
    """Within an account, a Deny in a resource policy is in the principal check, which names its statement."""
    denying = (
        '{Version: "2012-10-17", Statement: [{Sid: NotAda, Effect: Deny, Principal: "*", Action: "*", Resource: "*"}]}'
    )
    own = f"secrets: {{db: x}}\n    secret_policies: {{db: {denying}}}"
    lab = make_lab(SEED.replace("secrets: {db: invented}", own))
    refused = lab.user("ada").refused("secretsmanager", "GetSecretValue", SecretId="db")

    details = told(lab.user("admin"), id_of(refused))

    assert ("PRINCIPAL", "EXPLICIT_DENY") in checks(details)
    assert "RESOURCE" not in [kind for kind, _ in checks(details)]
    [check] = [each for each in details["evaluations"][0]["checks"] if each["checkType"] == "PRINCIPAL"]
    assert check["relevantPolicyTypes"] == ["IDENTITY_BASED_POLICY", "RESOURCE_BASED_POLICY"]
    assert "NotAda" in [sid for _, sid in statements(details, "PRINCIPAL")]


# --- policies --------------------------------------------------------------------------------------------------


def test_the_policy_is_shown_as_it_was(make_lab: LabFactory) -> None:
    """The details show the policy as it was at the denial, even if it was changed or deleted later.

    An unknown policy URI is refused.
    """
    lab = make_lab(SEED)
    authorization_id = id_of(lab.user("ada").refused("kms", "ListKeys"))
    admin = lab.user("admin")
    admin.call("iam", "DetachUserPolicy", UserName="ada", PolicyArn=MANAGED)
    admin.call("iam", "DeletePolicy", PolicyArn=MANAGED)

    found = admin.call(
        "iam-toolbox", "GetRequestAuthorizationPolicy", authorizationId=authorization_id, policyUri=MANAGED
    )
    missing = admin.refused(
        "iam-toolbox", "GetRequestAuthorizationPolicy", authorizationId=authorization_id, policyUri=DEPLOY
    )

    assert found["policyDocument"]["Statement"] == [
        {"Sid": "NoKeys", "Effect": "Deny", "Action": "kms:*", "Resource": "*"}
    ]
    assert (missing.code, missing.status) == ("ResourceNotFoundException", 404)


# --- access to records -------------------------------------------------------------------------------------------


def test_the_two_operations_need_separate_permissions(make_lab: LabFactory) -> None:
    """GetRequestAuthorizationDetails and GetRequestAuthorizationPolicy need separate permissions."""
    lab = make_lab(SEED)
    authorization_id = id_of(lab.user("ada").refused("kms", "ListKeys"))
    reader, bob = lab.user("reader"), lab.user("bob")

    assert told(reader, authorization_id)["policies"]
    of_policy = {"authorizationId": authorization_id, "policyUri": MANAGED}
    refused = [
        reader.refused("iam-toolbox", "GetRequestAuthorizationPolicy", **of_policy),
        bob.refused("iam-toolbox", "GetRequestAuthorizationDetails", authorizationId=authorization_id),
    ]
    assert [(each.code, each.status) for each in refused] == [("AccessDeniedException", 403)] * 2
    assert "iam:GetRequestAuthorizationPolicy" in refused[0].message
    assert "iam:GetRequestAuthorizationDetails" in refused[1].message


def test_the_management_account_may_read_records_of_members(make_lab: LabFactory) -> None:
    """The organization's management account may read a member's record; other accounts get a 404."""
    lab = make_lab(SEED)
    authorization_id = id_of(lab.user("ada").refused("kms", "ListKeys"))

    stranger = lab.user("admin", STRANGER)
    refused = stranger.refused("iam-toolbox", "GetRequestAuthorizationDetails", authorizationId=authorization_id)

    assert told(lab.user("admin", OWNER), authorization_id)["policies"]
    assert (refused.code, refused.status) == ("ResourceNotFoundException", 404)


def test_each_account_sees_its_own_policies_and_tags(make_lab: LabFactory) -> None:
    """After a cross-account denial each account sees only its own policies and tags."""
    lab = make_lab(SEED)
    authorization_id = id_of(lab.user("ada").refused_role(PARTNER))

    own, theirs = told(lab.user("admin"), authorization_id), told(lab.user("admin", OTHER), authorization_id)

    assert {policy["type"] for policy in own["policies"]} == {
        "IDENTITY_BASED_POLICY",
        "PERMISSIONS_BOUNDARY",
        "SERVICE_CONTROL_POLICY",
    }
    assert ("RESOURCE", "IMPLICIT_DENY") in checks(own)
    assert "aws:SourceIp" in own["requestContext"]
    assert not [key for key in own["requestContext"] if "ResourceTag" in key]
    assert {policy["type"] for policy in theirs["policies"]} == {"RESOURCE_BASED_POLICY"}
    assert "checks" not in theirs["evaluations"][0]
    assert theirs["requestContext"]["aws:ResourceTag/stage"] == "theirs"
    assert "aws:SourceIp" not in theirs["requestContext"]
    [trust] = theirs["policies"]
    of_policy = {"authorizationId": authorization_id, "policyUri": trust["uri"]}
    for side in (lab.user("admin"), lab.user("admin", OTHER)):
        assert side.refused("iam-toolbox", "GetRequestAuthorizationPolicy", **of_policy).status == 404


def test_a_record_is_kept_for_a_day_in_its_region(make_lab: LabFactory) -> None:
    """A record can be read for a day, by the sandbox's clock, and only in its region."""
    lab = make_lab(SEED)
    authorization_id = id_of(lab.user("ada").refused("kms", "ListKeys"))
    admin = lab.user("admin")
    elsewhere = Person(lab, admin.keys, "eu-west-1")

    assert (
        elsewhere.refused("iam-toolbox", "GetRequestAuthorizationDetails", authorizationId=authorization_id).status
        == 404
    )
    lab.sandbox.clock.advance(24 * 3600 - 1)
    assert told(admin, authorization_id)
    lab.sandbox.clock.advance(1)
    gone = admin.refused("iam-toolbox", "GetRequestAuthorizationDetails", authorizationId=authorization_id)
    assert gone.code == "ResourceNotFoundException"


def test_the_oldest_records_are_dropped(make_lab: LabFactory) -> None:
    """Only the latest thousand authorization records are kept."""
    lab = make_lab(SEED)
    lab.user("ada").refused("kms", "ListKeys")
    records, kept = lab.sandbox.authorization_records, lab.sandbox.judge.decisions[-1]

    ids = [records.note("kms", "us-east-1", [kept]) for _ in range(1001)]

    assert records.find(ids[0], "us-east-1", kept.at) is None
    assert records.find(ids[1], "us-east-1", kept.at) is not None


@pytest.mark.parametrize("wrong", ["NOT-AN-ID", "a" * 257])
def test_a_malformed_id_is_refused(make_lab: LabFactory, wrong: str) -> None:
    """A malformed id is refused by the service model's pattern and length."""
    refused = (
        make_lab(SEED).user("admin").refused("iam-toolbox", "GetRequestAuthorizationDetails", authorizationId=wrong)
    )

    assert (refused.code, refused.status) == ("ValidationException", 400)


def test_evaluations_are_paged(make_lab: LabFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Evaluations are returned in pages; a page token for another authorization id is refused."""
    lab = make_lab(SEED.replace("Action: [sts:AssumeRole, sts:TagSession]", "Action: sts:AssumeRole"))
    monkeypatch.setattr(iam_toolbox, "_PAGE", 1)
    tags = [{"Key": "ticket", "Value": "7"}]
    ada, admin = lab.user("ada"), lab.user("admin")
    authorization_id = id_of(ada.refused_role(DEPLOY, ExternalId=EXTERNAL_ID, Tags=tags))
    another = id_of(ada.refused("kms", "ListKeys"))

    first = told(admin, authorization_id)
    second = told(admin, authorization_id, nextToken=first["nextToken"])

    assert [each["action"] for each in first["evaluations"]] == ["sts:AssumeRole"]
    assert [each["action"] for each in second["evaluations"]] == ["sts:TagSession"]
    assert "nextToken" not in second
    refused = admin.refused(
        "iam-toolbox", "GetRequestAuthorizationDetails", authorizationId=another, nextToken=first["nextToken"]
    )
    assert refused.code == "ValidationException"


# --- seed ------------------------------------------------------------------------------------------------------


def test_an_unknown_service_is_reported() -> None:
    """An unknown service in `authorization_ids` is reported with a suggestion."""
    with pytest.raises(SeedInvalid) as caught:
        read_seed(f'authorization_ids: [iamm]\naccounts: {{"{ACCOUNT}": {{}}}}', "seed.yaml")

    [problem] = caught.value.problems
    assert problem.message == "the sandbox has no service `iamm`: did you mean `iam`?"

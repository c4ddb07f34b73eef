"""AssumeRoot: callers, member accounts, tasks, and what the session may do."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandboxes import ACCOUNT, OTHER, Keys, Lab, Person
from tests.unit.sandbox.conftest import LabFactory
from tests.unit.sandbox.test_organizations import FULL, OWNER, STRANGER

TASK = "arn:aws:iam::aws:policy/root-task/"
AUDIT, DELETE, UNLOCK = (
    f"{TASK}{name}" for name in ("IAMAuditRootUserCredentials", "IAMDeleteRootUserCredentials", "S3UnlockBucketPolicy")
)
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
TRUST = '{Version: "2012-10-17", Statement: [{Effect: Allow, Principal: {AWS: "%s"}, Action: "sts:*"}]}'


def seed(organization: str = "  root_access: true") -> str:
    """Return a seed with a management account, a delegated administrator, a member, and an outside account."""
    return f"""
organization:
  management_account: "{OWNER}"
  accounts: ["{ACCOUNT}", "{OTHER}"]
  delegated_administrators: {{"{OTHER}": [iam.amazonaws.com]}}
{organization}
accounts:
  "{ACCOUNT}":
    root: {{access_key_id: AKIAROOTROOTROOTROOT, secret_access_key: root}}
    secrets: {{db: x}}
  "{OTHER}":
    users:
      limited: {{policies: [{{Version: "2012-10-17", Statement: [{{Effect: Allow, Action: "sts:AssumeRoot",
        Resource: "{ROOT}", Condition: {{StringEquals: {{"sts:TaskPolicyArn": "{AUDIT}"}}}}}}]}}]}}
      nobody: {{}}
  "{OWNER}":
    root: {{access_key_id: AKIAOWNEROWNEROWNERO, secret_access_key: owner}}
    roles: {{Admin: {{trust: {TRUST % OWNER}, policies: [{FULL}]}}}}
  "{STRANGER}": {{}}
"""


@pytest.fixture
def lab(make_lab: LabFactory) -> Lab:
    """A sandbox with centralized root access enabled."""
    return make_lab(seed())


def assume(person: Person, task: str = AUDIT, target: str = ACCOUNT, **more: object) -> Person:
    """Call AssumeRoot; return a caller with the root session's credentials."""
    answer = person.call("sts", "AssumeRoot", TargetPrincipal=target, TaskPolicyArn={"arn": task}, **more)
    return Person(person.lab, Keys.of(answer["Credentials"]))


def refused(person: Person, task: str = AUDIT, target: str = ACCOUNT, **more: object) -> str:
    """Call AssumeRoot, which must be denied; return the code and message of the error."""
    error = person.refused("sts", "AssumeRoot", TargetPrincipal=target, TaskPolicyArn={"arn": task}, **more)
    return f"{error.code}: {error.message}"


def test_management_account_and_iam_administrator_may(lab: Lab) -> None:
    """The management account and IAM's delegated administrator may call AssumeRoot; a session lasts 15 minutes."""
    for account, target in ((OWNER, ACCOUNT), (OTHER, ROOT)):
        root = assume(lab.user("admin", account), target=target)
        assert root.arn == ROOT
        assert root.call("iam", "ListAccessKeys")["AccessKeyMetadata"][0]["AccessKeyId"] == "AKIAROOTROOTROOTROOT"
        lab.sandbox.clock.advance(899)
        assert root.arn == ROOT
        lab.sandbox.clock.advance(1)
        assert root.refused("sts", "GetCallerIdentity").code == "ExpiredToken"


def test_others_may_not(lab: Lab) -> None:
    """AssumeRoot is denied to members, outside accounts, root users, GetSessionToken sessions and unpermitted users."""
    where = f"is not authorized to perform: sts:AssumeRoot on resource: {ROOT}"
    owner = lab.user("admin", OWNER)
    session = Person(lab, Keys.of(owner.call("sts", "GetSessionToken")["Credentials"]))
    root = lab.with_keys(Keys(access_key_id="AKIAOWNEROWNEROWNERO", secret_access_key="owner"))

    for person in (lab.user("admin"), lab.user("admin", STRANGER), root, session, lab.user("nobody", OTHER)):
        assert where in refused(person)
    assert assume(owner.assume(f"arn:aws:iam::{OWNER}:role/Admin")).arn == ROOT


def test_only_member_accounts_are_allowed(lab: Lab) -> None:
    """AssumeRoot is denied for the management account, accounts outside the organization and unknown accounts."""
    owner = lab.user("admin", OWNER)

    for target in (OWNER, STRANGER, "444444444444"):
        assert refused(owner, target=target).startswith("AccessDenied")
    assert refused(owner, target="arn:aws:iam::111111111111:user/x").startswith("ValidationError")
    assert assume(owner, target=OTHER).arn == f"arn:aws:iam::{OTHER}:root"


def test_the_task_is_a_condition_key(lab: Lab) -> None:
    """The condition key sts:TaskPolicyArn restricts the task.

    A policy that is not a root task policy is refused.
    """
    limited = lab.user("limited", OTHER)

    assert assume(limited).arn == ROOT
    assert refused(limited, task=DELETE).startswith("AccessDenied")
    for task in ("arn:aws:iam::aws:policy/AdministratorAccess", f"{TASK}IAMNothing", "x" * 20):
        assert refused(lab.user("admin", OWNER), task=task).startswith("ValidationError")


def test_the_session_is_limited_to_its_task(lab: Lab) -> None:
    """An auditing session can't delete credentials or call other services."""
    owner = lab.user("admin", OWNER)
    auditor, deleter = assume(owner), assume(owner, DELETE)
    key = {"AccessKeyId": "AKIAROOTROOTROOTROOT"}

    assert auditor.call("iam", "GetUser")["User"]["Arn"] == ROOT
    assert auditor.call("iam", "ListMFADevices")["MFADevices"] == []
    message = auditor.refused("iam", "DeleteAccessKey", **key).message
    assert f"on resource: {ROOT} with an explicit deny in a session policy: {AUDIT}" in message
    assert deleter.refused("secretsmanager", "GetSecretValue", SecretId="db").code == "AccessDeniedException"
    assert deleter.refused("iam", "ListUsers").code == "AccessDenied"
    assert deleter.refused("iam", "ListAccessKeys", UserName="admin").code == "AccessDenied"
    assert deleter.call("iam", "DeleteAccessKey", **key)
    assert deleter.refused("iam", "DeleteAccessKey", **key).code == "NoSuchEntity"
    assert deleter.refused("iam", "GetLoginProfile").code == "NoSuchEntity"
    assert deleter.call("iam", "ListSigningCertificates")["Certificates"] == []
    assert (
        lab.with_keys(Keys(access_key_id="AKIAROOTROOTROOTROOT", secret_access_key="root"))
        .refused("sts", "GetCallerIdentity")
        .code
        == "InvalidClientTokenId"
    )


@pytest.mark.parametrize(
    ("access", "audit", "unlock"),
    [
        ("true", True, True),
        ("false", False, False),
        ("[RootSessions]", False, True),
        ("[RootCredentialsManagement]", True, False),
    ],
)
def test_centralized_root_access_must_be_enabled(
    make_lab: LabFactory, access: str, *, audit: bool, unlock: bool
) -> None:
    """Root credential management and root sessions are separate features; each must be enabled."""
    owner = make_lab(seed(f"  root_access: {access}")).user("admin", OWNER)

    for task, expected in ((AUDIT, audit), (UNLOCK, unlock)):
        answer = owner.answer("sts", "AssumeRoot", TargetPrincipal=ACCOUNT, TaskPolicyArn={"arn": task})
        assert (answer.status == 200) == expected


def test_the_iam_api_enables_it(make_lab: LabFactory) -> None:
    """IAM lets the management account enable centralized root access, and the delegated administrator disable it."""
    lab = make_lab(seed("  root_access: false"))
    owner, administrator = lab.user("admin", OWNER), lab.user("admin", OTHER)

    assert refused(owner).startswith("AccessDenied")
    answer = owner.call("iam", "EnableOrganizationsRootCredentialsManagement")
    assert answer["EnabledFeatures"] == ["RootCredentialsManagement"]
    assert assume(owner).arn == ROOT
    assert administrator.call("iam", "ListOrganizationsFeatures")["EnabledFeatures"] == ["RootCredentialsManagement"]
    code = administrator.refused("iam", "EnableOrganizationsRootSessions").code
    assert code == "CallerIsNotManagementAccountException"
    assert administrator.call("iam", "DisableOrganizationsRootCredentialsManagement")["EnabledFeatures"] == []
    assert refused(owner).startswith("AccessDenied")
    member = lab.user("admin").refused("iam", "ListOrganizationsFeatures").code
    assert member == "AccountNotManagementOrDelegatedAdministratorException"
    assert lab.user("admin", STRANGER).refused("iam", "ListOrganizationsFeatures").code == (
        "OrganizationNotFoundException"
    )
    assert lab.user("nobody", OTHER).refused("iam", "ListOrganizationsFeatures").code == "AccessDenied"


def test_it_lasts_fifteen_minutes_at_most(lab: Lab) -> None:
    """DurationSeconds of AssumeRoot is at most 900, as in AWS's service model."""
    owner = lab.user("admin", OWNER)

    assert "less than or equal to 900" in refused(owner, DurationSeconds=901)
    short = assume(owner, DurationSeconds=60)
    lab.sandbox.clock.advance(60)
    assert short.refused("sts", "GetCallerIdentity").code == "ExpiredToken"


def test_an_scp_applies_to_the_session(make_lab: LabFactory) -> None:
    """An SCP that denies root users also applies to AssumeRoot sessions, unless it exempts aws:AssumedRoot."""
    is_root = 'ArnLike: {"aws:PrincipalArn": "arn:aws:iam::*:root"}'
    statement = f'{{Effect: Deny, Action: "*", Resource: "*", Condition: {{{is_root}%s}}}}'
    exempt = ', "Null": {"aws:AssumedRoot": "true"}'
    for condition, expected in (("", 403), (exempt, 200)):
        policy = f'{{Version: "2012-10-17", Statement: [{statement % condition}]}}'
        # `Null` matches if the key is absent: it is absent for the root user's own keys, not in an AssumeRoot session.
        lab = make_lab(seed(f"  root_access: true\n  service_control_policies: [{policy}]"))
        root = assume(lab.user("admin", OWNER))
        own = lab.with_keys(Keys(access_key_id="AKIAROOTROOTROOTROOT", secret_access_key="root"))
        assert root.answer("iam", "ListAccessKeys").status == expected
        assert own.answer("iam", "ListAccessKeys").status == 403


def test_the_source_identity_is_inherited(lab: Lab) -> None:
    """The session inherits the source identity of the calling role session."""
    session = lab.user("admin", OWNER).assume(f"arn:aws:iam::{OWNER}:role/Admin", SourceIdentity="ada")
    answer = session.call("sts", "AssumeRoot", TargetPrincipal=ACCOUNT, TaskPolicyArn={"arn": AUDIT})

    assert answer["SourceIdentity"] == "ada"
    Person(lab, Keys.of(answer["Credentials"])).call("iam", "GetUser")
    context = lab.sandbox.judge.decisions[-1].decision.request.context
    assert context["aws:SourceIdentity"] == ("ada",)
    assert context["aws:AssumedRoot"] == ("true",)


def test_the_global_endpoint_refuses_it(lab: Lab) -> None:
    """The global endpoint sts.amazonaws.com, recognized by the Host header, does not offer AssumeRoot."""
    owner = lab.user("admin", OWNER)
    request = owner.request("sts", "AssumeRoot", TargetPrincipal=ACCOUNT, TaskPolicyArn={"arn": AUDIT})
    headers = {**request.headers, "host": "sts.amazonaws.com"}
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest

    signed: Any = AWSRequest(
        "POST",
        "https://sts.amazonaws.com/",
        data=request.body,
        headers={"host": "sts.amazonaws.com", "Content-Type": headers["content-type"]},
    )
    SigV4Auth(owner.keys.botocore(), "sts", "us-east-1").add_auth(signed)
    given = {name.lower(): value for name, value in signed.prepare().headers.items()}
    answer = lab.sandbox.handle(request._replace(headers=given)).answer

    assert (answer.status, b"Could not find operation AssumeRoot" in answer.body) == (400, True)


def test_cloudtrail_records_the_assumed_root(lab: Lab) -> None:
    """The CloudTrail record of AssumeRoot has the member account and the task policy.

    The records of the session's requests are marked as assumed root.
    """
    root = assume(lab.user("admin", OWNER))
    root.call("iam", "ListAccessKeys")
    assumed, listed = list(lab.sandbox.events.records())

    assert assumed["requestParameters"] == {"targetPrincipal": ACCOUNT, "taskPolicyArn": {"arn": AUDIT}}
    assert assumed["recipientAccountId"] == OWNER
    assert listed["userIdentity"]["type"] == "Root"
    assert listed["userIdentity"]["sessionContext"]["assumedRoot"] == "true"

"""AssumeRole: permissions, durations, session policies and tags, in AWS's order and wording."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from tests.sandboxes import ACCOUNT, OTHER, Keys, Lab
from tests.unit.sandbox.conftest import LabFactory

JUMP = f"arn:aws:iam::{ACCOUNT}:role/team/Jump"
LONG = f"arn:aws:iam::{ACCOUNT}:role/Long"
TARGET = f"arn:aws:iam::{OTHER}:role/Target"
EXTERNAL_ID = "unique-customer-id-12345"
ALLOW_ALL = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}'


def one_role(trust: str, caller_policies: str = "[]", more: str = "") -> str:
    """Return a seed with the user `alice` and the role `R`."""
    return f"""
accounts:
  "{ACCOUNT}":
    users: {{alice: {{policies: {caller_policies}}}, bob: {{}}}}
    roles: {{R: {{trust: {trust}{more}}}}}
"""


def trust(principal: str, condition: str = "{}", action: str = '"sts:AssumeRole"') -> str:
    """Return a trust policy of one statement."""
    return (
        f'{{Version: "2012-10-17", Statement: {{Effect: Allow, Principal: {principal}, Action: {action}, '
        f"Condition: {condition}}}}}"
    )


R = f"arn:aws:iam::{ACCOUNT}:role/R"
MAY_ASSUME = '[{Version: "2012-10-17", Statement: {Effect: Allow, Action: "sts:AssumeRole", Resource: "*"}}]'
ALICE = f'{{AWS: "arn:aws:iam::{ACCOUNT}:user/alice"}}'
ROOT = f'{{AWS: "arn:aws:iam::{ACCOUNT}:root"}}'


# --- answer ----------------------------------------------------------------------------------------------------


def test_the_answer_has_awss_shape(lab: Lab) -> None:
    """The XML has AWS's elements and indentation; without policies or tags it has no PackedPolicySize."""
    answer = lab.user("alice").answer("sts", "AssumeRole", RoleArn=JUMP, RoleSessionName="s1")

    assert dict(answer.headers)["Content-Type"] == "text/xml"
    shape = re.sub(r">[^<\n]+<", ">.<", answer.body.decode())
    assert shape == (
        '<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">\n'
        "  <AssumeRoleResult>\n"
        "    <AssumedRoleUser>\n"
        "      <AssumedRoleId>.</AssumedRoleId>\n"
        "      <Arn>.</Arn>\n"
        "    </AssumedRoleUser>\n"
        "    <Credentials>\n"
        "      <AccessKeyId>.</AccessKeyId>\n"
        "      <SecretAccessKey>.</SecretAccessKey>\n"
        "      <SessionToken>.</SessionToken>\n"
        "      <Expiration>.</Expiration>\n"
        "    </Credentials>\n"
        "    <SessionTokenUtilization>.</SessionTokenUtilization>\n"
        "    <SessionTokenSize>.</SessionTokenSize>\n"
        "  </AssumeRoleResult>\n"
        "  <ResponseMetadata>\n"
        "    <RequestId>.</RequestId>\n"
        "  </ResponseMetadata>\n"
        "</AssumeRoleResponse>\n"
    )


def test_the_credentials_look_like_awss(lab: Lab) -> None:
    """Keys and tokens have AWS's prefix, lengths and alphabet, and the session expires after an hour."""
    answer = lab.user("alice").call("sts", "AssumeRole", RoleArn=JUMP, RoleSessionName="s1")

    credentials = answer["Credentials"]
    assert re.fullmatch(r"ASIA[A-Z2-7]{16}", credentials["AccessKeyId"])
    assert re.fullmatch(r"[A-Za-z0-9+/=]{40}", credentials["SecretAccessKey"])
    assert re.fullmatch(r"[A-Za-z0-9+/=]{100,4095}", credentials["SessionToken"])
    assert credentials["Expiration"] == datetime.fromtimestamp(int(lab.sandbox.clock.now()) + 3600, UTC)


def test_the_session_drops_the_roles_path(lab: Lab) -> None:
    """A session's ARN has the role's name without its path; its id begins with the role's id (measured)."""
    answer = lab.user("alice").call("sts", "AssumeRole", RoleArn=JUMP, RoleSessionName="s1")

    assert answer["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/Jump/s1"
    assert re.fullmatch(r"AROA[A-Z2-7]{17}:s1", answer["AssumedRoleUser"]["AssumedRoleId"])


def test_a_json_answer_is_given_on_request(lab: Lab) -> None:
    """With `Accept: application/json` the response is JSON, with Expiration as a number."""
    import json

    alice = lab.user("alice")
    alice.headers["Accept"] = "application/json"

    content = json.loads(alice.answer("sts", "AssumeRole", RoleArn=JUMP, RoleSessionName="s1").body)

    result = content["AssumeRoleResponse"]["AssumeRoleResult"]
    assert result["Credentials"]["Expiration"] == int(lab.sandbox.clock.now()) + 3600


def test_the_session_has_the_arn_of_the_answer(lab: Lab) -> None:
    """GetCallerIdentity with the session's credentials returns the ARN from the AssumeRole response."""
    assert lab.user("alice").assume(JUMP, "s1").arn == f"arn:aws:sts::{ACCOUNT}:assumed-role/Jump/s1"


# --- permissions -------------------------------------------------------------------------------------------------


def test_a_refusal_has_no_reason(lab: Lab) -> None:
    """A role that denies the caller, a missing role and a role at another path get the same error (measured)."""
    nobody = lab.user("nobody")

    for role in (
        JUMP,
        TARGET,
        f"arn:aws:iam::{ACCOUNT}:role/Missing",
        f"arn:aws:iam::{ACCOUNT}:role/Jump",
        "arn:aws:iam::999999999999:role/Elsewhere",
    ):
        refused = nobody.refused_role(role)
        assert (refused.status, refused.code) == (403, "AccessDenied")
        assert refused.message == (
            f"User: arn:aws:iam::{ACCOUNT}:user/nobody is not authorized to perform: sts:AssumeRole on resource: {role}"
        )


def test_trusting_the_account_needs_the_callers_policy(make_lab: LabFactory) -> None:
    """If the trust policy names only the account, the caller also needs an identity policy."""
    assert make_lab(one_role(trust(ROOT), MAY_ASSUME)).user("alice").assume(R).arn.endswith("/R/session")
    assert make_lab(one_role(trust(ROOT))).user("alice").refused_role(R).code == "AccessDenied"


def test_trusting_the_user_suffices_within_the_account(make_lab: LabFactory) -> None:
    """A user that the trust policy names needs no identity policy within the account (measured on live AWS)."""
    lab = make_lab(one_role(trust(ALICE)))

    assert lab.user("alice").assume(R).arn.endswith("/R/session")
    assert lab.user("bob").refused_role(R).code == "AccessDenied"


def test_across_accounts_both_sides_must_allow(make_lab: LabFactory) -> None:
    """Across accounts, both the trust policy and the caller's own policy must allow."""
    seed = """
accounts:
  "111111111111": {users: {alice: {policies: %s}}}
  "222222222222":
    roles: {R: {trust: %s}}
"""
    role = f"arn:aws:iam::{OTHER}:role/R"

    assert make_lab(seed % (MAY_ASSUME, trust(ALICE))).user("alice").assume(role).arn.endswith("/R/session")
    assert make_lab(seed % ("[]", trust(ALICE))).user("alice").refused_role(role).code == "AccessDenied"
    make_lab(seed % (MAY_ASSUME, trust(ROOT.replace("111", "333")))).user("alice").refused_role(role)


def test_an_external_id_must_be_sent_and_right(lab: Lab) -> None:
    """A call with a missing, wrong or differently cased external ID is denied; with the right one it succeeds."""
    jump = lab.user("alice").assume(JUMP)

    for wrong in ({}, {"ExternalId": "wrong-id"}, {"ExternalId": EXTERNAL_ID.upper()}):
        assert jump.refused_role(TARGET, **wrong).code == "AccessDenied"
    assert jump.assume(TARGET, ExternalId=EXTERNAL_ID).arn == f"arn:aws:sts::{OTHER}:assumed-role/Target/session"


def test_an_external_id_does_not_replace_the_trusted_role(lab: Lab) -> None:
    """A caller that is not the trusted role is denied even with the right external ID."""
    assert lab.user("alice").refused_role(TARGET, ExternalId=EXTERNAL_ID).code == "AccessDenied"


def test_an_explicit_deny_says_so_in_its_own_account(make_lab: LabFactory) -> None:
    """An explicit deny beats every allow, and the error says so within the account."""
    deny = '[{Version: "2012-10-17", Statement: {Effect: Deny, Action: "sts:AssumeRole", Resource: "*"}}]'

    refused = make_lab(one_role(trust(ALICE), deny)).user("alice").refused_role(R)

    assert refused.message.endswith(f"on resource: {R} with an explicit deny in an identity-based policy")


def test_source_ip_of_the_seed_replaces_the_peer(make_lab: LabFactory) -> None:
    """A `source_ip` in the seed replaces the peer's address in aws:SourceIp, and the caller's sessions keep it."""
    condition = '{IpAddress: {"aws:SourceIp": "203.0.113.0/24"}}'
    seed = f"""
accounts:
  "{ACCOUNT}":
    users:
      inside: {{source_ip: 203.0.113.9}}
      outside: {{}}
    roles:
      R: {{trust: {trust(ROOT.replace("root", "role/Hop"), condition)}}}
      Hop: {{trust: {trust('"*"')}}}
"""
    lab = make_lab(seed)
    inside, outside = lab.user("inside"), lab.user("outside")
    inside.peer = outside.peer = "127.0.0.1"
    hop = f"arn:aws:iam::{ACCOUNT}:role/Hop"

    inside.assume(hop).assume(R)
    assert outside.assume(hop).refused_role(R).code == "AccessDenied"
    outside.peer = "203.0.113.10"
    outside.assume(hop).assume(R)


@pytest.mark.parametrize(
    ("condition", "met", "missed"),
    [
        ('{StringLike: {"sts:RoleSessionName": "deploy-*"}}', {"session": "deploy-7"}, {"session": "other"}),
        ('{StringEquals: {"aws:username": "alice"}}', {}, None),
        ('{StringNotEquals: {"aws:username": "alice"}}', None, {}),
        ('{DateGreaterThan: {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}', {}, None),
        ('{DateLessThan: {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}', None, {}),
        ('{StringEquals: {"aws:PrincipalTag/team": "blue"}}', None, {}),
        ('{Bool: {"aws:SecureTransport": "true"}}', {}, None),
        ('{StringEquals: {"aws:RequestedRegion": "us-east-1"}}', {}, None),
        ('{"Null": {"aws:TokenIssueTime": "true"}}', {}, None),
        ('{Bool: {"aws:MultiFactorAuthPresent": "true"}}', None, {}),
        ('{BoolIfExists: {"aws:MultiFactorAuthPresent": "true"}}', {}, None),
        ('{ArnLike: {"aws:PrincipalArn": "arn:aws:iam::*:user/al*"}}', {}, None),
    ],
)
def test_the_condition_keys_of_a_call(
    make_lab: LabFactory, condition: str, met: dict[str, str] | None, missed: dict[str, str] | None
) -> None:
    """For each condition key, one request satisfies the trust policy and another does not."""
    alice = make_lab(one_role(trust(ALICE, condition))).user("alice")

    if met is not None:
        alice.assume(R, **met)
    if missed is not None:
        assert alice.refused_role(R, **missed).code == "AccessDenied"


# --- durations -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("duration", [900, 3600])
def test_durations_up_to_the_roles_maximum(lab: Lab, duration: int) -> None:
    """A duration up to the role's default maximum of an hour is granted."""
    answer = lab.user("alice").call("sts", "AssumeRole", RoleArn=JUMP, RoleSessionName="s1", DurationSeconds=duration)

    expiration: datetime = answer["Credentials"]["Expiration"]
    assert expiration.timestamp() == int(lab.sandbox.clock.now()) + duration


def test_more_than_the_role_allows_is_refused(lab: Lab) -> None:
    """A duration above the role's MaxSessionDuration is refused; 43200 is accepted if the role allows 12 hours."""
    alice = lab.user("alice")

    alice.assume(LONG, DurationSeconds=43200)
    refused = alice.refused_role(JUMP, DurationSeconds=3601)
    assert (refused.status, refused.code) == (400, "ValidationError")
    assert refused.message == "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."


@pytest.mark.parametrize(
    ("duration", "bound"), [(899, "greater than or equal to 900"), (43201, "less than or equal to 43200")]
)
def test_schema_limits_are_checked_before_the_role(lab: Lab, duration: int, bound: str) -> None:
    """The service model's bounds on the duration are checked first, even if the role does not exist."""
    refused = lab.user("alice").refused_role(f"arn:aws:iam::{ACCOUNT}:role/Missing", DurationSeconds=duration)

    assert refused.message == (
        f"1 validation error detected: Value '{duration}' at 'durationSeconds' failed to satisfy constraint: "
        f"Member must have value {bound}"
    )


def test_a_chained_role_lasts_an_hour_at_most(lab: Lab) -> None:
    """A chained role lasts at most an hour.

    If the duration also exceeds the role's maximum, AWS reports that error first (measured).
    """
    jump = lab.user("alice").assume(JUMP)

    assert jump.refused_role(LONG, DurationSeconds=3601).message == (
        "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."
    )
    assert jump.refused_role(JUMP, DurationSeconds=3601).message == (
        "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
    )
    jump.assume(LONG, DurationSeconds=3600)


def test_a_get_session_token_session_counts_as_chaining(lab: Lab) -> None:
    """AssumeRole with a GetSessionToken session counts as role chaining."""
    alice = lab.user("alice")
    answer = alice.call("sts", "GetSessionToken")
    session = lab.with_keys(Keys.of(answer["Credentials"]))

    assert "role chaining" in session.refused_role(LONG, DurationSeconds=3601).message
    session.assume(LONG)


# --- schema ------------------------------------------------------------------------------------------------------


def test_missing_parameters_are_refused(lab: Lab) -> None:
    """One message reports all missing parameters."""
    refused = lab.user("alice").refused("sts", "AssumeRole")

    assert refused.message == (
        "2 validation errors detected: "
        "Value null at 'roleArn' failed to satisfy constraint: Member must not be null; "
        "Value null at 'roleSessionName' failed to satisfy constraint: Member must not be null"
    )


@pytest.mark.parametrize(
    ("session", "constraint"),
    [
        ("a", "Member must have length greater than or equal to 2"),
        ("x" * 65, "Member must have length less than or equal to 64"),
        ("a b", r"Member must satisfy regular expression pattern: [\w+=,.@-]*"),
        ("caf\u00e9", r"Member must satisfy regular expression pattern: [\w+=,.@-]*"),
    ],
)
def test_session_names_are_checked(lab: Lab, session: str, constraint: str) -> None:
    """Session names are checked for length and pattern, with the schema's messages; letters must be ASCII."""
    assert lab.user("alice").refused_role(JUMP, session).message == (
        f"1 validation error detected: Value '{session}' at 'roleSessionName' failed to satisfy constraint: "
        f"{constraint}"
    )


@pytest.mark.parametrize("arn", ["nothing-valid-in-here", "arn::b:::something/test-role", "arn:a:a::aaaaaaaaaaaaa:"])
def test_a_malformed_arn_is_invalid(lab: Lab, arn: str) -> None:
    """A malformed RoleArn is reported before the session name is checked (recorded)."""
    refused = lab.user("alice").refused_role(arn, "a b")

    assert (refused.code, refused.message) == ("ValidationError", f"{arn} is invalid")


def test_a_well_formed_arn_passes_the_schema(lab: Lab) -> None:
    """The unusual but well-formed ARN `arn:a:b:::something/test-role` passes the ARN check (recorded)."""
    assert "roleSessionName" in lab.user("alice").refused_role("arn:a:b:::something/test-role", "a b").message


# --- session policies ----------------------------------------------------------------------------------------


def test_a_session_policy_limits_what_the_role_may(lab: Lab) -> None:
    """A session may do only what both role and session policy allow; a denial names the session policy."""
    jump = lab.user("alice").assume(JUMP)
    narrow = (
        '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", '
        '"Resource": "arn:aws:secretsmanager:*:*:secret:prod/other-*"}}'
    )

    free = jump.assume(TARGET, ExternalId=EXTERNAL_ID)
    bound = jump.assume(TARGET, ExternalId=EXTERNAL_ID, Policy=narrow)

    assert free.call("secretsmanager", "GetSecretValue", SecretId="prod/db")["SecretString"]
    refused = bound.refused("secretsmanager", "GetSecretValue", SecretId="prod/db")
    assert refused.message.endswith("because no session policy allows the secretsmanager:GetSecretValue action")


def test_a_session_policy_never_adds(lab: Lab) -> None:
    """A session policy that allows `*` adds no permissions to those of the role."""
    session = lab.user("alice").assume(JUMP).assume(TARGET, ExternalId=EXTERNAL_ID, Policy=ALLOW_ALL)

    session.call("secretsmanager", "GetSecretValue", SecretId="prod/db")
    assert session.refused("secretsmanager", "GetSecretValue", SecretId="dev/db").code == "AccessDeniedException"


def test_a_session_policy_of_denials_allows_nothing(lab: Lab) -> None:
    """A session policy with only Deny statements leaves no permissions, as in the AWS STS page's second example."""
    denials = '{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": ["iam:*"], "Resource": "*"}]}'

    session = lab.user("alice").assume(JUMP).assume(TARGET, ExternalId=EXTERNAL_ID, Policy=denials)

    assert session.refused("secretsmanager", "GetSecretValue", SecretId="prod/db").code == "AccessDeniedException"


def test_managed_session_policies_of_the_account_or_aws(lab: Lab) -> None:
    """PolicyArns may name policies of the account or of AWS; the ARN of a missing policy is refused."""
    jump = lab.user("alice").assume(JUMP)
    read_only = [{"arn": "arn:aws:iam::aws:policy/SecretsManagerReadWrite"}]

    session = jump.assume(TARGET, ExternalId=EXTERNAL_ID, PolicyArns=read_only)
    session.call("secretsmanager", "GetSecretValue", SecretId="prod/db")
    nothing = [{"arn": "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"}]
    session = jump.assume(TARGET, ExternalId=EXTERNAL_ID, PolicyArns=nothing)
    session.refused("secretsmanager", "GetSecretValue", SecretId="prod/db")
    missing = [{"arn": f"arn:aws:iam::{ACCOUNT}:policy/Missing"}]
    assert jump.refused_role(TARGET, ExternalId=EXTERNAL_ID, PolicyArns=missing).status == 400


@pytest.mark.parametrize("policy", ["no json", '{"Version": "2012-10-17"}', '{"Statement": {"Effect": "Allow"}}'])
def test_a_malformed_session_policy_is_refused(lab: Lab, policy: str) -> None:
    """A malformed session policy gets MalformedPolicyDocument."""
    refused = lab.user("alice").refused_role(JUMP, Policy=policy)

    assert (refused.status, refused.code) == (400, "MalformedPolicyDocument")


def test_too_large_policies_are_refused(lab: Lab) -> None:
    """A session policy of more than 2,048 characters is refused.

    The error has the policy's size in percent of the allowed size.
    """
    long = ALLOW_ALL.replace('"*"}', '"*", "Sid": "' + "a" * 2100 + '"}')

    refused = lab.user("alice").refused_role(JUMP, Policy=long)

    assert (refused.code, refused.message) == (
        "PackedPolicyTooLarge",
        f"Packed policy consumes {-(-100 * len(long) // 2048)}% of allotted space",
    )


def test_packed_policy_size_is_reported(lab: Lab) -> None:
    """If the request has a session policy, the response has PackedPolicySize in percent of the allowed size."""
    answer = lab.user("alice").call("sts", "AssumeRole", RoleArn=JUMP, RoleSessionName="s1", Policy=ALLOW_ALL)

    assert 1 <= answer["PackedPolicySize"] <= 100


# --- tags and source identity ------------------------------------------------------------------------------------


def test_tags_need_tag_session(make_lab: LabFactory) -> None:
    """Session tags need sts:TagSession in the trust policy."""
    with_tags = one_role(trust(ALICE, action='["sts:AssumeRole", "sts:TagSession"]'))
    tags = [{"Key": "project", "Value": "x"}]

    make_lab(with_tags).user("alice").assume(R, Tags=tags)
    refused = make_lab(one_role(trust(ALICE))).user("alice").refused_role(R, Tags=tags)
    assert refused.message.endswith(f"is not authorized to perform: sts:TagSession on resource: {R}")


def test_transitive_tags_are_inherited(make_lab: LabFactory) -> None:
    """Transitive tags are inherited along the role chain.

    The next role's trust policy must also allow sts:TagSession, and the tags can't be set again.
    """
    both = '["sts:AssumeRole", "sts:TagSession"]'
    hop = f'{{AWS: "arn:aws:iam::{ACCOUNT}:role/R"}}'
    tagged = '{StringEquals: {"aws:PrincipalTag/kept": "1"}}'
    roles = f"{{Strict: {{trust: {trust(hop)}}}, Free: {{trust: {trust(hop, tagged, both)}}}, "
    lab = make_lab(one_role(trust(ALICE, action=both)).replace("roles: {", f"roles: {roles}"))
    role = f"arn:aws:iam::{ACCOUNT}:role"
    first = lab.user("alice").assume(R, Tags=[{"Key": "kept", "Value": "1"}], TransitiveTagKeys=["kept"])

    first.assume(f"{role}/Free")
    assert first.refused_role(f"{role}/Strict").message.endswith(f"sts:TagSession on resource: {role}/Strict")
    conflict = first.refused_role(f"{role}/Free", Tags=[{"Key": "KEPT", "Value": "2"}])
    assert conflict.code == "InvalidParameterValue"
    assert conflict.message.startswith("One of the specified transitive tag keys can't be set because it conflicts")


def test_other_tags_are_not_inherited(make_lab: LabFactory) -> None:
    """Tags that are not transitive do not reach the next role's session."""
    both = '["sts:AssumeRole", "sts:TagSession"]'
    step = f'{{AWS: "arn:aws:iam::{ACCOUNT}:root"}}'
    allowed = '[{Version: "2012-10-17", Statement: {Effect: Allow, Action: "sts:*", Resource: "*"}}]'
    seed = f"""
accounts:
  "{ACCOUNT}":
    users: {{alice: {{policies: {allowed}}}}}
    roles:
      A: {{trust: {trust(step, action=both)}, policies: {allowed}}}
      B: {{trust: {trust(step, action=both)}, policies: {allowed}}}
      Kept: {{trust: {trust(step, '{StringEquals: {"aws:PrincipalTag/kept": "1"}}', both)}}}
      Dropped: {{trust: {trust(step, '{StringEquals: {"aws:PrincipalTag/dropped": "1"}}', both)}}}
"""
    role = f"arn:aws:iam::{ACCOUNT}:role"
    tags = [{"Key": "kept", "Value": "1"}, {"Key": "dropped", "Value": "1"}]
    second = make_lab(seed).user("alice").assume(f"{role}/A", Tags=tags, TransitiveTagKeys=["kept"]).assume(f"{role}/B")

    second.assume(f"{role}/Kept")
    assert second.refused_role(f"{role}/Dropped").code == "AccessDenied"


@pytest.mark.parametrize(
    ("tags", "transitive", "message"),
    [
        (["a", "A"], [], "Duplicate tag keys found. Please note that Tag keys are case insensitive."),
        (["a"], ["b"], "The specified transitive tag key must be included in the requested tags."),
        (["aws:a"], [], "Tag keys that begin with aws: are reserved."),
    ],
)
def test_contradicting_tags_are_refused(lab: Lab, tags: list[str], transitive: list[str], message: str) -> None:
    """Contradictory tags get InvalidParameterValue, with AWS's message where it is known."""
    passed = [{"Key": key, "Value": "v"} for key in tags]

    refused = lab.user("alice").refused_role(JUMP, Tags=passed, TransitiveTagKeys=transitive)

    assert (refused.status, refused.code, refused.message) == (400, "InvalidParameterValue", message)


def test_source_identity_is_echoed_inherited_and_fixed(lab: Lab) -> None:
    """SourceIdentity is returned, inherited along the chain and can't be changed."""
    answer = lab.user("alice").call(
        "sts", "AssumeRole", RoleArn=JUMP, RoleSessionName="s1", SourceIdentity="alice@example.com"
    )
    jump = lab.with_keys(Keys.of(answer["Credentials"]))
    again = jump.call("sts", "AssumeRole", RoleArn=LONG, RoleSessionName="s2")

    assert answer["SourceIdentity"] == again["SourceIdentity"] == "alice@example.com"
    refused = jump.refused_role(LONG, SourceIdentity="bob")
    assert (refused.code, refused.message) == (
        "ValidationError",
        "The source identity is already set for this assume role session",
    )
    jump.assume(LONG, SourceIdentity="alice@example.com")


def test_source_identity_needs_its_own_permission_also_when_inherited(lab: Lab) -> None:
    """If SourceIdentity is inherited, the next role's trust policy must also allow sts:SetSourceIdentity."""
    jump = lab.user("alice").assume(JUMP, SourceIdentity="alice")

    refused = jump.refused_role(TARGET, ExternalId=EXTERNAL_ID)

    assert refused.message.endswith(f"is not authorized to perform: sts:SetSourceIdentity on resource: {TARGET}")


def test_a_rejected_source_identity_is_named_in_the_error(make_lab: LabFactory) -> None:
    """A wrong SourceIdentity is denied for sts:SetSourceIdentity, and a missing one for sts:AssumeRole (measured)."""
    condition = '{StringEquals: {"sts:SourceIdentity": "alice"}}'
    both = '["sts:AssumeRole", "sts:SetSourceIdentity"]'
    alice = make_lab(one_role(trust(ALICE, condition, both))).user("alice")

    alice.assume(R, SourceIdentity="alice")
    assert "sts:SetSourceIdentity" in alice.refused_role(R, SourceIdentity="mallory").message
    assert "sts:AssumeRole" in alice.refused_role(R).message


# --- callers that can never assume roles -------------------------------------------------------------------------


def test_root_may_not_assume_roles(make_lab: LabFactory) -> None:
    """An account's root user can't assume roles."""
    seed = one_role(trust(ROOT)).replace(
        f'"{ACCOUNT}":', f'"{ACCOUNT}":\n    root: {{access_key_id: AKIAROOTROOTROOTROOT, secret_access_key: s3cr3t}}'
    )
    root = make_lab(seed).with_keys(Keys(access_key_id="AKIAROOTROOTROOTROOT", secret_access_key="s3cr3t"))

    assert root.refused_role(R).message == "Roles may not be assumed by root accounts."
    assert root.arn == f"arn:aws:iam::{ACCOUNT}:root"

"""IAM Identity Center: access tokens of users, assigned roles and role credentials."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from urllib.parse import unquote

import pytest

from dsops.errors import SeedInvalid
from dsops.request.messages import HttpRequest
from dsops.sandbox.identity_center.records import BoundedTable
from dsops.sandbox.seed.file import read_seed
from dsops.sandbox.state.iam_builder import IamBuilder
from tests.identity_center import SCOPE, Center, unsigned_request
from tests.sandboxes import ACCOUNT, HOST, OTHER, PEER, Lab, sign
from tests.unit.sandbox.conftest import LabFactory

NO_TOKEN = ("UnauthorizedException", "Session token not found or invalid", 401)
NO_ACCESS = ("ForbiddenException", "No access", 403)
READS = '{Version: "2012-10-17", Statement: {Effect: Allow, Action: "secretsmanager:GetSecretValue", Resource: "*"}}'
SEED = f"""
region: eu-west-1
accounts:
  "{ACCOUNT}":
    secrets: {{db: invented}}
  "{OTHER}":
    secrets: {{db: other}}
organization:
  management_account: "{ACCOUNT}"
  accounts: {{"{OTHER}": {{name: Production}}}}
identity_center:
  users:
    alice: {{email: alice@example.com}}
    bob: {{}}
  permission_sets:
    Reader: {{policies: [{READS}]}}
    Long: {{session_duration: 43200}}
    Bound:
      policies: [{READS}]
      boundary: arn:aws:iam::aws:policy/IAMReadOnlyAccess
    Admin: {{policies: ["arn:aws:iam::aws:policy/AdministratorAccess"]}}
  assignments:
  - {{account: "{ACCOUNT}", permission_set: Reader, users: [alice, bob]}}
  - {{account: "{ACCOUNT}", permission_set: Long, users: [alice]}}
  - {{account: "{ACCOUNT}", permission_set: Bound, users: [alice]}}
  - {{account: "{OTHER}", permission_set: Admin, users: [alice]}}
"""


@pytest.fixture
def lab(make_lab: LabFactory) -> Lab:
    """A sandbox where Alice is assigned four roles in two accounts, and Bob one of these roles."""
    found = make_lab(SEED)
    found.region = "eu-west-1"
    return found


@pytest.fixture
def center(lab: Lab) -> Center:
    """The sandbox's Identity Center."""
    return Center.of(lab)


def role_name(lab: Lab, account: str, permission_set: str) -> str:
    """Return the name of the role that Identity Center creates for a permission set."""
    prefix = f"AWSReservedSSO_{permission_set}_"
    roles = lab.user("admin", account).call("iam", "ListRoles")["Roles"]
    return next(str(role["RoleName"]) for role in roles if role["RoleName"].startswith(prefix))


def test_the_credentials_are_a_session_of_the_role(center: Center, lab: Lab) -> None:
    """Credentials are a role session named after the user, with the role's permissions only."""
    reader = center.role(center.log_in("alice", SCOPE), ACCOUNT, "Reader")
    reader.region = "eu-west-1"

    assert reader.arn == f"arn:aws:sts::{ACCOUNT}:assumed-role/{role_name(lab, ACCOUNT, 'Reader')}/alice"
    assert reader.call("secretsmanager", "GetSecretValue", SecretId="db")["SecretString"] == "invented"
    assert reader.refused("secretsmanager", "ListSecrets").code == "AccessDeniedException"


def test_a_boundary_limits_the_permission_set(center: Center) -> None:
    """A permission set's boundary limits its role."""
    bound = center.role(center.log_in("alice"), ACCOUNT, "Bound")
    bound.region = "eu-west-1"

    refused = bound.refused("secretsmanager", "GetSecretValue", SecretId="db")
    assert refused.code == "AccessDeniedException"
    assert "no permissions boundary allows" in refused.message


def test_user_attributes_are_session_tags(make_lab: LabFactory) -> None:
    """A user's attributes become session tags, which policies can compare."""
    of_the_team = "arn:aws:secretsmanager:*:*:secret:${aws:PrincipalTag/team}-??????"
    compares = READS.replace('"*"', f'"{of_the_team}"')
    lab = make_lab(f"""
accounts:
  "{ACCOUNT}":
    secrets: {{blue: of the blues, red: of the reds}}
identity_center:
  users: {{alice: {{attributes: {{team: blue}}}}, bob: {{}}}}
  permission_sets: {{Team: {{policies: [{compares}]}}}}
  assignments:
  - {{account: "{ACCOUNT}", permission_set: Team, users: [alice, bob]}}
""")
    center = Center.of(lab)
    alice, bob = (center.role(center.log_in(name), ACCOUNT, "Team") for name in ("alice", "bob"))
    assumed = [one for one in lab.sandbox.events.records() if one["eventName"] == "AssumeRoleWithSAML"]

    assert alice.call("secretsmanager", "GetSecretValue", SecretId="blue")["SecretString"] == "of the blues"
    assert alice.refused("secretsmanager", "GetSecretValue", SecretId="red").code == "AccessDeniedException"
    assert bob.refused("secretsmanager", "GetSecretValue", SecretId="blue").code == "AccessDeniedException"
    assert [one["requestParameters"].get("principalTags") for one in assumed] == [{"team": "blue"}, None]


def test_each_account_has_its_own_role(center: Center) -> None:
    """With one token a user gets credentials for roles in several accounts."""
    admin = center.role(center.log_in("alice", SCOPE), OTHER, "Admin")
    admin.region = "eu-west-1"

    assert admin.call("secretsmanager", "GetSecretValue", SecretId="db")["SecretString"] == "other"


def test_a_user_without_assignment_is_refused(center: Center) -> None:
    """Unassigned roles, unassigned accounts and unknown roles all get the same error."""
    token = center.log_in("bob", SCOPE)
    for account, name in ((ACCOUNT, "Long"), (OTHER, "Admin"), (ACCOUNT, "Nobody"), ("999999999999", "Reader")):
        parameters = {"accessToken": token, "accountId": account, "roleName": name}
        assert NO_ACCESS == center.refused("sso", "GetRoleCredentials", **parameters)


def test_a_deleted_role_gives_no_credentials(center: Center, lab: Lab) -> None:
    """A deleted role gives no credentials, even if a role with its name was created later."""
    token = center.log_in("alice", SCOPE)
    name = role_name(lab, ACCOUNT, "Long")
    backend = lab.sandbox.world.backend(ACCOUNT)
    trust = next(role for role in backend.roles.values() if role.name == name).assume_role_policy_document
    backend.delete_role(name)
    IamBuilder(lab.sandbox.world).add_role(ACCOUNT, name, trust)

    parameters = {"accessToken": token, "accountId": ACCOUNT, "roleName": "Long"}
    assert NO_ACCESS == center.refused("sso", "GetRoleCredentials", **parameters)


@pytest.mark.parametrize(("name", "seconds"), [("Reader", 3600), ("Long", 43200)])
def test_the_permission_set_determines_the_session_duration(center: Center, lab: Lab, name: str, seconds: int) -> None:
    """The session has the duration of the permission set, and its expiration is in milliseconds."""
    now = int(lab.sandbox.clock.now())
    token = center.log_in("alice")
    found = center.call("sso", "GetRoleCredentials", accessToken=token, accountId=ACCOUNT, roleName=name)
    person = center.role(token, ACCOUNT, name)

    assert (now + seconds) * 1000 == found["roleCredentials"]["expiration"]
    lab.sandbox.move_clock(now + seconds - 1)
    assert person.arn.endswith("/alice")
    lab.sandbox.move_clock(now + seconds)
    assert person.refused("sts", "GetCallerIdentity").code == "ExpiredToken"


def test_the_role_has_aws_form(center: Center, lab: Lab) -> None:
    """The created role has AWS's path, trust policy and maximum duration, and trusts a SAML provider."""
    assert center.lab is lab
    role = lab.user("admin").call("iam", "GetRole", RoleName=role_name(lab, ACCOUNT, "Long"))["Role"]
    providers = lab.user("admin").call("iam", "ListSAMLProviders")["SAMLProviderList"]
    mark = providers[0]["Arn"].removeprefix(f"arn:aws:iam::{ACCOUNT}:saml-provider/AWSSSO_")

    assert role["Path"] == "/aws-reserved/sso.amazonaws.com/eu-west-1/"
    assert role["MaxSessionDuration"] == 43200
    assert len(role["RoleName"].removeprefix("AWSReservedSSO_Long_")) == 16
    assert (len(providers), len(mark.removesuffix("_DO_NOT_DELETE"))) == (1, 16)
    assert json.loads(unquote(role["AssumeRolePolicyDocument"])) == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Federated": providers[0]["Arn"]},
                "Action": ["sts:AssumeRoleWithSAML", "sts:TagSession"],
                "Condition": {"StringEquals": {"SAML:aud": "https://signin.aws.amazon.com/saml"}},
            }
        ],
    }


def test_the_first_region_is_not_in_the_path(make_lab: LabFactory) -> None:
    """The path of a role has no region if Identity Center is in us-east-1."""
    lab = make_lab(SEED.replace("region: eu-west-1", "region: us-east-1"))

    role = lab.user("admin").call("iam", "GetRole", RoleName=role_name(lab, ACCOUNT, "Long"))["Role"]
    assert role["Path"] == "/aws-reserved/sso.amazonaws.com/"


def test_another_partition_has_its_own_names(make_lab: LabFactory) -> None:
    """In another partition, ARNs, sign-in URL and issuer are those of that partition."""
    lab = make_lab(f"""
region: cn-north-1
accounts: {{"{ACCOUNT}": {{partition: aws-cn}}}}
identity_center:
  users: {{alice: {{}}}}
  permission_sets: {{Reader: {{}}}}
  assignments:
  - {{account: "{ACCOUNT}", permission_set: Reader, users: [alice]}}
""")
    center = Center.of(lab)
    alice = center.role(center.log_in("alice"), ACCOUNT, "Reader")
    alice.region = "cn-north-1"
    assumed = next(one for one in lab.sandbox.events.records() if one["eventName"] == "AssumeRoleWithSAML")

    assert alice.arn.startswith(f"arn:aws-cn:sts::{ACCOUNT}:assumed-role/AWSReservedSSO_Reader_")
    assert assumed["responseElements"]["audience"] == "https://signin.amazonaws.cn/saml"
    assert assumed["responseElements"]["issuer"].startswith("https://portal.sso.cn-north-1.amazonaws.com.cn/")


def test_role_names_are_reproducible(make_lab: LabFactory) -> None:
    """Role names are the same in every sandbox with this seed, and differ between accounts."""
    first = role_name(make_lab(SEED), ACCOUNT, "Reader")
    again = make_lab(SEED)
    assert first == role_name(again, ACCOUNT, "Reader")
    assert first[-16:] != role_name(again, OTHER, "Admin")[-16:]


@pytest.mark.parametrize(
    ("operation", "more"),
    [
        ("UpdateAssumeRolePolicy", {"PolicyDocument": '{"Version": "2012-10-17", "Statement": []}'}),
        ("AttachRolePolicy", {"PolicyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}),
        ("PutRolePolicy", {"PolicyName": "p", "PolicyDocument": "{}"}),
        ("TagRole", {"Tags": [{"Key": "a", "Value": "b"}]}),
        ("DeleteRole", {}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_only_aws_changes_the_role(center: Center, lab: Lab, operation: str, more: dict[str, object]) -> None:
    """Even an administrator can't change a role that Identity Center has created."""
    assert center.lab is lab
    name, admin = role_name(lab, ACCOUNT, "Long"), lab.user("admin")
    refused = admin.refused("iam", operation, RoleName=name, **more)

    assert (refused.code, refused.status) == ("UnmodifiableEntity", 400)
    assert refused.message == (
        f"Cannot perform the operation on the protected role '{name}' - this role is only modifiable by AWS"
    )
    trust = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "*"}]}'
    admin.call("iam", "CreateRole", RoleName="Own", AssumeRolePolicyDocument=trust)
    admin.call("iam", "TagRole", RoleName="Own", Tags=[{"Key": "a", "Value": "b"}])


def test_the_provider_is_only_for_identity_center(center: Center, lab: Lab) -> None:
    """A SAML response from the sandbox's own provider can't assume a role of Identity Center."""
    name = role_name(lab, ACCOUNT, "Reader")
    role = lab.user("admin").call("iam", "GetRole", RoleName=name)["Role"]["Arn"]
    minted = center.browse("POST", "/_sandbox/saml", body=json.dumps({"role": role, "session_name": "eve"}).encode())
    said = json.loads(minted.body)
    assert minted.status == 200, said
    fields = (
        f"Action=AssumeRoleWithSAML&Version=2011-06-15&RoleArn={role}&PrincipalArn={said['provider']}"
        f"&SAMLAssertion={said['assertion'].replace('+', '%2B').replace('=', '%3D')}"
    )
    headers = {"host": HOST, "content-type": "application/x-www-form-urlencoded"}
    answer = lab.sandbox.handle(HttpRequest("POST", "/", "", headers, fields.encode(), PEER)).answer

    assert b"Not authorized to perform sts:AssumeRoleWithSAML" in answer.body


# --- lists -----------------------------------------------------------------------------------------------------------


def test_only_assigned_accounts_and_roles_are_listed(center: Center) -> None:
    """ListAccounts and ListAccountRoles return only assigned accounts and roles, with the accounts' names."""
    alice, bob = center.log_in("alice", SCOPE), center.log_in("bob", SCOPE)
    accounts = center.call("sso", "ListAccounts", accessToken=alice)["accountList"]
    roles = center.call("sso", "ListAccountRoles", accessToken=alice, accountId=ACCOUNT)["roleList"]

    assert [(one["accountId"], one["accountName"]) for one in accounts][1] == (OTHER, "Production")
    assert all("@" in one["emailAddress"] for one in accounts)
    assert [one["roleName"] for one in roles] == ["Bound", "Long", "Reader"]
    assert {one["accountId"] for one in roles} == {ACCOUNT}
    assert [one["accountId"] for one in center.call("sso", "ListAccounts", accessToken=bob)["accountList"]] == [ACCOUNT]
    assert NO_ACCESS == center.refused("sso", "ListAccountRoles", accessToken=bob, accountId=OTHER)


def test_lists_are_paged(center: Center) -> None:
    """Lists are paged; the last page has no token."""
    token = center.log_in("alice", SCOPE)
    first = center.call("sso", "ListAccountRoles", accessToken=token, accountId=ACCOUNT, maxResults=2)
    second = center.call(
        "sso", "ListAccountRoles", accessToken=token, accountId=ACCOUNT, maxResults=2, nextToken=first["nextToken"]
    )

    assert [one["roleName"] for one in first["roleList"]] == ["Bound", "Long"]
    assert [one["roleName"] for one in second["roleList"]] == ["Reader"]
    assert "nextToken" not in second


@pytest.mark.parametrize(
    "wrong",
    [
        {"maxResults": 0},
        {"maxResults": 101},
        {"nextToken": "x"},
        {"nextToken": "\u00e9"},
        {"nextToken": "ZnJvbSAtMQ=="},
    ],
    ids=str,
)
def test_an_invalid_page_is_refused(center: Center, wrong: dict[str, object]) -> None:
    """A page size outside 1 to 100 or an invalid page token is refused."""
    token = center.log_in("alice", SCOPE)
    assert center.refused("sso", "ListAccounts", accessToken=token, **wrong)[0] == "InvalidRequestException"


# --- tokens ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("token", ["", "x", "aoa", "\u00e9", "a" * 5000], ids=lambda text: text[:8])
def test_an_unknown_token_is_refused(center: Center, token: str) -> None:
    """An invalid access token is refused by all operations."""
    center.log_in("alice", SCOPE)
    for operation, more in {
        "GetRoleCredentials": {"accountId": ACCOUNT, "roleName": "Reader"},
        "ListAccounts": {},
        "ListAccountRoles": {"accountId": ACCOUNT},
        "Logout": {},
    }.items():
        assert NO_TOKEN == center.refused("sso", operation, accessToken=token, **more)


@pytest.mark.parametrize(("scopes", "seconds"), [((SCOPE,), 3600), ((), 28800)], ids=["scoped", "unscoped"])
def test_a_token_expires(center: Center, lab: Lab, scopes: tuple[str, ...], seconds: int) -> None:
    """An access token expires after one hour if it is refreshable, and otherwise after eight hours.

    The time is that of the sandbox's clock.
    """
    now, token = int(lab.sandbox.clock.now()), center.log_in("alice", *scopes)
    lab.sandbox.move_clock(now + seconds - 1)
    assert center.call("sso", "ListAccounts", accessToken=token)["accountList"]
    lab.sandbox.move_clock(now + seconds)
    assert NO_TOKEN == center.refused("sso", "ListAccounts", accessToken=token)


def test_logout_ends_the_session_but_not_its_credentials(center: Center) -> None:
    """Logout ends the session; role credentials and the user's other logins stay valid, as on AWS."""
    token, other = center.log_in("alice", SCOPE), center.log_in("alice", SCOPE)
    reader = center.role(token, ACCOUNT, "Reader")

    answer = center.answer("sso", "Logout", accessToken=token)

    assert (answer.status, answer.body) == (200, b"")
    assert NO_TOKEN == center.refused("sso", "ListAccounts", accessToken=token)
    assert NO_TOKEN == center.refused("sso", "Logout", accessToken=token)
    assert reader.arn.endswith("/alice")
    assert center.call("sso", "ListAccounts", accessToken=other)["accountList"]


def test_a_token_without_account_scope_is_refused(center: Center) -> None:
    """A token without the accounts scope can't list accounts, but can log out."""
    token = center.log_in("alice", "codewhisperer:completions")

    assert NO_ACCESS == center.refused("sso", "ListAccounts", accessToken=token)
    assert center.answer("sso", "Logout", accessToken=token).status == 200


@pytest.mark.parametrize("missing", ["accountId", "roleName"])
def test_missing_parameters_are_an_invalid_request(center: Center, missing: str) -> None:
    """A missing parameter gets InvalidRequestException, not the error for an unassigned role."""
    parameters = {"accessToken": center.log_in("alice"), "accountId": ACCOUNT, "roleName": "Reader"}
    del parameters[missing]
    assert center.refused("sso", "GetRoleCredentials", **parameters)[::2] == ("InvalidRequestException", 400)


def test_too_many_requests_are_throttled(center: Center, lab: Lab) -> None:
    """A throttled request to the portal or the login service gets that service's throttling error."""
    token, program = center.log_in("alice", SCOPE), center.register()
    lab.sandbox.throttle.limit({"sso": 0.001, "sso-oidc": 0.001})
    center.call("sso", "ListAccounts", accessToken=token)
    started = center.start_device(program)

    assert center.refused("sso", "ListAccounts", accessToken=token)[::2] == ("TooManyRequestsException", 429)
    assert center.poll_refused(program, started)[0] == "SlowDownException: slow_down"


# --- protocol --------------------------------------------------------------------------------------------------------


def test_a_bucket_may_have_the_name_of_a_path(center: Center, lab: Lab) -> None:
    """S3 keys such as `/assignment/accounts` and `/token` are reachable by signed requests."""
    admin = lab.user("admin")
    admin.headers = {"x-amz-sso_bearer_token": center.log_in("alice")}
    location = {"LocationConstraint": "eu-west-1"}
    admin.region = "eu-west-1"
    admin.call("s3", "CreateBucket", Bucket="assignment", CreateBucketConfiguration=location)
    admin.call("s3", "PutObject", Bucket="assignment", Key="accounts", Body=b"x")

    answer = admin.answer("s3", "GetObject", Bucket="assignment", Key="accounts")
    posted = sign(admin.keys, "s3", "eu-west-1", "POST", "/token", {"content-type": "application/json"}, b"{}")

    assert (answer.status, answer.body) == (200, b"x")
    assert b"<Code>MethodNotAllowed</Code>" in lab.sandbox.handle(posted).answer.body


def test_an_unknown_path_with_a_token_is_refused(center: Center, lab: Lab) -> None:
    """A portal token on an unknown path is ignored: the request is handled like any unsigned request."""
    request = unsigned_request("sso", "ListAccounts", {"accessToken": center.log_in("alice")})
    answer = lab.sandbox.handle(request._replace(path="/assignment/nothing")).answer
    assert answer.status in {403, 404}


def test_invalid_json_is_an_invalid_request(lab: Lab) -> None:
    """A body that is not a JSON object gets OAuth's invalid_request."""
    for body in (b"{", b"[]", b"1", b'{"clientId": 1}', b"[" * 90_000, b" " * 200_000 + b"{}"):
        headers = {"host": HOST, "content-type": "application/json"}
        answer = lab.sandbox.handle(HttpRequest("POST", "/token", "", headers, body, PEER)).answer
        assert (answer.status, json.loads(answer.body)["error"]) == (400, "invalid_request"), body[:20]


# --- CloudTrail ------------------------------------------------------------------------------------------------------


def test_a_login_is_recorded(center: Center, lab: Lab) -> None:
    """A login is recorded in the management account, and AssumeRoleWithSAML in the role's account."""
    token = center.log_in("alice", SCOPE)
    admin = center.role(token, OTHER, "Admin")
    _ = admin.arn
    records = list(lab.sandbox.events.records())
    created, got, assumed, asked = records[-4:]
    person = {
        "type": "IdentityCenterUser",
        "accountId": ACCOUNT,
        "onBehalfOf": created["userIdentity"]["onBehalfOf"],
        "credentialId": created["userIdentity"]["credentialId"],
    }

    assert [one["eventName"] for one in records[-4:]] == [
        "CreateToken",
        "GetRoleCredentials",
        "AssumeRoleWithSAML",
        "GetCallerIdentity",
    ]
    assert created["userIdentity"] == got["userIdentity"] == person
    store = f"arn:aws:identitystore::{ACCOUNT}:identitystore/d-1234567890"
    assert person["onBehalfOf"]["identityStoreArn"] == store
    assert created["resources"] == [{"accountId": ACCOUNT, "type": "IdentityStoreId", "ARN": "d-1234567890"}]
    assert (created["eventSource"], created["eventType"]) == ("sso.amazonaws.com", "AwsApiCall")
    assert (got["eventType"], got["serviceEventDetails"]) == (
        "AwsServiceEvent",
        {"role_name": "Admin", "account_id": OTHER},
    )
    assert (got["recipientAccountId"], assumed["recipientAccountId"]) == (ACCOUNT, OTHER)
    assert assumed["userIdentity"]["type"] == "SAMLUser"
    assert assumed["requestParameters"]["roleSessionName"] == "alice"
    assert assumed["requestParameters"]["durationSeconds"] == 3600
    assert assumed["responseElements"]["subjectType"] == "persistent"
    assert [one["type"] for one in assumed["resources"]] == ["AWS::IAM::Role", "AWS::IAM::SAMLProvider"]
    assert asked["userIdentity"]["sessionContext"]["sessionIssuer"]["type"] == "Role"
    assert asked["userIdentity"]["onBehalfOf"] == person["onBehalfOf"]
    assert len({one["eventID"] for one in records}) == len(records)


def test_a_refusal_is_recorded(center: Center, lab: Lab) -> None:
    """A denied call is recorded with its user; a call with an invalid token is not recorded."""
    token = center.log_in("bob", SCOPE)
    parameters = {"accountId": OTHER, "roleName": "Admin"}
    center.refused("sso", "GetRoleCredentials", accessToken=token, **parameters)
    last = list(lab.sandbox.events.records())[-1]
    assert (last["errorCode"], last["errorMessage"]) == ("ForbiddenException", "No access")
    before = lab.sandbox.events.added
    center.refused("sso", "GetRoleCredentials", accessToken="x", **parameters)
    assert before == lab.sandbox.events.added


def test_no_token_or_code_is_in_any_record(center: Center, lab: Lab) -> None:
    """No access token or code is in the records or in the stored logins."""
    program = center.register(SCOPE)
    started = center.start_device(program)
    center.approve(started["userCode"], "alice")
    response = center.poll(program, started)
    center.role(response["accessToken"], ACCOUNT, "Reader")
    center.call(
        "sso-oidc",
        "CreateToken",
        **program.parameters,
        grantType="refresh_token",
        refreshToken=response["refreshToken"],
    )
    browser = center.register_for_browser()
    code = center.code_for(browser, "alice")
    again = center.call("sso-oidc", "CreateToken", **center.exchange(browser, code))
    secrets = [
        program.secret,
        browser.secret,
        started["deviceCode"],
        code,
        response["accessToken"],
        response["refreshToken"],
        again["accessToken"],
        again["refreshToken"],
    ]

    records = json.dumps(list(lab.sandbox.events.records()))
    logins = lab.sandbox.identity_center.logins
    kept = repr({name: vars(value) for name, value in vars(logins).items() if isinstance(value, BoundedTable)})
    assert "botocore-client-dev" in kept  # the tables are included
    assert [one for one in secrets if one in records or one in kept] == []


# --- seed ------------------------------------------------------------------------------------------------------------


def test_all_problems_of_a_seed_are_reported_at_once() -> None:
    """All problems of an identity_center section are reported at once, with lines and suggestions."""
    seed = f"""
accounts:
  "{ACCOUNT}": {{}}
  "333333333333": {{partition: aws-cn}}
identity_center:
  start_url: http://d-1234567890.awsapps.com/start
  auto_approve: alicia
  rotates_refresh_tokens: often
  users:
    alice: {{email: nobody}}
    "a b": {{}}
  permission_sets:
    Reader: {{session_duration: 60, policy: []}}
  assignments:
  - {{account: "{ACCOUNT[:-1]}2", permission_set: Readr, users: [alice, carol]}}
  - {{account: "333333333333", permission_set: Reader, users: alice}}
  - {{permission_set: Reader}}
"""
    with pytest.raises(SeedInvalid) as caught:
        read_seed(seed, "seed.yaml")

    reported = [
        (one.where.line, one.path.removeprefix("identity_center."), one.message) for one in caught.value.problems
    ]
    assert reported == [
        (6, "start_url", "`start_url` must be like https://d-1234567890.awsapps.com/start"),
        (7, "auto_approve", "there is no user `alicia`"),
        (8, "rotates_refresh_tokens", "`rotates_refresh_tokens` must be true or false"),
        (10, "users.alice.email", "`email` must be an address with an @"),
        (11, "users.a b", "`a b` is not a user's name"),
        (13, "permission_sets.Reader.policy", "unknown key `policy`"),
        (13, "permission_sets.Reader.session_duration", "`session_duration` must be between 3600 and 43200"),
        (15, "assignments[0].account", "there is no account `111111111112`"),
        (15, "assignments[0].permission_set", "there is no permission set `Readr`"),
        (15, "assignments[0].users[1]", "there is no user `carol`"),
        (16, "assignments[1].account", "account 333333333333 is in aws-cn, the Identity Center in aws"),
        (16, "assignments[1].users", "this must be a list"),
        (17, "assignments[2].account", "`account` is missing"),
        (17, "assignments[2].users", "`users` is missing"),
    ]
    hints = [one.hint for one in caught.value.problems]
    assert "did you mean `alice`?" in hints
    assert "did you mean `Reader`?" in hints


def test_an_identity_center_needs_users() -> None:
    """An identity_center without users is a problem."""
    with pytest.raises(SeedInvalid) as caught:
        read_seed(f'accounts: {{"{ACCOUNT}": {{}}}}\nidentity_center: {{}}\n', "seed.yaml")
    assert [one.message for one in caught.value.problems] == ["`users` is empty, so no user could log in"]


def test_an_invalid_policy_is_reported_with_its_position() -> None:
    """An invalid policy in a permission set is reported with its path in the seed."""
    seed = SEED.replace("Long: {session_duration: 43200}", 'Long: {policies: [{Version: "2012-10-17"}]}')
    with pytest.raises(SeedInvalid) as caught:
        read_seed(seed, "seed.yaml")
    assert caught.value.problems[0].path.startswith("identity_center.permission_sets.Long.policies[0]")


def test_without_an_identity_center_logins_are_refused(make_lab: LabFactory) -> None:
    """Without an Identity Center clients can register, but not log in."""
    center = Center.of(make_lab(f'accounts: {{"{ACCOUNT}": {{}}}}'))
    program = center.register(SCOPE)
    parameters = {**program.parameters, "startUrl": "https://d-1234567890.awsapps.com/start"}

    refused = center.refused("sso-oidc", "StartDeviceAuthorization", **parameters)

    assert refused == ("InvalidRequestException: invalid_request", "Invalid start url provided", 400)
    assert NO_TOKEN == center.refused("sso", "ListAccounts", accessToken="x")
    assert b"has no Identity Center" in center.browse("GET", "/_sandbox/device").body


def test_a_registration_has_its_expiry(center: Center, lab: Lab) -> None:
    """A registration expires after 90 days; the response omits the endpoints, which are null on AWS."""
    created = center.call("sso-oidc", "RegisterClient", clientName="x", clientType="public")
    now = datetime.fromtimestamp(lab.sandbox.clock.now(), UTC)

    assert created["clientIdIssuedAt"] == int(now.timestamp())
    assert created["clientSecretExpiresAt"] - created["clientIdIssuedAt"] == 90 * 86400
    assert not {"authorizationEndpoint", "tokenEndpoint"} & created.keys()

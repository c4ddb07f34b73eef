"""GetScopedCredentials, sizes of session tokens, and regions with STS deactivated."""

from __future__ import annotations

import json
from base64 import b32encode
from hashlib import shake_256

import pytest

from dsops.sandbox.control.endpoints import Control
from dsops.sandbox.state.sessions import MAX_TOKEN
from tests.sandboxes import ACCOUNT, OTHER, Keys, Lab, Person
from tests.unit.sandbox.conftest import LabFactory
from tests.unit.sandbox.test_control import ask

JUMP = f"arn:aws:iam::{ACCOUNT}:role/team/Jump"
FULL = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}'


def allow(action: str) -> str:
    """Return a policy that allows the action."""
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]})


def narrowed(person: Person, **parameters: object) -> Person:
    """Call GetScopedCredentials; return a caller with the narrowed session."""
    answer = person.call("sts", "GetScopedCredentials", **parameters)
    return Person(person.lab, Keys.of(answer["Credentials"]))


def refused(person: Person, **parameters: object) -> tuple[str, int]:
    """Call GetScopedCredentials, which must fail; return code and status of the error."""
    error = person.refused("sts", "GetScopedCredentials", **parameters)
    return error.code, error.status


@pytest.fixture
def session(lab: Lab) -> Person:
    """A role session with all permissions in STS."""
    return lab.user("alice").assume(JUMP, "s1", SourceIdentity="ada")


def test_the_caller_stays_the_same(session: Person) -> None:
    """A narrowed session has the same ARN, id and source identity as the session that requested it."""
    answer = session.call("sts", "GetScopedCredentials", Policy=allow("sts:*"))
    inner = Person(session.lab, Keys.of(answer["Credentials"]))

    assert inner.arn == session.arn == answer["SessionInfo"]["Arn"]
    assert inner.call("sts", "GetCallerIdentity")["UserId"] == answer["SessionInfo"]["ScopedSessionId"]
    assert answer["SourceIdentity"] == "ada"
    assert answer["ScopedPoliciesCount"] == 1
    assert answer["SessionTokenSize"] == len(answer["Credentials"]["SessionToken"])


def test_a_policy_only_limits(session: Person) -> None:
    """The scope's policy limits permissions and adds none."""
    key = {"AccessKeyId": session.keys.access_key_id}
    inner = narrowed(session, Policy=allow("iam:*"))

    assert session.call("sts", "GetAccessKeyInfo", **key)["Account"] == ACCOUNT
    assert inner.refused("sts", "GetAccessKeyInfo", **key).message.endswith(
        "because no session policy allows the sts:GetAccessKeyInfo action"
    )
    assert "no identity-based policy" in inner.refused("iam", "ListRoles").message
    assert narrowed(session, Policy=FULL).call("sts", "GetAccessKeyInfo", **key)["Account"] == ACCOUNT


def test_at_most_three_layers_of_policies(session: Person) -> None:
    """At most three scopes can be nested; a fourth is refused, but shortening the duration further is allowed."""
    key = {"AccessKeyId": session.keys.access_key_id}
    first = narrowed(session, Policy=allow("sts:Get*"))
    second = narrowed(first, Policy=allow("sts:*"))
    third = narrowed(second, Policy=allow("sts:GetCallerIdentity"))

    assert second.call("sts", "GetAccessKeyInfo", **key)["Account"] == ACCOUNT
    assert third.refused("sts", "GetAccessKeyInfo", **key).code == "AccessDenied"
    assert refused(third, Policy=FULL) == ("AccessDenied", 403)
    assert third.call("sts", "GetScopedCredentials", DurationSeconds=60)["ScopedPoliciesCount"] == 3


def test_scoped_credentials_expire_with_the_session(session: Person) -> None:
    """A narrowed session never expires later than the session that requested it."""
    clock = session.lab.sandbox.clock
    same, short = narrowed(session, Policy=FULL), narrowed(session, DurationSeconds=60)

    assert refused(session, DurationSeconds=3601) == ("InsufficientSessionLifetime", 400)
    clock.advance(60)
    assert short.refused("sts", "GetCallerIdentity").code == "ExpiredToken"
    assert refused(session, DurationSeconds=3600) == ("InsufficientSessionLifetime", 400)
    assert narrowed(session, DurationSeconds=3540).arn == session.arn
    clock.advance(3540)
    assert same.refused("sts", "GetCallerIdentity").code == "ExpiredToken"


def test_long_term_keys_can_not_be_scoped(lab: Lab) -> None:
    """GetScopedCredentials refuses long-term keys, and a request with neither Policy nor DurationSeconds."""
    assert refused(lab.user("alice"), Policy=FULL) == ("InvalidSubjectCredentials", 400)
    assert refused(lab.user("alice").assume(JUMP)) == ("ValidationError", 400)
    assert refused(lab.user("alice").assume(JUMP), Policy="{}") == ("MalformedPolicyDocument", 400)


def test_a_user_session_can_be_scoped(lab: Lab) -> None:
    """A GetSessionToken session can be narrowed, although it may call few STS operations."""
    admin = lab.user("admin", OTHER)
    session = Person(lab, Keys.of(admin.call("sts", "GetSessionToken")["Credentials"]))
    inner = narrowed(session, Policy=allow("secretsmanager:ListSecrets"))

    assert inner.call("secretsmanager", "ListSecrets")["SecretList"]
    assert inner.refused("secretsmanager", "GetSecretValue", SecretId="prod/db").code == "AccessDeniedException"
    assert session.call("secretsmanager", "GetSecretValue", SecretId="prod/db")["SecretString"]


def test_a_root_session_can_be_scoped(make_lab: LabFactory) -> None:
    """A narrowed session of the root user has only the permissions of its scope."""
    key = {"access_key_id": "AKIAROOTROOTROOTROOT", "secret_access_key": "root"}
    lab = make_lab(f"accounts: {{'{ACCOUNT}': {{root: {json.dumps(key)}}}}}")
    root = lab.with_keys(Keys(**key))
    session = Person(lab, Keys.of(root.call("sts", "GetSessionToken")["Credentials"]))
    inner = narrowed(session, Policy=allow("secretsmanager:ListSecrets"))

    assert inner.call("secretsmanager", "ListSecrets")["SecretList"] == []
    assert inner.refused("secretsmanager", "CreateSecret", Name="x").code == "AccessDeniedException"
    assert session.call("secretsmanager", "CreateSecret", Name="x", SecretString="y")["ARN"]


def test_a_federated_user_without_permissions_is_refused(lab: Lab) -> None:
    """Narrowing a federated session without a policy gives a session without permissions."""
    admin = lab.user("admin", OTHER)
    bare = Person(lab, Keys.of(admin.call("sts", "GetFederationToken", Name="ann")["Credentials"]))
    limited = Person(lab, Keys.of(admin.call("sts", "GetFederationToken", Name="ann", Policy=FULL)["Credentials"]))

    assert narrowed(bare, Policy=FULL).refused("secretsmanager", "ListSecrets").code == "AccessDeniedException"
    assert narrowed(limited, Policy=FULL).call("secretsmanager", "ListSecrets")["SecretList"]


def test_scoped_credentials_are_revoked_with_the_session(session: Person) -> None:
    """A narrowed session keeps aws:TokenIssueTime and MFA, so that a policy that revokes old sessions applies."""
    session.lab.sandbox.clock.advance(600)
    narrowed(session, Policy=FULL).call("sts", "GetAccessKeyInfo", AccessKeyId=session.keys.access_key_id)
    inner = session.lab.sandbox.judge.decisions[-1].decision.request.context
    session.call("sts", "GetAccessKeyInfo", AccessKeyId=session.keys.access_key_id)
    outer = session.lab.sandbox.judge.decisions[-1].decision.request.context

    assert inner["aws:TokenIssueTime"] == outer["aws:TokenIssueTime"]
    assert inner["aws:MultiFactorAuthPresent"] == outer["aws:MultiFactorAuthPresent"] == ("false",)


def test_role_chaining_keeps_the_limits(session: Person) -> None:
    """A narrowed session can assume a role only if its scope allows that."""
    plain = session.lab.user("alice").assume(JUMP)
    closed, opened = narrowed(plain, Policy=allow("iam:*")), narrowed(plain, Policy=allow("sts:*"))
    target = f"arn:aws:iam::{OTHER}:role/Target"

    assert closed.refused_role(target, ExternalId="unique-customer-id-12345").code == "AccessDenied"
    assert opened.assume(target, ExternalId="unique-customer-id-12345").arn.endswith("assumed-role/Target/session")


# --- token size --------------------------------------------------------------------------------------------------


def test_a_token_has_the_requested_size(lab: Lab) -> None:
    """MinimumSessionTokenSize sets the token's minimum length; a truncated or changed token is invalid."""
    admin = lab.user("admin")
    for size in (0, 191, 192, 1000, MAX_TOKEN):
        answer = admin.call("sts", "GetSessionToken", MinimumSessionTokenSize=size)
        token = answer["Credentials"]["SessionToken"]
        assert answer["SessionTokenSize"] == len(token) == max(191, size)
        assert answer["SessionTokenUtilization"] == -(-100 * len(token) // MAX_TOKEN)
        keys = Keys.of(answer["Credentials"])
        assert Person(lab, keys).arn.endswith("user/admin")
        for wrong in (token[:-1], token + "A", token[:191] if size > 191 else token[:190], token[:-1] + "-"):
            changed = Keys(
                access_key_id=keys.access_key_id, secret_access_key=keys.secret_access_key, session_token=wrong
            )
            assert Person(lab, changed).refused("sts", "GetCallerIdentity").code == "InvalidClientTokenId"
    over = admin.refused("sts", "GetSessionToken", MinimumSessionTokenSize=MAX_TOKEN + 1)
    assert "less than or equal to 4096" in over.message


def test_policies_and_tags_make_a_token_larger(lab: Lab) -> None:
    """Policies and tags make the token longer, as SessionTokenUtilization and PackedPolicySize report."""
    alice = lab.user("alice")
    bare = alice.call("sts", "AssumeRole", RoleArn=JUMP, RoleSessionName="s1")
    full = alice.call(
        "sts",
        "AssumeRole",
        RoleArn=JUMP,
        RoleSessionName="s1",
        Policy=allow("sts:Get*"),
        Tags=[{"Key": "Team", "Value": "red"}],
    )

    assert full["SessionTokenSize"] > bare["SessionTokenSize"]
    assert full["PackedPolicySize"] == full["SessionTokenUtilization"] > bare["SessionTokenUtilization"]
    assert "PackedPolicySize" not in bare


def test_invalid_scopes_are_refused(session: Person) -> None:
    """Scopes that together exceed the token's size are refused."""

    def long_policy(number: int) -> str:
        letters = b32encode(shake_256(bytes([number])).digest(1200)).decode()
        names = [letters[start : start + 60] for start in range(0, 29 * 60, 60)]
        return allow("sts:*").replace('"sts:*"', json.dumps(["sts:*", *[f"s3:{name}" for name in names]]))

    second = narrowed(narrowed(session, Policy=long_policy(1)), Policy=long_policy(2))
    error = second.refused("sts", "GetScopedCredentials", Policy=long_policy(3))
    assert error.code == "PackedPolicyTooLarge"
    assert error.message.endswith("and the maximum is 4096 bytes.")
    assert narrowed(second, Policy=FULL).arn == session.arn


# --- regions without STS -------------------------------------------------------------------------------------------


def test_a_region_can_be_disabled_for_an_account(make_lab: LabFactory) -> None:
    """If STS is deactivated in a region for an account, no credentials for the account are issued there.

    Existing credentials still work.
    """
    trust = (
        f'{{Version: "2012-10-17", Statement: {{Effect: Allow, Principal: {{AWS: "{OTHER}"}}, '
        'Action: "sts:AssumeRole"}}'
    )
    lab = make_lab(
        f'accounts: {{"{ACCOUNT}": {{closed_sts_regions: [eu-west-1], roles: {{R: {{trust: {trust}}}}}}}, '
        f'"{OTHER}": {{}}}}'
    )
    role = f"arn:aws:iam::{ACCOUNT}:role/R"
    own, other = lab.user("admin"), lab.user("admin", OTHER)
    own.region = other.region = "eu-west-1"

    refused_session = own.refused("sts", "GetSessionToken")
    assert (refused_session.code, refused_session.status) == ("RegionDisabledException", 403)
    assert refused_session.message == (
        f"STS is not activated in this region for account:{ACCOUNT}. Your account administrator can activate STS in "
        "this region using the IAM Console."
    )
    assert other.refused_role(role).code == "RegionDisabledException"
    assert other.call("sts", "GetSessionToken")["Credentials"]
    assert own.arn
    other.region = "us-east-1"
    assert other.assume(role).arn


def test_a_token_is_refused_in_a_disabled_region(make_lab: LabFactory) -> None:
    """Federated sessions are refused in a region where the role's account has deactivated STS."""
    trust = (
        f'{{Version: "2012-10-17", Statement: {{Effect: Allow, Principal: {{Federated: "arn:aws:iam::{ACCOUNT}:'
        'oidc-provider/id.example.com"}, Action: "sts:AssumeRoleWithWebIdentity"}}'
    )
    seed = (
        "region: %s\naccounts: {'%s': {closed_sts_regions: [eu-west-1], roles: {R: {trust: %s}}, oidc_providers: "
        "[{url: 'https://id.example.com', client_ids: [app], issued_by_sandbox: true}]}}"
    )
    for region, code in (("eu-west-1", "RegionDisabledException"), ("eu-central-1", "")):
        lab = make_lab(seed % (region, ACCOUNT, trust))
        token = ask(Control(lab.sandbox), "token", "POST", {"sub": "ada", "aud": "app"})[1]["token"]
        wanted = {
            "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/R",
            "RoleSessionName": "s1",
            "WebIdentityToken": token,
            "MinimumSessionTokenSize": 900,
        }
        if code:
            assert lab.user("admin").refused("sts", "AssumeRoleWithWebIdentity", **wanted).code == code
        else:
            answer = lab.user("admin").call("sts", "AssumeRoleWithWebIdentity", **wanted)
            assert answer["SessionTokenSize"] == len(answer["Credentials"]["SessionToken"]) == 900


def test_us_east_1_can_not_be_disabled() -> None:
    """A seed can't deactivate STS in us-east-1."""
    from tests.unit.sandbox.test_seedfile import problems

    reported = problems('accounts: {"111111111111": {closed_sts_regions: [us-east-1]}}')
    assert any("can't be switched off in us-east-1" in problem for problem in reported)

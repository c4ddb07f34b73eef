"""GetDelegatedAccessToken and ProvidedContexts, whose sealed tokens only the sandbox can issue."""

from __future__ import annotations

from typing import Any

import pytest

from dsops.sandbox.control.endpoints import Control
from tests.sandboxes import ACCOUNT, OTHER, Keys, Lab, Person
from tests.unit.sandbox.conftest import LabFactory
from tests.unit.sandbox.test_control import ask

FULL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
SEED = f"""
accounts:
  "{ACCOUNT}":
    users:
      owner: {{policies: [{{Version: "2012-10-17", Statement: [{{Effect: Allow, Action: "secretsmanager:*",
        Resource: "*"}}]}}]}}
    roles:
      Open:
        trust: {{Version: "2012-10-17", Statement: [{{Effect: Allow, Principal: {{AWS: "{ACCOUNT}"}},
          Action: ["sts:AssumeRole", "sts:SetContext"]}}]}}
        policies: [{{Version: "2012-10-17", Statement: [{{Effect: Allow, Action: "secretsmanager:*", Resource: "*",
          Condition: {{StringEquals: {{"identitystore:UserId": ada}}}}}}]}}]
      NoContext:
        trust: {{Version: "2012-10-17", Statement: [{{Effect: Allow, Principal: {{AWS: "{ACCOUNT}"}},
          Action: "sts:AssumeRole"}}]}}
      OnlyAda:
        trust: {{Version: "2012-10-17", Statement: [{{Effect: Allow, Principal: {{AWS: "{ACCOUNT}"}},
          Action: "sts:AssumeRole"}}, {{Effect: Allow, Principal: {{AWS: "{ACCOUNT}"}}, Action: "sts:SetContext",
          Condition: {{StringEquals: {{"sts:RequestContext/identitystore:UserId": ada}}}}}}]}}
    secrets: {{db: x}}
  "{OTHER}":
    users: {{nobody: {{}}}}
"""
OWNER = f"arn:aws:iam::{ACCOUNT}:user/owner"
CENTER = "arn:aws:iam::aws:contextProvider/IdentityCenter"


@pytest.fixture
def lab(make_lab: LabFactory) -> Lab:
    """A sandbox with an owner of secrets, and a partner in another account."""
    return make_lab(SEED)


def trade_in(lab: Lab, **wish: object) -> str:
    """Return the trade-in token that AWS would send to a partner."""
    status, answer = ask(Control(lab.sandbox), "trade-in-token", "POST", {"principal": OWNER, **wish})
    assert status == 200, answer
    return str(answer["token"])


def traded(person: Person, token: str) -> Person:
    """Trade in the token; return a caller with the new credentials."""
    answer = person.call("sts", "GetDelegatedAccessToken", TradeInToken=token)
    return Person(person.lab, Keys.of(answer["Credentials"]))


def test_a_partner_acts_as_the_token_creator(lab: Lab) -> None:
    """A partner acts as the delegating principal, with its permissions, for the agreed time."""
    partner = lab.user("admin", OTHER)
    answer = partner.call("sts", "GetDelegatedAccessToken", TradeInToken=trade_in(lab, duration_seconds=300))
    owner = Person(lab, Keys.of(answer["Credentials"]))

    assert answer["AssumedPrincipal"] == owner.arn == OWNER
    assert "PackedPolicySize" not in answer
    assert owner.call("secretsmanager", "GetSecretValue", SecretId="db")["SecretString"] == "x"
    assert owner.refused("sts", "GetAccessKeyInfo", AccessKeyId="A" * 20).code == "AccessDenied"
    lab.sandbox.clock.advance(300)
    assert owner.refused("sts", "GetCallerIdentity").code == "ExpiredToken"


def test_a_role_can_create_a_token(lab: Lab) -> None:
    """A role can delegate; the resulting session belongs to the role."""
    token = trade_in(lab, principal=f"arn:aws:iam::{ACCOUNT}:role/Open")
    assert traded(lab.user("admin", OTHER), token).arn == (f"arn:aws:sts::{ACCOUNT}:assumed-role/Open/delegated-access")


def test_the_agreed_policy_limits(lab: Lab) -> None:
    """The session has the intersection of the token's policy and the owner's permissions."""
    listing = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": ["secretsmanager:ListSecrets", "iam:*"], "Resource": "*"}],
    }
    owner = traded(lab.user("admin", OTHER), trade_in(lab, policy=listing))

    assert owner.call("secretsmanager", "ListSecrets")["SecretList"]
    assert owner.refused("secretsmanager", "GetSecretValue", SecretId="db").code == "AccessDeniedException"
    assert owner.refused("iam", "ListRoles").code == "InvalidClientTokenId"


def test_a_token_expires(lab: Lab) -> None:
    """A trade-in token expires by the sandbox's clock."""
    token = trade_in(lab, expires_seconds=60)
    partner = lab.user("admin", OTHER)

    assert traded(partner, token).arn == OWNER
    lab.sandbox.clock.advance(60)
    error = partner.refused("sts", "GetDelegatedAccessToken", TradeInToken=token)
    assert (error.code, error.status) == ("ExpiredTradeInTokenException", 400)


def test_an_invalid_token_is_refused(lab: Lab) -> None:
    """A garbled or changed token, a token for another purpose, and a deleted user's token are refused."""
    partner, token = lab.user("admin", OTHER), trade_in(lab)
    assertion = ask(Control(lab.sandbox), "context", "POST", {"context": {"identitystore:UserId": "x"}})[1]
    for wrong in ("", "x", "é" * 20, str(assertion["assertion"]), token[:-5] + "AAAA="):
        assert partner.refused("sts", "GetDelegatedAccessToken", TradeInToken=wrong).code == "ValidationError"
    admin = lab.user("admin")
    key = lab.user("owner").keys.access_key_id
    admin.call("iam", "DeleteAccessKey", UserName="owner", AccessKeyId=key)
    admin.call("iam", "DeleteUserPolicy", UserName="owner", PolicyName="policy-1")
    admin.call("iam", "DeleteUser", UserName="owner")
    assert partner.refused("sts", "GetDelegatedAccessToken", TradeInToken=token).code == "ValidationError"


def test_trade_in_needs_a_permission(lab: Lab) -> None:
    """GetDelegatedAccessToken needs a permission in the partner's own account."""
    error = lab.user("nobody", OTHER).refused("sts", "GetDelegatedAccessToken", TradeInToken=trade_in(lab))
    assert "because no identity-based policy allows the sts:GetDelegatedAccessToken action" in error.message


WISHES: list[tuple[Any, int]] = [
    ({}, 400),
    ([], 400),
    ({"principal": "x"}, 404),
    ({"principal": OWNER, "duration_seconds": 299}, 400),
    ({"principal": OWNER, "duration_seconds": 43_201}, 400),
    ({"principal": OWNER, "policy": {"Version": "1"}}, 400),
    ({"principal": OWNER, "expires_seconds": "soon"}, 400),
    ({"principal": OWNER, "expires_seconds": 1e300}, 400),
]


@pytest.mark.parametrize(("wish", "status"), WISHES)
def test_token_requests_are_validated(lab: Lab, wish: Any, status: int) -> None:
    """Invalid requests for a trade-in token are refused."""
    assert ask(Control(lab.sandbox), "trade-in-token", "POST", wish)[0] == status


# --- ProvidedContexts ----------------------------------------------------------------------------------------------


def provided(lab: Lab, provider: str = CENTER, named: str = CENTER, **wish: object) -> list[dict[str, str]]:
    """Return ProvidedContexts with an assertion from `provider`, declared as from `named`."""
    content = {"context": {"identitystore:UserId": "ada"}, "provider": provider, **wish}
    status, answer = ask(Control(lab.sandbox), "context", "POST", content)
    assert status == 200, answer
    return [{"ProviderArn": named, "ContextAssertion": answer["assertion"]}]


def test_a_session_has_its_provided_context(lab: Lab) -> None:
    """The session has its provided context as condition keys in every request."""
    admin, role = lab.user("admin"), f"arn:aws:iam::{ACCOUNT}:role/Open"

    assert admin.assume(role, ProvidedContexts=provided(lab)).call("secretsmanager", "ListSecrets")["SecretList"]
    for session in (
        admin.assume(role),
        admin.assume(role, ProvidedContexts=provided(lab, context={"identitystore:UserId": "eve"})),
    ):
        assert session.refused("secretsmanager", "ListSecrets").code == "AccessDeniedException"


def test_a_context_needs_set_context(lab: Lab) -> None:
    """A provided context needs sts:SetContext in the trust policy, which can restrict it."""
    admin, role = lab.user("admin"), f"arn:aws:iam::{ACCOUNT}:role/"

    refused = admin.refused_role(f"{role}NoContext", ProvidedContexts=provided(lab))
    assert "is not authorized to perform: sts:SetContext" in refused.message
    assert admin.assume(f"{role}OnlyAda", ProvidedContexts=provided(lab)).arn
    eve = provided(lab, context={"identitystore:UserId": "eve"})
    assert "sts:SetContext" in admin.refused_role(f"{role}OnlyAda", ProvidedContexts=eve).message


def test_an_unknown_context_assertion_is_invalid(lab: Lab) -> None:
    """Context assertions that are garbled, expired, contradictory or of another provider are refused."""
    admin, role = lab.user("admin"), f"arn:aws:iam::{ACCOUNT}:role/Open"
    other = "arn:aws:iam::aws:contextProvider/Another"
    expired = provided(lab, expires_seconds=0)
    eve = provided(lab, context={"identitystore:UserId": "eve"})

    for wrong in (
        [{"ProviderArn": CENTER, "ContextAssertion": "garbage"}],
        provided(lab, named=other),
        provided(lab, provider=OWNER, named=OWNER),
        expired,
        provided(lab) + eve,
        [{"ProviderArn": CENTER, "ContextAssertion": trade_in(lab)}],
    ):
        error = admin.refused_role(role, ProvidedContexts=wrong)
        assert (error.code, error.status) == ("InvalidContextAssertion", 400)
    assert admin.assume(role, ProvidedContexts=provided(lab) + provided(lab)).arn
    assert "at 'providedContexts'" in admin.refused_role(role, ProvidedContexts=provided(lab) * 6).message


@pytest.mark.parametrize(
    "wish",
    [
        None,
        {},
        {"context": {}},
        {"context": []},
        {"context": {"aws:PrincipalArn": "arn:aws:iam::1:root"}},
        {"context": {"sts:ExternalId": "x"}},
        {"context": {"identitystore:": "x"}},
        {"context": {"identitystore:UserId": "x"}, "expires_seconds": "x"},
    ],
)
def test_an_assertion_may_not_set_global_condition_keys(lab: Lab, wish: Any) -> None:
    """An assertion can't set condition keys that AWS itself sets."""
    assert ask(Control(lab.sandbox), "context", "POST", wish)[0] == 400

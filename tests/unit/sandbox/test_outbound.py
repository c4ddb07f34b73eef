"""GetWebIdentityToken: tokens for services outside AWS, their claims, and the keys that verify them."""

from __future__ import annotations

from typing import Any

import jwt
import pytest

from dsops.sandbox.control.endpoints import Control
from dsops.sandbox.sts.outbound import CLAIMS
from tests.sandboxes import ACCOUNT, OTHER, Keys, Lab, Person
from tests.unit.sandbox.conftest import LabFactory
from tests.unit.sandbox.test_control import ask

ROLE = f"arn:aws:iam::{ACCOUNT}:role/team/Worker"
AUDIENCE = "https://api.example.com"
ACTIONS = '["sts:GetWebIdentityToken", "sts:TagGetWebIdentityToken", "sts:SetWebIdentityTokenScope"]'


def seed(condition: str = "{}", actions: str = ACTIONS) -> str:
    """Return a seed with a role that may request tokens, in a member account with the feature enabled."""
    return f"""
organization: {{id: o-exampleorg1, management_account: "{OTHER}", accounts: ["{ACCOUNT}"]}}
accounts:
  "{ACCOUNT}":
    outbound_federation: true
    oidc_providers: []
    roles:
      Worker:
        path: /team/
        tags: {{team: data, stage: test}}
        trust: {{Version: "2012-10-17", Statement: [{{Effect: Allow, Principal: {{AWS: "{ACCOUNT}"}},
          Action: ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity", "sts:SetContext"]}}]}}
        policies: [{{Version: "2012-10-17", Statement: [{{Effect: Allow, Action: {actions}, Resource: "*",
          Condition: {condition}}}]}}]
  "{OTHER}": {{}}
"""


@pytest.fixture
def lab(make_lab: LabFactory) -> Lab:
    """A sandbox with a role that may request any token."""
    return make_lab(seed())


def token(person: Person, **parameters: object) -> str:
    """Call GetWebIdentityToken; return the token."""
    request: dict[str, object] = {"Audience": [AUDIENCE], "SigningAlgorithm": "RS256", **parameters}
    return str(person.call("sts", "GetWebIdentityToken", **request)["WebIdentityToken"])


def refused(person: Person, **parameters: object) -> str:
    """Call GetWebIdentityToken, which must fail; return status, code and message of the error."""
    request: dict[str, object] = {"Audience": [AUDIENCE], "SigningAlgorithm": "RS256", **parameters}
    error = person.refused("sts", "GetWebIdentityToken", **request)
    return f"{error.status} {error.code}: {error.message}"


def read(lab: Lab, text: str, audience: str = AUDIENCE) -> dict[str, Any]:
    """Verify the token like a relying party: discovery, keys, signature, issuer, audience; return its claims."""
    control = Control(lab.sandbox)
    document = ask(control, f"outbound/{ACCOUNT}/.well-known/openid-configuration")[1]
    path = document["jwks_uri"].removeprefix("http://127.0.0.1:4566/_sandbox/")
    keys = jwt.PyJWKSet.from_dict(ask(control, path)[1])
    header = jwt.get_unverified_header(text)
    claims: dict[str, Any] = jwt.decode(
        text,
        keys[header["kid"]],
        algorithms=document["id_token_signing_alg_values_supported"],
        audience=audience,
        issuer=document["issuer"],
        options={"verify_exp": False, "verify_iat": False, "require": ["exp", "iat", "jti"]},
    )
    return claims


@pytest.mark.parametrize(("algorithm", "key"), [("RS256", "RSA_0"), ("ES384", "EC384_0")])
def test_a_relying_party_can_verify_a_token(lab: Lab, algorithm: str, key: str) -> None:
    """A token can be verified with the published keys; a changed token can't."""
    text = token(lab.user("admin").assume(ROLE), SigningAlgorithm=algorithm)

    assert jwt.get_unverified_header(text) == {"alg": algorithm, "kid": key, "typ": "JWT"}
    assert read(lab, text)["sub"] == ROLE
    head, body, signature = text.split(".")
    with pytest.raises(jwt.InvalidSignatureError):
        read(lab, f"{head}.{body[:-2]}{'A' if body[-2] != 'A' else 'B'}{body[-1]}.{signature}")
    with pytest.raises(jwt.InvalidAudienceError):
        read(lab, text, "https://another.example.com")


def test_the_claims_have_aws_form(lab: Lab) -> None:
    """A token has the standard claims, and AWS's claims about account, organization, session and tags."""
    worker = lab.user("admin").assume(
        ROLE, Tags=[{"Key": "team", "Value": "red"}], SourceIdentity="ada", DurationSeconds=900
    )
    now = int(lab.sandbox.clock.now())
    claims = read(lab, token(worker, Tags=[{"Key": "job-id", "Value": "7"}]))

    assert (claims["aud"], claims["iat"], claims["exp"]) == (AUDIENCE, now, now + 300)
    assert claims["iss"].endswith(".tokens.sts.global.api.aws")
    own = claims[CLAIMS]
    assert own.pop("ou_path")[0].startswith("o-exampleorg1/r-")
    assert own.pop("original_session_exp").endswith("Z")
    assert own == {
        "aws_account": ACCOUNT,
        "source_region": "us-east-1",
        "principal_id": ROLE,
        "org_id": "o-exampleorg1",
        "principal_tags": {"team": "red", "stage": "test"},
        "source_identity": "ada",
        "request_tags": {"job-id": "7"},
    }


def test_the_subject_is_the_user(lab: Lab) -> None:
    """A user's token has a list of audiences, and no session claims."""
    claims = read(lab, token(lab.user("admin"), Audience=["a", AUDIENCE]))

    assert claims["sub"] == f"arn:aws:iam::{ACCOUNT}:user/admin"
    assert claims["aud"] == ["a", AUDIENCE]
    assert "original_session_exp" not in claims[CLAIMS]


def test_the_account_must_enable_it(lab: Lab) -> None:
    """Each account enables and disables the feature through IAM; its issuer URL never changes."""
    admin = lab.user("admin", OTHER)

    assert refused(admin).startswith("403 OutboundWebIdentityFederationDisabledException")
    assert admin.refused("iam", "GetOutboundWebIdentityFederationInfo").code == "FeatureDisabled"
    issuer = admin.call("iam", "EnableOutboundWebIdentityFederation")["IssuerIdentifier"]
    assert admin.refused("iam", "EnableOutboundWebIdentityFederation").code == "FeatureEnabled"
    assert jwt.decode(token(admin), options={"verify_signature": False})["iss"] == issuer
    admin.call("iam", "DisableOutboundWebIdentityFederation")
    assert refused(admin).startswith("403 OutboundWebIdentityFederationDisabledException")
    assert admin.refused("iam", "DisableOutboundWebIdentityFederation").code == "FeatureDisabled"
    info = admin.call("iam", "GetOutboundWebIdentityFederationInfo")
    assert (info["IssuerIdentifier"], info["JwtVendingEnabled"]) == (issuer, False)
    assert admin.call("iam", "EnableOutboundWebIdentityFederation")["IssuerIdentifier"] == issuer


def test_a_token_expires_with_the_session(lab: Lab) -> None:
    """A token can't outlive its session (SessionDurationEscalationException); user keys have no such limit."""
    worker = lab.user("admin").assume(ROLE, DurationSeconds=900)

    assert read(lab, token(worker, DurationSeconds=900))["sub"] == ROLE
    assert refused(worker, DurationSeconds=901).startswith("403 SessionDurationEscalationException")
    lab.sandbox.clock.advance(700)
    assert refused(worker).startswith("403 SessionDurationEscalationException")
    assert token(lab.user("admin"), DurationSeconds=3600)
    assert "less than or equal to 3600" in refused(lab.user("admin"), DurationSeconds=3601)


@pytest.mark.parametrize(
    ("condition", "good", "bad"),
    [
        (
            '{"ForAllValues:StringEquals": {"sts:IdentityTokenAudience": "https://api.example.com"}}',
            {},
            {"Audience": ["https://api.example.com", "x"]},
        ),
        ('{NumericLessThanEquals: {"sts:DurationSeconds": "120"}}', {"DurationSeconds": 120}, {}),
        ('{StringEquals: {"sts:SigningAlgorithm": ES384}}', {"SigningAlgorithm": "ES384"}, {}),
        ('{StringEquals: {"sts:SubjectMode": AWSIdentity}}', {}, None),
        ('{StringEquals: {"aws:RequestTag/a": b}}', {"Tags": [{"Key": "a", "Value": "b"}]}, {}),
    ],
)
def test_a_policy_can_limit_the_token(
    make_lab: LabFactory, condition: str, good: dict[str, object], bad: dict[str, object] | None
) -> None:
    """Audience, duration, algorithm, subject and tags of the token are condition keys."""
    worker = make_lab(seed(condition)).user("admin").assume(ROLE)

    assert token(worker, **good)
    if bad is not None:
        assert refused(worker, **bad).startswith("403 AccessDenied")


def test_tags_need_a_separate_permission(make_lab: LabFactory) -> None:
    """Requesting tags in a token needs sts:TagGetWebIdentityToken."""
    worker = make_lab(seed(actions='["sts:GetWebIdentityToken"]')).user("admin").assume(ROLE)

    assert token(worker)
    error = refused(worker, Tags=[{"Key": "a", "Value": "b"}])
    assert "not authorized to perform: sts:TagGetWebIdentityToken" in error


def test_a_caller_without_permission_is_refused(lab: Lab) -> None:
    """A federated user's request for a token is denied; the request of a GetSessionToken session is not."""
    federated = lab.user("admin").call("sts", "GetFederationToken", Name="ann")["Credentials"]
    session = lab.user("admin").call("sts", "GetSessionToken")["Credentials"]

    assert refused(Person(lab, Keys.of(federated))).startswith("403 AccessDenied")
    assert token(Person(lab, Keys.of(session)))
    assert refused(lab.user("admin"), SigningAlgorithm="HS256").startswith("400 ValidationError")


def origin(lab: Lab, **keys: str) -> Person:
    """Assume the role with a trusted identity propagation context; return the session as a caller."""
    context = {f"aws:OriginIdentity/{name}": value for name, value in keys.items()}
    assertion = ask(Control(lab.sandbox), "context", "POST", {"context": context})[1]["assertion"]
    provided = [{"ProviderArn": "arn:aws:iam::aws:contextProvider/IdentityCenter", "ContextAssertion": assertion}]
    return lab.user("admin").assume(ROLE, ProvidedContexts=provided)


def test_the_subject_can_be_the_delegating_user(lab: Lab) -> None:
    """With SubjectMode OriginIdentity the token's subject is the session's origin identity."""
    person = origin(lab, Subject="ada", Issuer="https://idp.example.com")
    claims = read(lab, token(person, SubjectMode="OriginIdentity", Scope="read write"))

    assert (claims["sub"], claims["scope"]) == ("ada", "read write")
    assert claims[CLAIMS]["subject_mode"] == "OriginIdentity"
    assert claims[CLAIMS]["principal_id"] == ROLE
    assert read(lab, token(person))["sub"] == ROLE


@pytest.mark.parametrize(
    ("keys", "parameters", "code"),
    [
        ({"Subject": "ada"}, {}, "400 ValidationError"),
        ({"Subject": " ", "Issuer": "i"}, {}, "400 ValidationError"),
        ({"Subject": "aRn:x", "Issuer": "i"}, {}, "403 AccessDenied"),
        ({"Subject": "ada ", "Issuer": "i"}, {}, "403 AccessDenied"),
        ({"Subject": "a\u200bda", "Issuer": "i"}, {}, "403 AccessDenied"),
        ({"Subject": "ada", "Issuer": "i"}, {"Scope": "a a"}, "400 ValidationError"),
        ({"Subject": "ada", "Issuer": "i"}, {"Scope": "a", "Audience": ["x", "y"]}, "400 ValidationError"),
        ({"Subject": "ada", "Issuer": "i"}, {"Scope": "a", "SubjectMode": "AWSIdentity"}, "400 ValidationError"),
        ({"Subject": "ada", "Issuer": "i"}, {"Scope": " a"}, "400 ValidationError"),
    ],
)
def test_invalid_subjects_and_scopes_are_refused(
    lab: Lab, keys: dict[str, str], parameters: dict[str, object], code: str
) -> None:
    """An invalid subject or scope is refused."""
    person = origin(lab, **keys)
    assert refused(person, **{"SubjectMode": "OriginIdentity", **parameters}).startswith(code)


def test_scopes_need_a_separate_permission(make_lab: LabFactory) -> None:
    """Requesting a scope needs sts:SetWebIdentityTokenScope, which sts:IdentityTokenScope can restrict."""
    condition = '{"ForAllValues:StringEquals": {"sts:IdentityTokenScope": [read]}}'
    for actions, scope, expected in (
        ('["sts:GetWebIdentityToken"]', "read", False),
        (ACTIONS, "read", True),
        (ACTIONS, "read write", False),
    ):
        person = origin(make_lab(seed(condition, actions)), Subject="ada", Issuer="i")
        parameters = {"Audience": ["a"], "SigningAlgorithm": "RS256", "SubjectMode": "OriginIdentity", "Scope": scope}
        assert (person.answer("sts", "GetWebIdentityToken", **parameters).status == 200) == expected


def test_too_large_a_payload_is_refused(lab: Lab) -> None:
    """A payload that is too large is refused."""
    tags = [{"Key": f"k{number}", "Value": "x" * 256} for number in range(50)]
    assert refused(lab.user("admin"), Tags=tags).startswith("400 JWTPayloadSizeExceededException")


def test_aws_refuses_its_own_tokens(make_lab: LabFactory) -> None:
    """AssumeRoleWithWebIdentity refuses AWS's own tokens (IAM User Guide), even with a provider for them."""
    lab = make_lab(seed())
    admin = lab.user("admin")
    text = token(admin, Audience=["sts.amazonaws.com"])
    issuer = jwt.decode(text, options={"verify_signature": False})["iss"]
    admin.call(
        "iam", "CreateOpenIDConnectProvider", Url=issuer, ClientIDList=["sts.amazonaws.com"], ThumbprintList=["0" * 40]
    )
    error = admin.refused("sts", "AssumeRoleWithWebIdentity", RoleArn=ROLE, RoleSessionName="s1", WebIdentityToken=text)
    assert error.code == "InvalidIdentityToken"


def test_records_contain_no_token(lab: Lab) -> None:
    """The CloudTrail record has the audience and algorithm, but not the token."""
    text = token(lab.user("admin"))
    (record,) = lab.sandbox.events.records()

    assert record["requestParameters"] == {"audience": [AUDIENCE], "signingAlgorithm": "RS256"}
    assert record["responseElements"] is None
    assert text.split(".")[2] not in str(record)


def test_keys_are_published_for_enabled_accounts(lab: Lab) -> None:
    """The sandbox publishes keys only for accounts with the feature enabled, and only to this machine."""
    control = Control(lab.sandbox)

    assert ask(control, f"outbound/{OTHER}/.well-known/jwks.json")[0] == 404
    assert ask(control, f"outbound/{ACCOUNT}/.well-known/nothing")[0] == 404
    keys = ask(control, f"outbound/{ACCOUNT}/.well-known/jwks.json")[1]["keys"]
    assert [key["kid"] for key in keys] == ["RSA_0", "EC384_0"]
    assert not any({"d", "p", "q"} & set(key) for key in keys)
    assert ask(control, f"outbound/{ACCOUNT}/.well-known/jwks.json", peer="203.0.113.7")[0] == 403

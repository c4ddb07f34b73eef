"""AssumeRoleWithWebIdentity: tokens are verified by signature, and refused with AWS's errors."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from dsops.errors import SeedInvalid
from dsops.request.messages import HttpAnswer, HttpRequest
from dsops.sandbox.control.endpoints import Control
from dsops.sandbox.seed.file import read_seed
from tests.sandboxes import ACCOUNT, HOST, OTHER, PEER, Keys, Lab, Person, RefusedError, parse
from tests.unit.sandbox.conftest import LabFactory

GITHUB = "https://token.actions.githubusercontent.com"
CLUSTER = "https://oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE"
FOREIGN = "https://login.example.com"
PUBLISHED = "https://id.example.com/realm"
DEPLOY = f"arn:aws:iam::{ACCOUNT}:role/ci/Deploy"
POD = f"arn:aws:iam::{ACCOUNT}:role/Pod"
FOREIGN_ROLE = f"arn:aws:iam::{ACCOUNT}:role/Foreign"
SUBJECT = "repo:org/app:ref:refs/heads/main"
SAID_NO = "Not authorized to perform sts:AssumeRoleWithWebIdentity"
NOT_A_JWT = "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)"
NO_KEY = (
    "Couldn't retrieve verification key from your identity provider,  "
    "please reference AssumeRoleWithWebIdentity documentation for requirements"
)
TAGS = "https://aws.amazon.com/tags"
EC_KEY = ec.generate_private_key(ec.SECP256R1())
RSA_KEY = rsa.generate_private_key(65537, 2048)
KEY_SET = {
    "keys": [
        {**ECAlgorithm.to_jwk(EC_KEY.public_key(), as_dict=True), "kid": "curve"},
        {**RSAAlgorithm.to_jwk(RSA_KEY.public_key(), as_dict=True), "kid": "rsa"},
        {**RSAAlgorithm.to_jwk(RSA_KEY.public_key(), as_dict=True), "kid": "not-for-signing", "use": "enc"},
    ]
}

SEED = f"""
accounts:
  "{ACCOUNT}":
    oidc_providers:
    - {{url: "{GITHUB}", client_ids: [sts.amazonaws.com, other], issued_by_sandbox: true}}
    - {{url: "{CLUSTER}", client_ids: [sts.amazonaws.com], issued_by_sandbox: true}}
    - {{url: "{FOREIGN}", client_ids: [sts.amazonaws.com]}}
    - {{url: "{PUBLISHED}", client_ids: [app], jwks: {json.dumps(KEY_SET)}}}
    roles:
      Deploy:
        path: /ci/
        tags: {{team: blue, stage: prod}}
        trust:
          Version: "2012-10-17"
          Statement:
          - Effect: Allow
            Principal: {{Federated: "arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"}}
            Action: ["sts:AssumeRoleWithWebIdentity"]
            Condition:
              StringEquals: {{"token.actions.githubusercontent.com:aud": sts.amazonaws.com}}
              StringLike: {{"token.actions.githubusercontent.com:sub": "repo:org/app:*"}}
        policies:
        - {{Version: "2012-10-17", Statement: {{Effect: Allow, Action: "secretsmanager:GetSecretValue",
           Resource: "*", Condition: {{StringEquals: {{"token.actions.githubusercontent.com:sub": "{SUBJECT}",
           "aws:FederatedProvider": "arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"}}}}}}}}
      Pod:
        trust:
          Version: "2012-10-17"
          Statement:
          - Effect: Allow
            Principal: {{Federated: "arn:aws:iam::{ACCOUNT}:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE"}}
            Action: ["sts:AssumeRoleWithWebIdentity", "sts:TagSession", "sts:SetSourceIdentity"]
      Foreign:
        trust:
          Version: "2012-10-17"
          Statement:
          - Effect: Allow
            Principal: {{Federated: ["arn:aws:iam::{ACCOUNT}:oidc-provider/login.example.com",
              "arn:aws:iam::{ACCOUNT}:oidc-provider/id.example.com/realm"]}}
            Action: "sts:AssumeRoleWithWebIdentity"
    secrets: {{db: invented}}
  "{OTHER}": {{}}
"""


@pytest.fixture
def lab(make_lab: LabFactory) -> Lab:
    """A sandbox whose account trusts four issuers; the sandbox has the private keys of two of them."""
    return make_lab(SEED)


def send(lab: Lab, role_arn: str, token: str, **more: object) -> HttpAnswer:
    """Send an unsigned AssumeRoleWithWebIdentity; return the response."""
    fields = {
        "Action": "AssumeRoleWithWebIdentity",
        "Version": "2011-06-15",
        "RoleArn": role_arn,
        "RoleSessionName": "ci",
        "WebIdentityToken": token,
        **more,
    }
    body = urlencode({name: value for name, value in fields.items() if value is not None}).encode()
    headers = {"host": HOST, "content-type": "application/x-www-form-urlencoded"}
    return lab.sandbox.handle(HttpRequest("POST", "/", "", headers, body, PEER)).answer


def assume(lab: Lab, role_arn: str, token: str, **more: object) -> dict[str, Any]:
    """Send an unsigned AssumeRoleWithWebIdentity; return the parsed response."""
    return parse("sts", "AssumeRoleWithWebIdentity", send(lab, role_arn, token, **more))


def refused(lab: Lab, role_arn: str, token: str, **more: object) -> tuple[str, str, int]:
    """Send AssumeRoleWithWebIdentity, which must fail; return code, message and status of the error."""
    with pytest.raises(RefusedError) as caught:
        assume(lab, role_arn, token, **more)
    return caught.value.code, caught.value.message, caught.value.status


def minted(
    lab: Lab, issuer: str = GITHUB, claims: Mapping[str, object] = {}, *, seconds: int = 300, **more: object
) -> str:
    """Return a token from one of the sandbox's own issuers."""
    spoken = {"sub": SUBJECT, "aud": "sts.amazonaws.com", **more, **claims}
    return lab.sandbox.issuers.mint(issuer, spoken, lab.sandbox.clock.now(), seconds)


def claims_of(lab: Lab, issuer: str, **more: object) -> dict[str, object]:
    """Return valid claims, to be signed as a token of another issuer."""
    now = int(lab.sandbox.clock.now())
    return {"iss": issuer, "sub": "somebody", "aud": "app", "iat": now, "exp": now + 300, **more}


def invalid(message: str) -> tuple[str, str, int]:
    """Return the error (code, message, status) for an invalid token."""
    return "InvalidIdentityToken", message, 400


# --- valid tokens ----------------------------------------------------------------------------------------------


def test_a_valid_token_gives_a_session(lab: Lab) -> None:
    """A valid token gets a response with AWS's fields and a session with the role's permissions."""
    answer = assume(lab, DEPLOY, minted(lab))

    provider = f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"
    assert answer["SubjectFromWebIdentityToken"] == SUBJECT
    assert answer["Audience"] == "sts.amazonaws.com"
    assert answer["Provider"] == provider
    assert "PackedPolicySize" not in answer
    session = lab.with_keys(Keys.of(answer["Credentials"]))
    assert session.arn == answer["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/Deploy/ci"
    assert session.call("secretsmanager", "GetSecretValue", SecretId="db")["SecretString"] == "invented"


def test_the_subject_is_a_condition_key_of_the_session(lab: Lab) -> None:
    """HOST:sub is a condition key of the session's later requests."""
    answer = assume(lab, DEPLOY, minted(lab, sub="repo:org/app:pull_request"))

    session = lab.with_keys(Keys.of(answer["Credentials"]))
    assert session.refused("secretsmanager", "GetSecretValue", SecretId="db").code == "AccessDeniedException"


def test_a_trailing_line_break_is_ignored(lab: Lab) -> None:
    """A line break after the token is ignored; a space inside the token is refused."""
    assert assume(lab, DEPLOY, minted(lab) + "\n")["Audience"] == "sts.amazonaws.com"
    assert refused(lab, DEPLOY, minted(lab).replace(".", ". ", 1))[0] == "InvalidIdentityToken"


def test_tokens_are_verified_with_published_keys(lab: Lab) -> None:
    """Tokens are verified with the keys in the seed, which may be RSA or elliptic curve keys."""
    claims = claims_of(lab, PUBLISHED)

    by_curve = assume(lab, FOREIGN_ROLE, jwt.encode(claims, EC_KEY, "ES256", headers={"kid": "curve"}))
    by_rsa = assume(lab, FOREIGN_ROLE, jwt.encode(claims, RSA_KEY, "RS512", headers={"kid": "rsa"}))

    assert by_curve["SubjectFromWebIdentityToken"] == by_rsa["SubjectFromWebIdentityToken"] == "somebody"


def test_a_provider_created_by_the_api_works(make_lab: LabFactory) -> None:
    """CreateOpenIDConnectProvider and DeleteOpenIDConnectProvider take effect at once."""
    lab = make_lab(SEED)
    admin = lab.user("admin", OTHER)
    provider = f"arn:aws:iam::{OTHER}:oidc-provider/token.actions.githubusercontent.com"
    trust = {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Principal": {"Federated": provider},
            "Action": "sts:AssumeRoleWithWebIdentity",
        },
    }
    admin.call("iam", "CreateRole", RoleName="Ci", AssumeRolePolicyDocument=json.dumps(trust))
    role = f"arn:aws:iam::{OTHER}:role/Ci"

    assert refused(lab, role, minted(lab)) == invalid(f"No OpenIDConnect provider found in your account for {GITHUB}")
    admin.call("iam", "CreateOpenIDConnectProvider", Url=GITHUB, ClientIDList=["sts.amazonaws.com"])
    assert assume(lab, role, minted(lab))["Provider"] == provider
    admin.call("iam", "DeleteOpenIDConnectProvider", OpenIDConnectProviderArn=provider)
    assert refused(lab, role, minted(lab))[0] == "InvalidIdentityToken"


def test_session_tags_and_source_identity_are_from_the_token(lab: Lab) -> None:
    """Tags and source identity come from the token; they need sts:TagSession and sts:SetSourceIdentity."""
    claims = {
        TAGS: {"principal_tags": {"team": ["red"]}, "transitive_tag_keys": ["team"]},
        "https://aws.amazon.com/source_identity": "somebody",
    }

    answer = assume(lab, POD, minted(lab, CLUSTER, claims))

    assert answer["SourceIdentity"] == "somebody"
    assert answer["PackedPolicySize"] > 0
    session = lab.sandbox.sessions.get(answer["Credentials"]["AccessKeyId"])
    assert session is not None
    assert (session.tags, session.transitive_keys) == ((("team", "red"),), ("team",))
    assert refused(lab, DEPLOY, minted(lab, GITHUB, {TAGS: claims[TAGS]}))[:2] == (
        "AccessDenied",
        "Not authorized to perform sts:TagSession",
    )


@pytest.mark.parametrize(
    "claim",
    [
        "text",
        {"principal_tags": {"team": "red"}},
        {"principal_tags": {"team": ["a", "b"]}},
        {"principal_tags": []},
        {"principal_tags": {}, "transitive_tag_keys": [1]},
    ],
)
def test_malformed_tags_are_refused(lab: Lab, claim: object) -> None:
    """A token is refused if the value of a tag in it is not a list with exactly one string."""
    assert refused(lab, POD, minted(lab, CLUSTER, {TAGS: claim}))[0] == "InvalidIdentityToken"


@pytest.mark.parametrize(
    ("claim", "code"),
    [
        (None, "InvalidIdentityToken"),
        ("", "InvalidIdentityToken"),
        (["a"], "InvalidIdentityToken"),
        ("a", "ValidationError"),
        ("aws:root", "ValidationError"),
        ("two words", "ValidationError"),
    ],
)
def test_a_malformed_source_identity_is_refused(lab: Lab, claim: object, code: str) -> None:
    """A malformed source identity in a token is refused."""
    token = minted(lab, CLUSTER, {"https://aws.amazon.com/source_identity": claim})

    assert refused(lab, POD, token)[0] == code


@pytest.mark.parametrize(
    ("tags", "code"),
    [
        ({"aws:x": ["v"]}, "InvalidParameterValue"),
        ({"a": ["v"], "A": ["v"]}, "InvalidParameterValue"),
        ({"k" * 129: ["v"]}, "ValidationError"),
        ({str(i): ["v"] for i in range(51)}, "ValidationError"),
    ],
)
def test_tags_in_a_token_have_the_limits_of_all_tags(lab: Lab, tags: dict[str, list[str]], code: str) -> None:
    """Tags in a token are validated like all session tags."""
    assert refused(lab, POD, minted(lab, CLUSTER, {TAGS: {"principal_tags": tags}}))[0] == code


def test_github_claims_are_condition_keys_of_the_trust_policy(make_lab: LabFactory) -> None:
    """GitHub's claims that AWS lists are condition keys of the trust policy; other claims (run_id) are not."""
    wanted = '{"token.actions.githubusercontent.com:%s": "7"}'
    labs = {
        key: SEED.replace(
            'StringEquals: {"token.actions.githubusercontent.com:aud": sts.amazonaws.com}',
            f"StringEquals: {wanted % key}",
        )
        for key in ("repository_id", "run_id")
    }

    lab = make_lab(labs["repository_id"])
    assert assume(lab, DEPLOY, minted(lab, repository_id="7"))["Audience"] == "sts.amazonaws.com"
    assert refused(lab, DEPLOY, minted(lab, repository_id="8"))[1] == SAID_NO
    lab = make_lab(labs["run_id"])
    assert refused(lab, DEPLOY, minted(lab, run_id="7"))[1] == SAID_NO


def test_a_session_policy_limits_the_session(lab: Lab) -> None:
    """A session policy limits the session, as for AssumeRole."""
    deny = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}'

    answer = assume(lab, DEPLOY, minted(lab), Policy=deny)

    session = lab.with_keys(Keys.of(answer["Credentials"]))
    assert session.refused("secretsmanager", "GetSecretValue", SecretId="db").code == "AccessDeniedException"


def test_the_role_limits_the_session_duration(lab: Lab) -> None:
    """MaxSessionDuration limits the session, which expires by the sandbox's clock."""
    assert refused(lab, DEPLOY, minted(lab), DurationSeconds=3601)[:2] == (
        "ValidationError",
        "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
    )
    session = lab.with_keys(Keys.of(assume(lab, DEPLOY, minted(lab), DurationSeconds=900)["Credentials"]))
    lab.sandbox.clock.advance(899)
    assert session.arn.endswith("/ci")
    lab.sandbox.clock.advance(1)
    assert session.refused("sts", "GetCallerIdentity").code == "ExpiredToken"


# --- invalid tokens --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "token",
    [
        "none",
        "a.b.c",
        "....",
        "e30.e30.",
        "AAAA" * 10,
        "\x00\x00\x00\x00",
        "é" * 8,
        f"{base64.urlsafe_b64encode(b'[' * 9000).decode()}.e30.AA",
        f"eyJhbGciOiJSUzI1NiJ9.{base64.urlsafe_b64encode(b'[' * 9000).decode()}.AA",
    ],
)
def test_an_invalid_token_is_refused(lab: Lab, token: str) -> None:
    """Garbage instead of a token gets AWS's error."""
    code, message, status = refused(lab, DEPLOY, token)

    assert (code, status) == ("InvalidIdentityToken", 400)
    assert message in {NOT_A_JWT, "Missing a required claim: iss"}


def test_a_huge_token_is_refused_by_its_length(lab: Lab) -> None:
    """A token of more than 20,000 characters is refused by the service model's limit."""
    code, message, _ = refused(lab, DEPLOY, "a" * 20_001)

    assert code == "ValidationError"
    assert message.endswith(
        "at 'webIdentityToken' failed to satisfy constraint: Member must have length less than or equal to 20000"
    )


def test_an_unsigned_token_is_refused(lab: Lab) -> None:
    """A token with `alg` none is refused."""
    claims = claims_of(lab, GITHUB, aud="sts.amazonaws.com", sub=SUBJECT)
    key_id = jwt.get_unverified_header(minted(lab))["kid"]

    for headers in ({"kid": key_id}, {}):
        token = jwt.encode(claims, "", "none", headers=headers)
        assert refused(lab, DEPLOY, token) == invalid("Token signature invalid")


def test_a_public_key_is_not_an_hmac_secret(lab: Lab) -> None:
    """An HS256 token keyed with the issuer's public key is refused (algorithm confusion)."""
    head = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"rsa","typ":"JWT"}').rstrip(b"=")
    body = base64.urlsafe_b64encode(json.dumps(claims_of(lab, PUBLISHED)).encode()).rstrip(b"=")
    pem = RSA_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    mark = base64.urlsafe_b64encode(hmac.digest(pem, head + b"." + body, "sha256")).rstrip(b"=")
    token = b".".join((head, body, mark)).decode()

    assert refused(lab, FOREIGN_ROLE, token) == invalid("Token signature invalid")


def test_another_issuers_key_is_refused(lab: Lab) -> None:
    """A token signed with another issuer's key is refused, even if it has the right key id."""
    claims = claims_of(lab, GITHUB, aud="sts.amazonaws.com", sub=SUBJECT)
    key_id = jwt.get_unverified_header(minted(lab))["kid"]

    forged = jwt.encode(claims, RSA_KEY, "RS256", headers={"kid": key_id})

    assert refused(lab, DEPLOY, forged) == invalid("Token signature invalid")


def test_the_key_must_fit_the_algorithm(lab: Lab) -> None:
    """A key must have the type of the token's algorithm and be intended for signatures."""
    claims = claims_of(lab, PUBLISHED)

    for key_id in ("curve", "not-for-signing"):
        token = jwt.encode(claims, RSA_KEY, "RS256", headers={"kid": key_id})
        assert refused(lab, FOREIGN_ROLE, token) == invalid("Token signature invalid")


def test_a_key_inside_the_token_is_ignored(lab: Lab) -> None:
    """A key inside the token's header is ignored."""
    own = {**RSAAlgorithm.to_jwk(RSA_KEY.public_key(), as_dict=True), "kid": "mine"}
    claims = claims_of(lab, GITHUB, aud="sts.amazonaws.com", sub=SUBJECT)

    token = jwt.encode(claims, RSA_KEY, "RS256", headers={"kid": "mine", "jwk": own})

    assert refused(lab, DEPLOY, token) == invalid(NO_KEY)


@pytest.mark.parametrize("header", ["jwk", "jku", "x5u", "x5c"])
def test_headers_that_point_to_keys_are_ignored(lab: Lab, header: str) -> None:
    """Header fields that point to a key are ignored; only the issuer's own key is used."""
    own = {**RSAAlgorithm.to_jwk(RSA_KEY.public_key(), as_dict=True), "kid": "rsa"}
    stranger = rsa.generate_private_key(65537, 2048)
    value: dict[str, object] = {"jwk": own, "jku": "http://127.0.0.1:9/keys", "x5u": "http://127.0.0.1:9/c", "x5c": []}
    headers = {"kid": "rsa", header: value[header]}

    assert refused(lab, FOREIGN_ROLE, jwt.encode(claims_of(lab, PUBLISHED), stranger, "RS256", headers=headers)) == (
        invalid("Token signature invalid")
    )
    good = jwt.encode(claims_of(lab, PUBLISHED), RSA_KEY, "RS256", headers=headers)
    assert assume(lab, FOREIGN_ROLE, good)["Audience"] == "app"


def test_a_key_id_of_another_issuer_is_unknown(lab: Lab) -> None:
    """A key id that belongs to another issuer is unknown."""
    keys: list[tuple[object, str]] = [("rsa", NO_KEY), ("curve", NO_KEY), ("", NO_KEY), (7, NOT_A_JWT)]
    for key_id, message in (*keys, (["rsa"], NOT_A_JWT), ({"rsa": 1}, NOT_A_JWT), (None, NOT_A_JWT)):
        token = signed_as_it_stands({"alg": "RS256", "kid": key_id}, claims_of(lab, GITHUB, aud="sts.amazonaws.com"))

        assert refused(lab, DEPLOY, token) == invalid(message)


@pytest.mark.parametrize(
    "header",
    [{"crit": ["exp"]}, {"crit": ["b64"], "b64": False}, {"crit": []}, {"crit": "x"}, {"b64": False}, {"b64": True}],
)
def test_critical_headers_are_refused(lab: Lab, header: dict[str, object]) -> None:
    """A token with critical headers is refused (RFC 7515, 4.1.11), even if validly signed."""
    token = signed_as_it_stands({"alg": "RS256", "kid": "rsa", **header}, claims_of(lab, PUBLISHED))

    assert refused(lab, FOREIGN_ROLE, token) == invalid(NOT_A_JWT)


@pytest.mark.parametrize("name", ["sub", "aud", "iss", "exp", "alg", "kid"])
def test_repeated_names_are_refused(lab: Lab, name: str) -> None:
    """A token with a duplicate JSON name is refused, because parsers disagree about its value."""
    header, claims = {"alg": "RS256", "kid": "rsa"}, claims_of(lab, PUBLISHED)
    twice = dict(header if name in header else claims)[name]

    def repeated(fields: dict[str, object]) -> str:
        text = json.dumps(fields)
        return f'{{"{name}": {json.dumps(twice)}, {text[1:]}' if name in fields else text

    assert refused(lab, FOREIGN_ROLE, signed_texts(repeated(dict(header)), repeated(claims))) == invalid(NOT_A_JWT)
    assert assume(lab, FOREIGN_ROLE, signed_texts(json.dumps(header), json.dumps(claims)))["Audience"] == "app"


@pytest.mark.parametrize("name", ["exp", "iat", "nbf"])
@pytest.mark.parametrize("moment", [True, "1", [], {}, 10**400], ids=["true", "text", "list", "object", "huge"])
def test_times_must_be_numbers(lab: Lab, name: str, moment: object) -> None:
    """Tokens whose times are not numbers are refused."""
    token = signed_as_it_stands({"alg": "RS256", "kid": "rsa"}, {**claims_of(lab, PUBLISHED), name: moment})

    assert refused(lab, FOREIGN_ROLE, token)[0] in {"InvalidIdentityToken", "ExpiredTokenException"}


@pytest.mark.parametrize("depth", [100, 900, 9000])
def test_deeply_nested_claims_cause_no_failure(lab: Lab, depth: int) -> None:
    """Deeply nested claims never cause an internal failure."""
    claims = json.dumps(claims_of(lab, PUBLISHED))[:-1] + ', "deep": ' + "[" * depth + "]" * depth + "}"
    answer = send(lab, FOREIGN_ROLE, signed_texts('{"alg": "RS256", "kid": "rsa"}', claims))

    assert answer.status == 200 if depth == 100 else answer.status in {200, 400}
    assert b"InternalFailure" not in answer.body


def signed_as_it_stands(header: dict[str, object], claims: dict[str, object]) -> str:
    """Return a token with these headers and claims, signed with the RSA key of the issuer PUBLISHED."""
    return signed_texts(json.dumps(header), json.dumps(claims))


def signed_texts(header: str, claims: str) -> str:
    """Return a token with these JSON texts as header and claims."""
    parts = ".".join(base64.urlsafe_b64encode(text.encode()).decode().rstrip("=") for text in (header, claims))
    mark = RSA_KEY.sign(parts.encode(), PKCS1v15(), SHA256())
    return f"{parts}.{base64.urlsafe_b64encode(mark).decode().rstrip('=')}"


def test_a_changed_token_is_refused(lab: Lab) -> None:
    """A token with changed claims is refused."""
    head, _, mark = minted(lab, sub="repo:evil/app:ref:refs/heads/main").split(".")
    claims = claims_of(lab, GITHUB, aud="sts.amazonaws.com", sub=SUBJECT)
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")

    assert refused(lab, DEPLOY, f"{head}.{body}.{mark}") == invalid("Token signature invalid")


def test_an_issuer_without_keys_is_unreachable(lab: Lab) -> None:
    """If the sandbox has no keys of an issuer, the error is AWS's error for an unreachable issuer."""
    token = jwt.encode(claims_of(lab, FOREIGN), RSA_KEY, "RS256", headers={"kid": "rsa"})

    assert refused(lab, FOREIGN_ROLE, token) == invalid(NO_KEY)


@pytest.mark.parametrize("issuer", ["https://unknown.example.com", f"{GITHUB}/", f"{GITHUB}.evil.example"])
def test_an_unknown_issuer_is_named(lab: Lab, issuer: str) -> None:
    """The error for an unknown issuer names it; the whole issuer URL must match."""
    token = jwt.encode(claims_of(lab, issuer), RSA_KEY, "RS256", headers={"kid": "rsa"})

    assert refused(lab, DEPLOY, token) == invalid(f"No OpenIDConnect provider found in your account for {issuer}")


@pytest.mark.parametrize("issuer", ["http://token.actions.githubusercontent.com", "accounts", "https://[", 7])
def test_an_issuer_is_an_https_url(lab: Lab, issuer: object) -> None:
    """An issuer must be an https URL."""
    token = jwt.encode({**claims_of(lab, GITHUB), "iss": "x"}, RSA_KEY, "RS256")
    head, _, mark = token.split(".")
    body = base64.urlsafe_b64encode(json.dumps({"iss": issuer}).encode()).decode().rstrip("=")

    assert refused(lab, DEPLOY, f"{head}.{body}.{mark}") == invalid("Issuer must be a valid URL")


@pytest.mark.parametrize("audience", ["somebody-else", ["a", "b"], [], 7, {"sts.amazonaws.com": 1}, [["other"]]])
def test_a_token_for_another_audience_is_refused(lab: Lab, audience: object) -> None:
    """A token is refused if its audience is not a client id of the provider."""
    assert refused(lab, DEPLOY, minted(lab, aud=audience)) == invalid("Incorrect token audience")


def test_the_authorized_party_takes_precedence(lab: Lab) -> None:
    """`azp` takes precedence over `aud` as the audience."""
    assert refused(lab, DEPLOY, minted(lab, azp="somebody-else")) == invalid("Incorrect token audience")
    assert assume(lab, DEPLOY, minted(lab, aud="whatever", azp="sts.amazonaws.com"))["Audience"] == "sts.amazonaws.com"


def test_one_matching_audience_is_enough(lab: Lab) -> None:
    """If one of several audiences matches, the token is accepted, and that audience is the condition key's value."""
    assert assume(lab, DEPLOY, minted(lab, aud=["x", "sts.amazonaws.com"]))["Audience"] == "sts.amazonaws.com"
    assert refused(lab, DEPLOY, minted(lab, aud=["x", "other"]))[1] == SAID_NO


def test_a_token_expires_to_the_second(lab: Lab) -> None:
    """A token expires to the second by the sandbox's clock; the message has the expiry and the current time."""
    token = minted(lab)
    expires_at = int(lab.sandbox.clock.now()) + 300
    lab.sandbox.clock.set(expires_at - 1)
    assert assume(lab, DEPLOY, token)["Audience"] == "sts.amazonaws.com"
    lab.sandbox.clock.set(expires_at)

    assert refused(lab, DEPLOY, token) == (
        "ExpiredTokenException",
        f"Token expired: current date/time {expires_at} must be before the expiration date/time{expires_at}",
        400,
    )


@pytest.mark.parametrize("name", ["nbf", "iat"])
def test_a_token_from_the_future_is_refused(lab: Lab, name: str) -> None:
    """A token that is not valid yet is refused until its start time."""
    moment = int(lab.sandbox.clock.now()) + 60
    token = minted(lab, GITHUB, {name: moment})

    assert refused(lab, DEPLOY, token) == invalid("Token is not yet valid")
    lab.sandbox.clock.set(moment)
    assert assume(lab, DEPLOY, token)["Audience"] == "sts.amazonaws.com"


@pytest.mark.parametrize("name", ["aud", "sub", "exp", "iat"])
def test_missing_claims_are_refused(lab: Lab, name: str) -> None:
    """A token without a required claim is refused."""
    claims = claims_of(lab, PUBLISHED)
    del claims[name]
    token = jwt.encode(claims, RSA_KEY, "RS256", headers={"kid": "rsa"})

    assert refused(lab, FOREIGN_ROLE, token) == invalid(f"Missing a required claim: {name}")


@pytest.mark.parametrize("moment", [True, "soon", float("inf"), float("nan"), None, [1]])
def test_the_expiry_must_be_a_number(lab: Lab, moment: object) -> None:
    """An `exp` that is not a number is refused."""
    body = json.dumps({**claims_of(lab, PUBLISHED), "exp": moment}).encode()
    token = jwt.PyJWS().encode(body, RSA_KEY, "RS256", headers={"kid": "rsa"})

    assert refused(lab, FOREIGN_ROLE, token) == invalid(NOT_A_JWT)


# --- roles -----------------------------------------------------------------------------------------------------


def test_a_denial_does_not_reveal_whether_the_role_exists(lab: Lab) -> None:
    """A denying role, a role that trusts another provider, and a missing role give the same error."""
    no_role = f"arn:aws:iam::{ACCOUNT}:role/None"
    denied = ("AccessDenied", SAID_NO, 403)

    assert refused(lab, DEPLOY, minted(lab, sub="repo:evil/app:ref:refs/heads/main")) == denied
    assert refused(lab, POD, minted(lab)) == denied
    assert refused(lab, no_role, minted(lab)) == denied


@pytest.mark.parametrize("arn", ["nothing-valid-in-here", f"arn:aws:iam::{ACCOUNT}:user/alice"])
def test_an_invalid_role_arn_is_refused(lab: Lab, arn: str) -> None:
    """A RoleArn that is not a role's ARN gets the message of the federated operations."""
    assert refused(lab, arn, minted(lab))[:2] == ("ValidationError", "Request ARN is invalid")


def test_parameters_are_checked_before_the_token(lab: Lab) -> None:
    """Parameters are validated before the token, with all errors in one message."""
    code, message, _ = refused(lab, DEPLOY, "x", RoleSessionName=None)

    assert code == "ValidationError"
    assert message.startswith("2 validation errors detected: ")


def test_access_tokens_of_amazon_and_facebook_are_refused(lab: Lab) -> None:
    """Access tokens of Amazon and Facebook are refused, because only the issuers can verify them."""
    assert refused(lab, DEPLOY, "token", ProviderId="www.amazon.com")[0] == "IDPCommunicationError"


def test_assume_role_needs_a_signature(lab: Lab) -> None:
    """An unsigned AssumeRole is refused."""
    fields = {"Action": "AssumeRole", "Version": "2011-06-15", "RoleArn": DEPLOY, "RoleSessionName": "ci"}
    headers = {"host": HOST, "content-type": "application/x-www-form-urlencoded"}
    answer = lab.sandbox.handle(HttpRequest("POST", "/", "", headers, urlencode(fields).encode(), PEER)).answer

    assert answer.status == 403
    assert b"MissingAuthenticationToken" in answer.body


# --- records and decisions -------------------------------------------------------------------------------------


def test_records_have_the_federated_user_but_not_the_token(lab: Lab) -> None:
    """Records in the role's account show the federated user, granted or denied, but no token."""
    good, bad = minted(lab), minted(lab, seconds=-1)
    assume(lab, DEPLOY, good)
    refused(lab, DEPLOY, bad)

    granted, denied = list(lab.sandbox.events.records())
    assert granted["userIdentity"]["type"] == "WebIdentityUser"
    assert granted["userIdentity"]["principalId"] == f"{GITHUB}:sts.amazonaws.com:{SUBJECT}"
    assert granted["userIdentity"]["userName"] == SUBJECT
    assert granted["recipientAccountId"] == denied["recipientAccountId"] == ACCOUNT
    assert denied["errorCode"] == "ExpiredTokenException"
    assert good not in json.dumps(granted)
    assert bad not in json.dumps(denied)


def test_a_decision_shows_the_unmet_condition(lab: Lab) -> None:
    """The decision shows the unmet condition and the token's subject."""
    refused(lab, DEPLOY, minted(lab, sub="repo:evil/app:x"))

    decision = lab.sandbox.judge.decisions[-1].decision
    near = [failure for reason in decision.reasons for one in reason.near for failure in one.failures]
    assert [(failure.key, failure.actual) for failure in near] == [
        ("token.actions.githubusercontent.com:sub", ("repo:evil/app:x",))
    ]


# --- token endpoints -------------------------------------------------------------------------------------------


def ask(control: Control, method: str, path: str, body: object = None, **headers: str) -> tuple[int, dict[str, Any]]:
    """Call a control endpoint; return the status and the parsed JSON."""
    name, _, query = path.partition("?")
    sent = {"host": HOST, **{key.replace("_", "-"): value for key, value in headers.items()}}
    content = b"" if body is None else json.dumps(body).encode()
    answer = control.handle(HttpRequest(method, f"/_sandbox/{name}", query, sent, content, "127.0.0.1"))
    return answer.status, json.loads(answer.body)


def test_a_token_is_issued_on_request(lab: Lab) -> None:
    """The token endpoint issues a token with the requested claims, which STS accepts."""
    parameters = {"iss": GITHUB, "sub": SUBJECT, "aud": "sts.amazonaws.com", "claims": {"actor": "me"}}

    status, said = ask(Control(lab.sandbox), "POST", "token", parameters)

    assert status == 200
    assert jwt.decode(said["token"], options={"verify_signature": False})["actor"] == "me"
    assert assume(lab, DEPLOY, said["token"])["SubjectFromWebIdentityToken"] == SUBJECT


@pytest.mark.parametrize("claims", [{"iss": None}, {"exp": "soon"}, {"sub": [1]}, {"aud": {}}])
def test_a_token_with_invalid_claims_is_issued_and_refused(lab: Lab, claims: dict[str, object]) -> None:
    """The endpoint also issues tokens with invalid claims, for tests of refusals."""
    parameters = {"iss": GITHUB, "sub": SUBJECT, "aud": "sts.amazonaws.com", "claims": claims}

    status, said = ask(Control(lab.sandbox), "POST", "token", parameters)

    assert status == 200
    assert refused(lab, DEPLOY, said["token"])[0] == "InvalidIdentityToken"


@pytest.mark.parametrize(
    ("wish", "status"),
    [
        ({"iss": FOREIGN, "sub": "s", "aud": "a"}, 404),
        ({"sub": "s", "aud": "a"}, 404),
        ({"iss": GITHUB}, 400),
        ([], 400),
        ({"iss": GITHUB, "sub": "s", "aud": "a", "claims": 7}, 400),
        ({"iss": GITHUB, "sub": "s", "aud": "a", "expires_seconds": 10**12}, 400),
    ],
)
def test_invalid_requests_are_refused(lab: Lab, wish: object, status: int) -> None:
    """Invalid requests, unknown issuers and ambiguous issuers are refused by the token endpoint."""
    answered, said = ask(Control(lab.sandbox), "POST", "token", wish)

    assert (answered, list(said)) == (status, ["error"])


def test_a_web_page_gets_no_token(lab: Lab) -> None:
    """Web pages can't call the token endpoints."""
    control = Control(lab.sandbox)
    parameters = {"iss": GITHUB, "sub": SUBJECT, "aud": "sts.amazonaws.com"}

    assert ask(control, "POST", "token", parameters, origin="https://evil.example")[0] == 403
    assert ask(control, "GET", "github", origin="https://evil.example")[0] == 403


def test_a_github_actions_job_gets_its_token(lab: Lab) -> None:
    """The GitHub endpoint exchanges a job's bearer token for an OIDC token; the default audience is AWS's."""
    control = Control(lab.sandbox)
    bearer = f"Bearer {control.tokens.github_token}"

    status, said = ask(control, "GET", "github?api-version=2.0&repository=org/app", authorization=bearer)
    _, other = ask(control, "GET", "github?repository=org/app&environment=prod&audience=other", authorization=bearer)

    assert status == 200
    assert assume(lab, DEPLOY, said["value"])["SubjectFromWebIdentityToken"] == SUBJECT
    claims = jwt.decode(other["value"], options={"verify_signature": False})
    assert (claims["sub"], claims["aud"]) == ("repo:org/app:environment:prod", "other")


@pytest.mark.parametrize("given", ["", "Bearer", "Bearer wrong", "Basic {token}", "{token}"])
def test_a_job_without_bearer_token_is_refused(lab: Lab, given: str) -> None:
    """Without the job's bearer token the GitHub endpoint answers 401."""
    control = Control(lab.sandbox)

    status, _ = ask(control, "GET", "github", authorization=given.format(token=control.tokens.github_token))

    assert status == 401


def test_without_github_provider_there_is_no_token(make_lab: LabFactory) -> None:
    """If the seed has no GitHub provider, the endpoint's error says that the provider is missing."""
    control = Control(make_lab(f'accounts: {{"{ACCOUNT}": {{}}}}').sandbox)

    status, said = ask(control, "GET", "github", authorization=f"bearer {control.tokens.github_token}")

    assert status == 404
    assert "issued_by_sandbox" in said["message"]


# --- seed ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("providers", "message"),
    [
        ("{}", "this must be a list"),
        ("[{client_ids: [a]}]", "`url` is missing: tokens name their issuer by it"),
        (
            '[{url: "http://x.example", client_ids: [a]}]',
            "`url` must be like https://token.actions.githubusercontent.com",
        ),
        (
            '[{url: "https://x.example:8443", client_ids: [a]}]',
            "`url` must be like https://token.actions.githubusercontent.com",
        ),
        ('[{url: "https://x.example"}]', "`client_ids` must name 1 to 100 audiences"),
        (
            '[{url: "https://x.example", client_ids: [a], issued_by_sandbox: maybe}]',
            "`issued_by_sandbox` must be true or false",
        ),
        (
            '[{url: "https://x.example", client_ids: [a], jwks: {keys: []}}]',
            'this must be a JSON Web Key Set: {"keys": [{"kid": ..., "kty": ...}]}',
        ),
        (
            '[{url: "https://x.example", client_ids: [a], jwks: {keys: [{kid: a, kty: RSA, d: x}]}}]',
            "`jwks` contains a private key",
        ),
        (
            '[{url: "https://x.example", client_ids: [a]}, {url: "https://x.example", client_ids: [a]}]',
            "`https://x.example` is in this account already",
        ),
    ],
)
def test_an_invalid_provider_is_a_seed_problem(providers: str, message: str) -> None:
    """An invalid OIDC provider in a seed is reported with its reason."""
    with pytest.raises(SeedInvalid) as caught:
        read_seed(f'accounts: {{"{ACCOUNT}": {{oidc_providers: {providers}}}}}', "seed.yaml")

    assert [problem.message for problem in caught.value.problems] == [message]


def test_signed_requests_are_accepted(lab: Lab) -> None:
    """AssumeRoleWithWebIdentity ignores a signature on the request, whether or not it is valid."""
    person = Person(lab, Keys(access_key_id="AKIANOTKNOWN12345678", secret_access_key="x"))

    answer = person.call(
        "sts", "AssumeRoleWithWebIdentity", RoleArn=DEPLOY, RoleSessionName="ci", WebIdentityToken=minted(lab)
    )

    assert answer["Provider"].endswith("token.actions.githubusercontent.com")

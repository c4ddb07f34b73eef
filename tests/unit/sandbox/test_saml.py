"""AssumeRoleWithSAML: what an identity provider signed opens what the trust policy says, and nothing else does."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any
from urllib.parse import urlencode

import pytest

from dsops.policy.saml_attributes import KEYS
from dsops.sandbox.control.endpoints import Control
from dsops.sandbox.http.messages import HttpAnswer, HttpRequest
from tests.identity_provider import ATTRIBUTES, CONDITIONS, CONFIRMATION, SIGN_IN, IdentityProvider, encoded, written
from tests.sandboxes import ACCOUNT, HOST, OTHER, PEER, Keys, Lab, RefusedError, parse
from tests.unit.sandbox.conftest import LabFactory

CORP = IdentityProvider()
PROVIDER = f"arn:aws:iam::{ACCOUNT}:saml-provider/Corp"
SANDBOXED = f"arn:aws:iam::{ACCOUNT}:saml-provider/Sandboxed"
DEPLOY = f"arn:aws:iam::{ACCOUNT}:role/team/Deploy"
TAGGED = f"arn:aws:iam::{ACCOUNT}:role/Tagged"
SAID_NO = ("AccessDenied", "Not authorized to perform sts:AssumeRoleWithSAML", 403)
BEARER = "urn:oasis:names:tc:SAML:2.0:cm:bearer"

SEED = f"""
accounts:
  "{ACCOUNT}":
    saml_providers:
    - {{name: Corp, metadata: '{CORP.metadata()}'}}
    - {{name: Sandboxed, issued_by_sandbox: true}}
    roles:
      Deploy:
        path: /team/
        max_session_duration: 7200
        trust:
          Version: "2012-10-17"
          Statement:
          - Effect: Allow
            Principal: {{Federated: ["{PROVIDER}", "{SANDBOXED}"]}}
            Action: sts:AssumeRoleWithSAML
            Condition: {{StringEquals: {{"SAML:aud": "{SIGN_IN}"}}}}
        policies:
        - {{Version: "2012-10-17", Statement: {{Effect: Allow, Action: "secretsmanager:GetSecretValue",
           Resource: "*", Condition: {{StringEquals: {{"saml:sub": alice, "saml:sub_type": persistent,
           "aws:FederatedProvider": "{PROVIDER}"}}}}}}}}
      Tagged:
        trust:
          Version: "2012-10-17"
          Statement:
          - Effect: Allow
            Principal: {{Federated: "{PROVIDER}"}}
            Action: ["sts:AssumeRoleWithSAML", "sts:TagSession", "sts:SetSourceIdentity"]
      AWSReservedSSO_Admin_0123456789abcdef:
        trust:
          Version: "2012-10-17"
          Statement: {{Effect: Allow, Principal: {{Federated: "{PROVIDER}"}}, Action: "sts:AssumeRoleWithSAML"}}
    secrets: {{db: invented}}
  "{OTHER}":
    saml_providers: [{{name: Corp, metadata: '{CORP.metadata()}'}}]
"""


@pytest.fixture
def lab(make_lab: LabFactory) -> Lab:
    """An account that believes a company's identity provider and the sandbox's own."""
    return make_lab(SEED)


def asked(role: str = DEPLOY, provider: str = PROVIDER, **more: Any) -> dict[str, list[str]]:
    """The attributes of somebody who wants that role."""
    said = {"Role": [f"{role},{provider}"], "RoleSessionName": ["alice"], **more}
    return {f"{ATTRIBUTES}{name}": values for name, values in said.items()}


def signed(lab: Lab, attributes: dict[str, list[str]] | None = None, **more: Any) -> str:
    """A response of the company's provider whose assertion is signed; `more` is for IdentityProvider.assertion."""
    now = lab.sandbox.clock.now()
    assertion = CORP.assertion(now, asked() if attributes is None else attributes, **more)
    return encoded(CORP.response(now, CORP.sign(assertion)))


def send(lab: Lab, assertion: str, role: str = DEPLOY, provider: str = PROVIDER, **more: object) -> HttpAnswer:
    """The answer to an unsigned request."""
    fields = {
        "Action": "AssumeRoleWithSAML",
        "Version": "2011-06-15",
        "RoleArn": role,
        "PrincipalArn": provider,
        "SAMLAssertion": assertion,
        **more,
    }
    headers = {"host": HOST, "content-type": "application/x-www-form-urlencoded"}
    return lab.sandbox.handle(HttpRequest("POST", "/", "", headers, urlencode(fields).encode(), PEER)).answer


def assume(lab: Lab, assertion: str, role: str = DEPLOY, provider: str = PROVIDER, **more: Any) -> dict[str, Any]:
    """The parsed answer."""
    return parse("sts", "AssumeRoleWithSAML", send(lab, assertion, role, provider, **more))


def refused(
    lab: Lab, assertion: str, role: str = DEPLOY, provider: str = PROVIDER, **more: object
) -> tuple[str, str, int]:
    """Code, message and status of the error."""
    with pytest.raises(RefusedError) as caught:
        assume(lab, assertion, role, provider, **more)
    return caught.value.code, caught.value.message, caught.value.status


def ask(control: Control, wish: object, method: str = "POST", **headers: str) -> tuple[int, dict[str, Any]]:
    """Status and content that the endpoint answers with."""
    content = b"" if wish is None else json.dumps(wish).encode()
    sent = {"host": HOST, **headers}
    answer = control.handle(HttpRequest(method, "/_sandbox/saml", "", sent, content, "127.0.0.1"))
    return answer.status, json.loads(answer.body)


def invalid(message: str) -> tuple[str, str, int]:
    """What a bad assertion is answered with."""
    return "InvalidIdentityToken", message, 400


# --- good assertions -------------------------------------------------------------------------------------------


def test_an_assertion_that_the_trust_policy_wants_gives_a_session(lab: Lab) -> None:
    """The answer has AWS's fields, and the session is the role's; its secret can be read by the assertion's subject."""
    answer = assume(lab, signed(lab))

    text = f"{CORP.entity_id}{ACCOUNT}/Corp"
    qualifier = base64.b64encode(hashlib.sha1(text.encode(), usedforsecurity=False).digest()).decode()
    assert {key: answer[key] for key in ("Issuer", "Subject", "SubjectType", "Audience", "NameQualifier")} == {
        "Issuer": CORP.entity_id,
        "Subject": "alice",
        "SubjectType": "persistent",
        "Audience": SIGN_IN,
        "NameQualifier": qualifier,
    }
    assert "PackedPolicySize" not in answer
    session = lab.with_keys(Keys.of(answer["Credentials"]))
    assert session.arn == answer["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/Deploy/alice"
    assert session.call("secretsmanager", "GetSecretValue", SecretId="db")["SecretString"] == "invented"


def test_the_subject_stays_with_the_session(lab: Lab) -> None:
    """`saml:sub` is a condition key of later requests too: another subject's session may not read the secret."""
    answer = assume(lab, signed(lab, subject="bob"))

    session = lab.with_keys(Keys.of(answer["Credentials"]))
    assert session.refused("secretsmanager", "GetSecretValue", SecretId="db").code == "AccessDeniedException"


@pytest.mark.parametrize("what", ["response", "both"])
def test_the_response_may_be_signed_too(lab: Lab, what: str) -> None:
    """Instead of its assertion, or besides."""
    now = lab.sandbox.clock.now()
    assertion = CORP.assertion(now, asked())
    response = CORP.sign(CORP.response(now, CORP.sign(assertion) if what == "both" else assertion))

    assert assume(lab, encoded(response))["Subject"] == "alice"


def test_any_signing_certificate_of_the_metadata_will_do(make_lab: LabFactory) -> None:
    """A provider that changes its key shows the new one beside the old one for a while."""
    other = IdentityProvider(days=3000)
    lab = make_lab(SEED.replace(CORP.metadata(), CORP.metadata(other.certificate)))

    assert assume(lab, signed(lab))["Subject"] == "alice"


def test_a_response_may_be_used_again(lab: Lab) -> None:
    """Within its five minutes, for as many roles as it names: that is how tools log in to many accounts."""
    attributes = asked()
    attributes[f"{ATTRIBUTES}Role"].append(f"{PROVIDER},{TAGGED}")
    response = signed(lab, attributes)

    assert assume(lab, response)["Subject"] == "alice"
    assert assume(lab, response)["Subject"] == "alice"
    assert assume(lab, response, TAGGED)["Subject"] == "alice"


def test_base64_may_be_wrapped(lab: Lab) -> None:
    """As `base64` writes it into a file."""
    response = signed(lab)

    assert assume(lab, "\n".join(response[at : at + 76] for at in range(0, len(response), 76)))["Subject"] == "alice"


def test_tags_and_source_identity_come_out_of_the_assertion(lab: Lab) -> None:
    """They need sts:TagSession and sts:SetSourceIdentity of the trust policy; one that grants neither refuses."""
    more: dict[str, Any] = {"PrincipalTag:team": ["red"], "TransitiveTagKeys": ["team"], "SourceIdentity": ["me@x.org"]}

    answer = assume(lab, signed(lab, asked(TAGGED, **more)), TAGGED)

    assert answer["SourceIdentity"] == "me@x.org"
    assert answer["PackedPolicySize"] > 0
    session = lab.sandbox.sessions.get(answer["Credentials"]["AccessKeyId"])
    assert session is not None
    assert (session.tags, session.transitive_keys) == ((("team", "red"),), ("team",))
    only_a_tag: dict[str, Any] = {"PrincipalTag:team": ["red"]}
    assert refused(lab, signed(lab, asked(**only_a_tag))) == SAID_NO
    assert refused(lab, signed(lab, asked(SourceIdentity=["alice"]))) == SAID_NO


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"PrincipalTag:aws:x": ["v"]}, "InvalidParameterValue"),
        ({"PrincipalTag:a": ["v"], "PrincipalTag:A": ["v"]}, "InvalidParameterValue"),
        ({"PrincipalTag:a": ["v", "w"]}, "InvalidIdentityToken"),
        ({"PrincipalTag:" + "k" * 129: ["v"]}, "ValidationError"),
        ({f"PrincipalTag:{i}": ["v"] for i in range(51)}, "ValidationError"),
        ({"TransitiveTagKeys": ["a"]}, "InvalidParameterValue"),
    ],
)
def test_tags_in_an_assertion_have_the_limits_of_all_tags(lab: Lab, more: dict[str, Any], expected: str) -> None:
    """Reserved and repeated keys, several values, their lengths and their number, transitive ones that aren't there."""
    assert refused(lab, signed(lab, asked(TAGGED, **more)), TAGGED)[0] == expected


@pytest.mark.parametrize("identity", ["a", "aws:root", "two words", "x" * 257])
def test_a_source_identity_of_another_form_is_refused(lab: Lab, identity: str) -> None:
    """In the guide's words."""
    assert refused(lab, signed(lab, asked(TAGGED, SourceIdentity=[identity])), TAGGED) == invalid(
        'Source Identity must match [a-zA-Z_0-9+=,.@-]{2,64} and not begin with "aws:"'
    )


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (None, "RoleSessionName is required in AuthnResponse"),
        (["John Doe"], "RoleSessionName in AuthnResponse must match [a-zA-Z_0-9+=,.@-]{2,64}"),
        (["x"], "RoleSessionName in AuthnResponse must match [a-zA-Z_0-9+=,.@-]{2,64}"),
        (["x" * 65], "RoleSessionName in AuthnResponse must match [a-zA-Z_0-9+=,.@-]{2,64}"),
        (["alice", "bob"], "RoleSessionName in AuthnResponse must have one value"),
    ],
)
def test_the_session_is_named_by_the_assertion(lab: Lab, names: list[str] | None, message: str) -> None:
    """By exactly one name of AWS's form."""
    attributes = asked()
    del attributes[f"{ATTRIBUTES}RoleSessionName"]
    if names is not None:
        attributes[f"{ATTRIBUTES}RoleSessionName"] = names

    assert refused(lab, signed(lab, attributes)) == invalid(message)


@pytest.mark.parametrize(
    "values",
    [
        [],
        [DEPLOY],
        [PROVIDER],
        [f"{DEPLOY}-2,{PROVIDER}"],
        [f"{DEPLOY},{PROVIDER}-2"],
        [f"{DEPLOY},{DEPLOY}"],
        [f"{DEPLOY},{PROVIDER},{TAGGED}"],
        [f"{TAGGED},{PROVIDER}"],
    ],
)
def test_the_assertion_must_name_the_role_and_the_provider(lab: Lab, values: list[str]) -> None:
    """As one pair; another role's does not help."""
    attributes = {**asked(), f"{ATTRIBUTES}Role": values}

    assert refused(lab, signed(lab, attributes)) == invalid(
        "SAML Assertion doesn't contain the requested Role and Metadata in the attributes"
    )


@pytest.mark.parametrize("value", [f"{DEPLOY},{PROVIDER}", f"{PROVIDER},{DEPLOY}", f" {DEPLOY} ,\n {PROVIDER} "])
def test_role_and_provider_stand_in_either_order(lab: Lab, value: str) -> None:
    """With white space between them or without."""
    assert assume(lab, signed(lab, {**asked(), f"{ATTRIBUTES}Role": [value]}))["Subject"] == "alice"


# --- durations -------------------------------------------------------------------------------------------------


def lifetime(lab: Lab, answer: dict[str, Any]) -> int:
    """Of the session, in seconds."""
    session = lab.sandbox.sessions.get(answer["Credentials"]["AccessKeyId"])
    assert session is not None
    return int(session.expires_at - session.issued_at)


@pytest.mark.parametrize(
    ("asked_seconds", "duration", "session_end", "expected"),
    [
        (None, None, None, 3600),
        (7200, None, None, 7200),
        (7200, "1800", None, 1800),
        (900, "1800", None, 900),
        (7200, "1800", 1000, 1000),
        (None, "43200", None, 3600),
        (7200, None, 60, 60),
    ],
)
def test_the_shortest_of_the_durations_counts(
    lab: Lab, asked_seconds: int | None, duration: str | None, session_end: int | None, expected: int
) -> None:
    """Of what was asked for, SessionDuration and SessionNotOnOrAfter; a provider never makes a session longer."""
    lab.sandbox.clock.freeze(is_frozen=True)
    statements = ""
    if session_end is not None:
        end = written(int(lab.sandbox.clock.now()) + session_end)
        statements = f'<saml:AuthnStatement AuthnInstant="{{now}}" SessionNotOnOrAfter="{end}"/>'
    lab.sandbox.clock.set(int(lab.sandbox.clock.now()))
    more: dict[str, Any] = {} if asked_seconds is None else {"DurationSeconds": asked_seconds}
    attributes = asked() if duration is None else asked(SessionDuration=[duration])

    assert lifetime(lab, assume(lab, signed(lab, attributes, statements=statements), **more)) == expected


def test_more_than_the_role_allows_is_refused(lab: Lab) -> None:
    """MaxSessionDuration, as for the other operations."""
    assert refused(lab, signed(lab), DurationSeconds=7201) == (
        "ValidationError",
        "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        400,
    )


@pytest.mark.parametrize("duration", ["899", "43201", "1h", "", "-1", "9" * 50])
def test_a_session_duration_is_between_15_minutes_and_12_hours(lab: Lab, duration: str) -> None:
    """In seconds."""
    assert refused(lab, signed(lab, asked(SessionDuration=[duration])))[0] == "InvalidIdentityToken"


# --- for whom and when -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("recipient", "is_taken"),
    [
        (SIGN_IN, True),
        ("https://eu-west-1.signin.aws.amazon.com/saml", True),
        ("https://us-gov-west-1.signin.amazonaws-us-gov.com/saml", False),
        ("https://signin.amazonaws.cn/saml", False),
        ("https://signin.aws.amazon.com/saml/", False),
        ("http://signin.aws.amazon.com/saml", False),
        ("https://signin.aws.amazon.com.evil.example/saml", False),
        ("https://evil.signin.aws.amazon.com/saml", False),
        ("https://signin.aws.amazon.com/saml\n", False),
        ("https://app.example.com/saml", False),
    ],
)
def test_the_recipient_is_aws(make_lab: LabFactory, recipient: str, *, is_taken: bool) -> None:
    """Its sign-in, in a region or not; an assertion for another service opens nothing."""
    lab = make_lab(SEED.replace(f'"SAML:aud": "{SIGN_IN}"', f'"SAML:aud": {json.dumps(recipient.strip())}'))
    data = f'NotOnOrAfter="{{until}}" Recipient="{recipient}"'.replace("\n", "&#10;")
    confirmation = f'<saml:SubjectConfirmation Method="{BEARER}"><saml:SubjectConfirmationData {data}/>'

    response = signed(lab, confirmation=f"{confirmation}</saml:SubjectConfirmation>")

    if is_taken:
        assert assume(lab, response)["Audience"] == recipient
    else:
        assert refused(lab, response) == invalid("The Recipient of the response is not AWS")


@pytest.mark.parametrize(
    ("partition", "place", "audience"),
    [
        ("aws-cn", "signin.amazonaws.cn", "urn:amazon:webservices:cn-north-1"),
        ("aws-us-gov", "signin.amazonaws-us-gov.com", "urn:amazon:webservices:govcloud"),
    ],
)
def test_each_partition_has_a_sign_in_of_its_own(
    make_lab: LabFactory, partition: str, place: str, audience: str
) -> None:
    """China's and GovCloud's; an assertion for one partition opens nothing in another."""
    role, provider = (arn.replace("arn:aws:", f"arn:{partition}:") for arn in (DEPLOY, PROVIDER))
    seed = SEED.replace("arn:aws:", f"arn:{partition}:").replace(SIGN_IN, f"https://{place}/saml")
    seed = seed.replace("    secrets: {db: invented}\n", "")
    lab = make_lab(seed.replace("    saml_providers:", f"    partition: {partition}\n    saml_providers:", 2))
    confirmation = CONFIRMATION.replace(SIGN_IN, f"https://{place}/saml")
    conditions = CONDITIONS.replace("urn:amazon:webservices", audience)
    now = lab.sandbox.clock.now()

    cases: tuple[tuple[dict[str, Any], str], ...] = (
        ({"confirmation": confirmation, "conditions": conditions}, ""),
        ({"confirmation": confirmation}, ""),
        ({"conditions": conditions}, "The Recipient of the response is not AWS"),
        (
            {"confirmation": confirmation, "conditions": CONDITIONS.replace("urn:amazon:webservices", SIGN_IN)},
            "Response does not contain the required audience",
        ),
    )
    for more, told in cases:
        assertion = CORP.sign(CORP.assertion(now, asked(role, provider), **more))
        response = encoded(CORP.response(now, assertion, destination=f"https://{place}/saml"))

        if told:
            assert refused(lab, response, role, provider) == invalid(told)
        else:
            assert assume(lab, response, role, provider)["Audience"] == f"https://{place}/saml"
    _, said = ask(Control(lab.sandbox), {"role": role, "provider": "Sandboxed"})
    assert assume(lab, said["assertion"], role, said["provider"])["Subject"] == "user"


@pytest.mark.parametrize(
    "confirmation",
    [
        "",
        CONFIRMATION + CONFIRMATION,
        CONFIRMATION.replace("bearer", "holder-of-key"),
        CONFIRMATION.replace(' NotOnOrAfter="{until}"', ""),
        CONFIRMATION.replace(f' Recipient="{SIGN_IN}"', ""),
        f'<saml:SubjectConfirmation Method="{BEARER}"/>',
    ],
)
def test_there_is_one_confirmation_by_whoever_bears_it(lab: Lab, confirmation: str) -> None:
    """With recipient and end; AWS's words, its slip of the pen included."""
    assert refused(lab, signed(lab, confirmation=confirmation)) == invalid(
        "Responses must contain SubjectConfirmatonData with a Recipient and NotOnOrAfter"
    )


@pytest.mark.parametrize(
    ("audiences", "is_taken"),
    [
        (["urn:amazon:webservices"], True),
        ([SIGN_IN], True),
        (["x", SIGN_IN], True),
        ([], False),
        (["x"], False),
        (["urn:amazon:webservices:evil"], False),
    ],
)
def test_aws_is_among_the_audiences(lab: Lab, audiences: list[str], *, is_taken: bool) -> None:
    """By either of its names."""
    listed = "".join(f"<saml:Audience>{name}</saml:Audience>" for name in audiences)
    own = "<saml:Audience>urn:amazon:webservices</saml:Audience>"
    response = signed(lab, conditions=CONDITIONS.replace(own, listed))

    if is_taken:
        assert assume(lab, response)["Subject"] == "alice"
    else:
        assert refused(lab, response) == invalid("Response does not contain the required audience")


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ("", "Response does not contain the required audience"),
        ('<saml:Conditions NotOnOrAfter="{until}"/>', "Response does not contain the required audience"),
        (
            CONDITIONS.replace(
                "</saml:Conditions>",
                "<saml:AudienceRestriction><saml:Audience>x</saml:Audience>"
                "</saml:AudienceRestriction></saml:Conditions>",
            ),
            "Response does not contain the required audience",
        ),
        (
            CONDITIONS.replace("</saml:Conditions>", "<saml:Condition/></saml:Conditions>"),
            "The response has a condition that is not known",
        ),
    ],
)
def test_every_condition_has_to_hold(lab: Lab, conditions: str, message: str) -> None:
    """None is passed over, one that nobody knows neither."""
    assert refused(lab, signed(lab, conditions=conditions)) == invalid(message)


def test_a_response_is_redeemed_within_five_minutes(lab: Lab) -> None:
    """By the sandbox's clock, however long it says it is good."""
    lab.sandbox.clock.freeze(is_frozen=True)
    lab.sandbox.clock.set(int(lab.sandbox.clock.now()))
    response = signed(lab, seconds=3600)
    lab.sandbox.clock.advance(300)
    assert assume(lab, response)["Subject"] == "alice"
    lab.sandbox.clock.advance(1)

    assert refused(lab, response) == (
        "ExpiredTokenException",
        "Token must be redeemed within 5 minutes of issuance",
        400,
    )


def test_a_response_ends_when_it_says(lab: Lab) -> None:
    """To the second."""
    lab.sandbox.clock.freeze(is_frozen=True)
    lab.sandbox.clock.set(int(lab.sandbox.clock.now()))
    response = signed(lab, seconds=60)
    lab.sandbox.clock.advance(59)
    assert assume(lab, response)["Subject"] == "alice"
    lab.sandbox.clock.advance(1)

    assert refused(lab, response) == ("ExpiredTokenException", "The assertion is expired", 400)


def test_a_response_of_the_future_is_refused(lab: Lab) -> None:
    """Until its moment has come."""
    response = signed(lab)
    lab.sandbox.clock.set(lab.sandbox.clock.now() - 60)

    assert refused(lab, response) == invalid("The assertion is not yet valid")


@pytest.mark.parametrize("where", ["IssueInstant", "NotBefore of Conditions", "NotBefore of SubjectConfirmationData"])
def test_each_beginning_counts(lab: Lab, where: str) -> None:
    """Of the assertion, its conditions and its confirmation: the last of them."""
    now = lab.sandbox.clock.now()
    later = f'NotBefore="{written(now + 60)}"'
    conditions = CONDITIONS.replace('NotBefore="{now}"', later if "Conditions" in where else "")
    confirmation = CONFIRMATION
    if "Confirmation" in where:
        confirmation = CONFIRMATION.replace("NotOnOrAfter", f"{later} NotOnOrAfter")
    assertion = CORP.assertion(now, asked(), conditions=conditions, confirmation=confirmation)
    if where == "IssueInstant":
        assertion.set("IssueInstant", written(now + 60))

    response = encoded(CORP.response(now, CORP.sign(assertion)))

    assert refused(lab, response) == invalid("The assertion is not yet valid")
    lab.sandbox.clock.advance(61)
    assert assume(lab, response)["Subject"] == "alice"


def test_an_assertion_says_when_it_was_issued(lab: Lab) -> None:
    """Without that its age could be any."""
    now = lab.sandbox.clock.now()
    assertion = CORP.assertion(now, asked())
    del assertion.attrib["IssueInstant"]

    response = encoded(CORP.response(now, CORP.sign(assertion)))

    assert refused(lab, response) == invalid("The assertion has no IssueInstant")


@pytest.mark.parametrize("what", ["assertion", "response"])
def test_the_destination_is_aws_where_there_is_one(lab: Lab, what: str) -> None:
    """Signed or not: a response that was sent elsewhere is not for AWS."""
    now = lab.sandbox.clock.now()
    for destination, is_taken in ((SIGN_IN, True), ("", True), ("https://app.example.com/saml", False)):
        assertion = CORP.assertion(now, asked())
        inner = CORP.sign(assertion) if what == "assertion" else assertion
        response = CORP.response(now, inner, destination=destination)
        document = encoded(response if what == "assertion" else CORP.sign(response))

        if is_taken:
            assert assume(lab, document)["Subject"] == "alice"
        else:
            assert refused(lab, document) == invalid("The Destination of the response is not AWS")


def test_a_session_of_the_provider_that_is_over_is_no_session(lab: Lab) -> None:
    """SessionNotOnOrAfter in the past."""
    end = written(lab.sandbox.clock.now() - 1)
    statements = f'<saml:AuthnStatement AuthnInstant="{{now}}" SessionNotOnOrAfter="{end}"/>'

    assert refused(lab, signed(lab, statements=statements))[0] == "ExpiredTokenException"


@pytest.mark.parametrize(
    "moment", ["", "tomorrow", "2026-13-01T00:00:00Z", "2999-01-01T00:00:00", "2999-01-01", "9999-12-31T23:59:59-23:59"]
)
def test_a_moment_is_a_moment(lab: Lab, moment: str) -> None:
    """Whatever else stands in its place makes no assertion last."""
    conditions = CONDITIONS.replace('NotOnOrAfter="{until}"', f'NotOnOrAfter="{moment}"')

    assert refused(lab, signed(lab, conditions=conditions)) == invalid("NotOnOrAfter in the response is not a time")


# --- the role and its trust policy -----------------------------------------------------------------------------


def test_a_refusal_does_not_tell_whether_the_role_exists(lab: Lab) -> None:
    """One that trusts another provider, and none at all: the same words."""
    no_role = f"arn:aws:iam::{ACCOUNT}:role/None"

    assert refused(lab, signed(lab, asked(no_role)), no_role) == SAID_NO
    _, said = ask(Control(lab.sandbox), {"role": TAGGED, "provider": "Sandboxed"})
    assert refused(lab, said["assertion"], TAGGED, SANDBOXED) == SAID_NO


def test_without_a_name_nobody_is_let_in(lab: Lab) -> None:
    """AWS answers as for a trust policy that refuses."""
    assert refused(lab, signed(lab, name_id="")) == SAID_NO
    assert refused(lab, signed(lab, name_id="<saml:NameID></saml:NameID>")) == SAID_NO
    assert refused(lab, signed(lab, name_id="<saml:NameID>a</saml:NameID><saml:NameID>b</saml:NameID>")) == SAID_NO


def test_roles_of_identity_center_are_not_for_saml(lab: Lab) -> None:
    """Whatever their trust policy says."""
    role = f"arn:aws:iam::{ACCOUNT}:role/AWSReservedSSO_Admin_0123456789abcdef"

    assert refused(lab, signed(lab, asked(role)), role) == SAID_NO


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("saml:iss", CORP.entity_id),
        ("saml:doc", f"{ACCOUNT}/Corp"),
        ("saml:sub", "alice"),
        ("saml:sub_type", "persistent"),
        ("sts:RoleSessionName", "alice"),
        ("aws:FederatedProvider", PROVIDER),
    ],
)
def test_what_the_assertion_says_are_condition_keys(make_lab: LabFactory, key: str, value: str) -> None:
    """With another value the trust policy refuses."""
    lab = make_lab(SEED.replace(f'"SAML:aud": "{SIGN_IN}"', f'"{key}": "{value}"'))
    assert assume(lab, signed(lab))["Subject"] == "alice"

    lab = make_lab(SEED.replace(f'"SAML:aud": "{SIGN_IN}"', f'"{key}": "{value}x"'))
    assert refused(lab, signed(lab)) == SAID_NO


@pytest.mark.parametrize(("attribute", "key"), sorted(KEYS.items()))
def test_attributes_are_condition_keys_of_the_trust_policy(lab: Lab, attribute: str, key: str) -> None:
    """Each of the guide's tables."""
    trust = {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Principal": {"Federated": PROVIDER},
            "Action": "sts:AssumeRoleWithSAML",
            "Condition": {"ForAnyValue:StringEquals": {key: "staff"}},
        },
    }
    lab.user("admin").call("iam", "UpdateAssumeRolePolicy", RoleName="Deploy", PolicyDocument=json.dumps(trust))

    assert assume(lab, signed(lab, {**asked(), attribute: ["staff"]}))["Subject"] == "alice"
    assert refused(lab, signed(lab, {**asked(), attribute: ["student"]})) == SAID_NO
    assert refused(lab, signed(lab)) == SAID_NO


def test_attributes_are_no_keys_of_the_session(lab: Lab) -> None:
    """The guide: only trust policies see them. Name, qualifier and type of the subject stay."""
    answer = assume(lab, signed(lab, {**asked(), "urn:oid:1.3.6.1.4.1.5923.1.1.1.1": ["staff"]}))

    session = lab.sandbox.sessions.get(answer["Credentials"]["AccessKeyId"])
    assert session is not None
    assert sorted(key for key, _ in session.federation) == [
        "aws:FederatedProvider",
        "saml:namequalifier",
        "saml:sub",
        "saml:sub_type",
    ]


def test_an_organization_may_close_its_roles_to_saml(make_lab: LabFactory) -> None:
    """A resource control policy binds whoever comes, by what the assertion says; the management account is free."""
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "sts:AssumeRoleWithSAML",
        "Resource": "*",
        "Condition": {"StringEquals": {"saml:sub": "bob"}},
    }
    deny = {"Version": "2012-10-17", "Statement": statement}
    organization = f"""
organization:
  management_account: "%s"
  resource_control_policies: [{json.dumps(deny)}]
  accounts: ["{ACCOUNT}", "{OTHER}"]
"""
    lab = make_lab(SEED + organization % OTHER)
    assert assume(lab, signed(lab))["Subject"] == "alice"
    assert refused(lab, signed(lab, subject="bob")) == SAID_NO

    lab = make_lab(SEED + organization % ACCOUNT)
    assert assume(lab, signed(lab, subject="bob"))["Subject"] == "bob"


def test_a_huge_assertion_is_refused_by_its_length(lab: Lab) -> None:
    """100,000 characters are the limit of the schema; nothing reads more."""
    code, message, _ = refused(lab, "A" * 100_001)

    assert code == "ValidationError"
    assert message.endswith(
        "at 'sAMLAssertion' failed to satisfy constraint: Member must have length less than or equal to 100000"
    )
    assert refused(lab, "A" * 100_000) == invalid("The SAML response can't be read")


def test_parameters_are_checked_before_the_assertion(lab: Lab) -> None:
    """Everything that is wrong is in one answer."""
    code, message, _ = refused(lab, "x", DurationSeconds=1)

    assert code == "ValidationError"
    assert message.startswith("2 validation errors detected: ")


def test_a_session_policy_limits_the_session(lab: Lab) -> None:
    """Passed with the call, as for AssumeRole."""
    policy = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}'

    answer = assume(lab, signed(lab), Policy=policy)

    session = lab.with_keys(Keys.of(answer["Credentials"]))
    assert session.refused("secretsmanager", "GetSecretValue", SecretId="db").code == "AccessDeniedException"


# --- the provider ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "provider",
    [f"{PROVIDER}2", f"arn:aws:iam::{OTHER}:saml-provider/Corp", f"arn:aws:iam::{ACCOUNT}:oidc-provider/Corp"],
)
def test_the_provider_must_be_one_of_the_roles_account(lab: Lab, provider: str) -> None:
    """Also where another account has the very same one."""
    assert refused(lab, signed(lab, asked(DEPLOY, provider)), DEPLOY, provider) == invalid(
        "Specified provider doesn't exist"
    )


@pytest.mark.parametrize(
    ("role", "provider"), [("nothing-valid-in-here", PROVIDER), (DEPLOY, "nothing-valid-in-here"), (PROVIDER, PROVIDER)]
)
def test_what_is_no_arn_is_said_to_be_none(lab: Lab, role: str, provider: str) -> None:
    """Before anything is looked at."""
    assert refused(lab, "AAAA", role, provider)[:2] == ("ValidationError", "Request ARN is invalid")


def test_a_provider_made_by_the_api_counts(lab: Lab) -> None:
    """CreateSAMLProvider makes roles reachable, another metadata document and DeleteSAMLProvider close them again."""
    admin = lab.user("admin", OTHER)
    new = f"arn:aws:iam::{OTHER}:saml-provider/New"
    trust = {
        "Version": "2012-10-17",
        "Statement": {"Effect": "Allow", "Principal": {"Federated": new}, "Action": "sts:AssumeRoleWithSAML"},
    }
    admin.call("iam", "CreateRole", RoleName="Deploy", AssumeRolePolicyDocument=json.dumps(trust))
    role = f"arn:aws:iam::{OTHER}:role/Deploy"
    response = signed(lab, asked(role, new))

    assert refused(lab, response, role, new) == invalid("Specified provider doesn't exist")
    admin.call("iam", "CreateSAMLProvider", Name="New", SAMLMetadataDocument=CORP.metadata())
    assert assume(lab, response, role, new)["Issuer"] == CORP.entity_id
    stranger = IdentityProvider("https://other.example.com")
    admin.call("iam", "UpdateSAMLProvider", SAMLProviderArn=new, SAMLMetadataDocument=stranger.metadata())
    assert refused(lab, response, role, new) == invalid("Issuer not present in specified provider")
    admin.call("iam", "DeleteSAMLProvider", SAMLProviderArn=new)
    assert refused(lab, response, role, new) == invalid("Specified provider doesn't exist")


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"Name": "Corp"}, "EntityAlreadyExists"),
        ({"SAMLMetadataDocument": "<a/>" * 250}, "InvalidInput"),
        ({"SAMLMetadataDocument": CORP.metadata().replace("<md:I", "<md:x", 1)}, "InvalidInput"),
        ({"AssertionEncryptionMode": "Required"}, "NotImplemented"),
        ({"AddPrivateKey": "x"}, "NotImplemented"),
    ],
)
def test_a_provider_that_can_not_be_made_is_refused(lab: Lab, more: dict[str, str], code: str) -> None:
    """A name that is taken, metadata that can't be read, encryption; and nothing of it has changed what was there."""
    admin = lab.user("admin")
    wish = {"Name": "Other", "SAMLMetadataDocument": IdentityProvider("https://other.example.com").metadata(), **more}

    assert admin.refused("iam", "CreateSAMLProvider", **wish).code == code
    if "Name" not in more:
        del wish["Name"]
        assert admin.refused("iam", "UpdateSAMLProvider", SAMLProviderArn=PROVIDER, **wish).code == code
    assert assume(lab, signed(lab))["Subject"] == "alice"
    assert len(admin.call("iam", "ListSAMLProviders")["SAMLProviderList"]) == 2


def test_a_sign_in_that_failed_is_told_as_the_provider_tells_it(lab: Lab) -> None:
    """A status that is not Success."""
    now = lab.sandbox.clock.now()
    response = CORP.response(now, status="urn:oasis:names:tc:SAML:2.0:status:Responder")

    assert refused(lab, encoded(response))[::2] == ("IDPRejectedClaim", 403)


# --- the trail -------------------------------------------------------------------------------------------------


def test_the_trail_has_who_federated_and_never_the_assertion(lab: Lab) -> None:
    """CloudTrail's SAMLUser, the assertion's id, tags as they were written, role and provider."""
    tags: dict[str, Any] = {"PrincipalTag:Team": ["red"], "TransitiveTagKeys": ["Team"]}
    response = signed(lab, asked(TAGGED, **tags))
    answer = assume(lab, response, TAGGED)
    refused(lab, signed(lab, asked(TAGGED)), DEPLOY)

    granted, denied = list(lab.sandbox.events.records())
    assert granted["userIdentity"] == {
        "type": "SAMLUser",
        "principalId": f"{answer['NameQualifier']}:alice",
        "userName": "alice",
        "identityProvider": answer["NameQualifier"],
    }
    assert granted["requestParameters"] == {
        "roleArn": TAGGED,
        "principalArn": PROVIDER,
        "roleSessionName": "alice",
        "sAMLAssertionID": "_a1",
        "principalTags": {"Team": "red"},
        "transitiveTagKeys": ["Team"],
    }
    assert [(one["type"], one["ARN"]) for one in granted["resources"]] == [
        ("AWS::IAM::Role", TAGGED),
        ("AWS::IAM::SAMLProvider", PROVIDER),
    ]
    assert (denied["errorCode"], denied["recipientAccountId"]) == ("InvalidIdentityTokenException", ACCOUNT)
    assert response[:200] not in json.dumps([granted, denied])
    assert answer["Credentials"]["SecretAccessKey"] not in json.dumps(granted)


def test_a_saml_session_is_no_web_identity(lab: Lab) -> None:
    """Its later calls have an empty webIdFederationData."""
    session = lab.with_keys(Keys.of(assume(lab, signed(lab))["Credentials"]))
    session.call("secretsmanager", "GetSecretValue", SecretId="db")

    assert list(lab.sandbox.events.records())[-1]["userIdentity"]["sessionContext"]["webIdFederationData"] == {}


def test_a_person_with_keys_may_send_an_assertion_too(lab: Lab) -> None:
    """A signature on the request, a good or a bad one, is not looked at."""
    person = lab.with_keys(Keys(access_key_id="AKIANOTKNOWN12345678", secret_access_key="x"))

    answer = person.call("sts", "AssumeRoleWithSAML", RoleArn=DEPLOY, PrincipalArn=PROVIDER, SAMLAssertion=signed(lab))

    assert answer["Subject"] == "alice"

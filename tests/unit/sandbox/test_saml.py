"""AssumeRoleWithSAML: a session needs a response that the provider has signed and the trust policy accepts."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any
from urllib.parse import urlencode

import pytest

from dsops.policy.saml_attributes import KEYS
from dsops.request.messages import HttpAnswer, HttpRequest
from dsops.sandbox.control.endpoints import Control
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
    """A sandbox whose account trusts a company's identity provider and the sandbox's own."""
    return make_lab(SEED)


def asked(role: str = DEPLOY, provider: str = PROVIDER, **more: Any) -> dict[str, list[str]]:
    """Return the SAML attributes of a user who requests that role."""
    said = {"Role": [f"{role},{provider}"], "RoleSessionName": ["alice"], **more}
    return {f"{ATTRIBUTES}{name}": values for name, values in said.items()}


def signed(lab: Lab, attributes: dict[str, list[str]] | None = None, **more: Any) -> str:
    """Return a response of the company's provider with a signed assertion.

    `more` is passed to IdentityProvider.assertion.
    """
    now = lab.sandbox.clock.now()
    assertion = CORP.assertion(now, asked() if attributes is None else attributes, **more)
    return encoded(CORP.response(now, CORP.sign(assertion)))


def send(lab: Lab, assertion: str, role: str = DEPLOY, provider: str = PROVIDER, **more: object) -> HttpAnswer:
    """Send an unsigned AssumeRoleWithSAML; return the response."""
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
    """Send an unsigned AssumeRoleWithSAML; return the parsed response."""
    return parse("sts", "AssumeRoleWithSAML", send(lab, assertion, role, provider, **more))


def refused(
    lab: Lab, assertion: str, role: str = DEPLOY, provider: str = PROVIDER, **more: object
) -> tuple[str, str, int]:
    """Send AssumeRoleWithSAML, which must fail; return code, message and status of the error."""
    with pytest.raises(RefusedError) as caught:
        assume(lab, assertion, role, provider, **more)
    return caught.value.code, caught.value.message, caught.value.status


def ask(control: Control, wish: object, method: str = "POST", **headers: str) -> tuple[int, dict[str, Any]]:
    """Call the SAML control endpoint; return the status and the parsed JSON."""
    content = b"" if wish is None else json.dumps(wish).encode()
    sent = {"host": HOST, **headers}
    answer = control.handle(HttpRequest(method, "/_sandbox/saml", "", sent, content, "127.0.0.1"))
    return answer.status, json.loads(answer.body)


def invalid(message: str) -> tuple[str, str, int]:
    """Return the error (code, message, status) for an invalid assertion."""
    return "InvalidIdentityToken", message, 400


# --- valid assertions ------------------------------------------------------------------------------------------


def test_a_valid_assertion_gives_a_session(lab: Lab) -> None:
    """A valid assertion gets a response with AWS's fields and a session with the role's permissions."""
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


def test_the_subject_is_a_condition_key_of_the_session(lab: Lab) -> None:
    """After AssumeRoleWithSAML, saml:sub is a condition key of the session's requests."""
    answer = assume(lab, signed(lab, subject="bob"))

    session = lab.with_keys(Keys.of(answer["Credentials"]))
    assert session.refused("secretsmanager", "GetSecretValue", SecretId="db").code == "AccessDeniedException"


@pytest.mark.parametrize("what", ["response", "both"])
def test_the_response_may_be_signed_too(lab: Lab, what: str) -> None:
    """STS accepts a SAML response in which the response is signed, the assertion, or both."""
    now = lab.sandbox.clock.now()
    assertion = CORP.assertion(now, asked())
    response = CORP.sign(CORP.response(now, CORP.sign(assertion) if what == "both" else assertion))

    assert assume(lab, encoded(response))["Subject"] == "alice"


def test_any_signing_certificate_of_the_metadata_is_accepted(make_lab: LabFactory) -> None:
    """Any signing certificate in the metadata is accepted, as during a key rotation."""
    other = IdentityProvider(days=3000)
    lab = make_lab(SEED.replace(CORP.metadata(), CORP.metadata(other.certificate)))

    assert assume(lab, signed(lab))["Subject"] == "alice"


def test_a_response_may_be_used_again(lab: Lab) -> None:
    """A response can be used repeatedly within five minutes, for all roles that it names."""
    attributes = asked()
    attributes[f"{ATTRIBUTES}Role"].append(f"{PROVIDER},{TAGGED}")
    response = signed(lab, attributes)

    assert assume(lab, response)["Subject"] == "alice"
    assert assume(lab, response)["Subject"] == "alice"
    assert assume(lab, response, TAGGED)["Subject"] == "alice"


def test_base64_may_be_wrapped(lab: Lab) -> None:
    """The base64 text of a response may contain line breaks."""
    response = signed(lab)

    assert assume(lab, "\n".join(response[at : at + 76] for at in range(0, len(response), 76)))["Subject"] == "alice"


def test_tags_and_source_identity_are_from_the_assertion(lab: Lab) -> None:
    """Tags and source identity come from the assertion; they need sts:TagSession and sts:SetSourceIdentity."""
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
    """Tags in an assertion are validated like all session tags.

    The cases are reserved and repeated keys, lengths, the number of tags, and transitive keys.
    """
    assert refused(lab, signed(lab, asked(TAGGED, **more)), TAGGED)[0] == expected


@pytest.mark.parametrize("identity", ["a", "aws:root", "two words", "x" * 257])
def test_a_malformed_source_identity_is_refused(lab: Lab, identity: str) -> None:
    """A malformed source identity is refused with the user guide's message."""
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
    """The assertion must have exactly one valid RoleSessionName."""
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
    """STS refuses a SAML assertion that does not name the role together with the provider."""
    attributes = {**asked(), f"{ATTRIBUTES}Role": values}

    assert refused(lab, signed(lab, attributes)) == invalid(
        "SAML Assertion doesn't contain the requested Role and Metadata in the attributes"
    )


@pytest.mark.parametrize("value", [f"{DEPLOY},{PROVIDER}", f"{PROVIDER},{DEPLOY}", f" {DEPLOY} ,\n {PROVIDER} "])
def test_role_and_provider_may_be_in_either_order(lab: Lab, value: str) -> None:
    """STS accepts role and provider in either order in the SAML attribute, with or without white space."""
    assert assume(lab, signed(lab, {**asked(), f"{ATTRIBUTES}Role": [value]}))["Subject"] == "alice"


# --- durations -------------------------------------------------------------------------------------------------


def lifetime(lab: Lab, answer: dict[str, Any]) -> int:
    """Return the session's lifetime in seconds."""
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
def test_the_shortest_duration_applies(
    lab: Lab, asked_seconds: int | None, duration: str | None, session_end: int | None, expected: int
) -> None:
    """The session lasts for the shortest of DurationSeconds, SessionDuration and SessionNotOnOrAfter."""
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
    """A duration above the role's MaxSessionDuration is refused."""
    assert refused(lab, signed(lab), DurationSeconds=7201) == (
        "ValidationError",
        "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        400,
    )


@pytest.mark.parametrize("duration", ["899", "43201", "1h", "", "-1", "9" * 50])
def test_a_session_duration_is_between_15_minutes_and_12_hours(lab: Lab, duration: str) -> None:
    """SessionDuration must be 900 to 43200 seconds."""
    assert refused(lab, signed(lab, asked(SessionDuration=[duration])))[0] == "InvalidIdentityToken"


# --- recipient, audience and times -----------------------------------------------------------------------------


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
def test_the_recipient_must_be_aws(make_lab: LabFactory, recipient: str, *, is_taken: bool) -> None:
    """STS refuses a SAML assertion whose recipient is not the global or a regional sign-in URL of AWS."""
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
def test_each_partition_has_its_own_recipient(make_lab: LabFactory, partition: str, place: str, audience: str) -> None:
    """Each partition has its own sign-in URL, and assertions for another partition are refused."""
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
def test_there_is_exactly_one_bearer_confirmation(lab: Lab, confirmation: str) -> None:
    """An assertion must have exactly one bearer confirmation, with recipient and NotOnOrAfter.

    The typo in the error message is AWS's.
    """
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
def test_aws_must_be_an_audience(lab: Lab, audiences: list[str], *, is_taken: bool) -> None:
    """STS refuses a SAML assertion unless AWS's URN or sign-in URL is among its audiences."""
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
def test_all_conditions_must_be_met(lab: Lab, conditions: str, message: str) -> None:
    """All conditions in the assertion must hold, and unknown conditions are refused."""
    assert refused(lab, signed(lab, conditions=conditions)) == invalid(message)


def test_a_response_is_redeemed_within_five_minutes(lab: Lab) -> None:
    """A response must be used within five minutes by the sandbox's clock, even if it is valid for longer."""
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


def test_a_response_expires(lab: Lab) -> None:
    """A response expires to the second at its NotOnOrAfter time."""
    lab.sandbox.clock.freeze(is_frozen=True)
    lab.sandbox.clock.set(int(lab.sandbox.clock.now()))
    response = signed(lab, seconds=60)
    lab.sandbox.clock.advance(59)
    assert assume(lab, response)["Subject"] == "alice"
    lab.sandbox.clock.advance(1)

    assert refused(lab, response) == ("ExpiredTokenException", "The assertion is expired", 400)


def test_a_response_from_the_future_is_refused(lab: Lab) -> None:
    """A response that is not valid yet is refused until its NotBefore time."""
    response = signed(lab)
    lab.sandbox.clock.set(lab.sandbox.clock.now() - 60)

    assert refused(lab, response) == invalid("The assertion is not yet valid")


@pytest.mark.parametrize("where", ["IssueInstant", "NotBefore of Conditions", "NotBefore of SubjectConfirmationData"])
def test_all_not_before_times_are_checked(lab: Lab, where: str) -> None:
    """Assertion, conditions and confirmation may each have a NotBefore time, and all must have passed."""
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


def test_an_assertion_needs_an_issue_time(lab: Lab) -> None:
    """An assertion without IssueInstant is refused."""
    now = lab.sandbox.clock.now()
    assertion = CORP.assertion(now, asked())
    del assertion.attrib["IssueInstant"]

    response = encoded(CORP.response(now, CORP.sign(assertion)))

    assert refused(lab, response) == invalid("The assertion has no IssueInstant")


@pytest.mark.parametrize("what", ["assertion", "response"])
def test_a_destination_must_be_aws(lab: Lab, what: str) -> None:
    """If the response has a Destination, it must be AWS's sign-in URL, whether or not it is signed."""
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


def test_an_expired_provider_session_is_refused(lab: Lab) -> None:
    """An assertion whose SessionNotOnOrAfter has passed is refused."""
    end = written(lab.sandbox.clock.now() - 1)
    statements = f'<saml:AuthnStatement AuthnInstant="{{now}}" SessionNotOnOrAfter="{end}"/>'

    assert refused(lab, signed(lab, statements=statements))[0] == "ExpiredTokenException"


@pytest.mark.parametrize(
    "moment", ["", "tomorrow", "2026-13-01T00:00:00Z", "2999-01-01T00:00:00", "2999-01-01", "9999-12-31T23:59:59-23:59"]
)
def test_malformed_times_are_refused(lab: Lab, moment: str) -> None:
    """A malformed or ambiguous time in the assertion is refused."""
    conditions = CONDITIONS.replace('NotOnOrAfter="{until}"', f'NotOnOrAfter="{moment}"')

    assert refused(lab, signed(lab, conditions=conditions)) == invalid("NotOnOrAfter in the response is not a time")


# --- roles and trust policies ----------------------------------------------------------------------------------


def test_a_denial_does_not_reveal_whether_the_role_exists(lab: Lab) -> None:
    """A role that trusts another provider and a missing role get the same error."""
    no_role = f"arn:aws:iam::{ACCOUNT}:role/None"

    assert refused(lab, signed(lab, asked(no_role)), no_role) == SAID_NO
    _, said = ask(Control(lab.sandbox), {"role": TAGGED, "provider": "Sandboxed"})
    assert refused(lab, said["assertion"], TAGGED, SANDBOXED) == SAID_NO


def test_a_name_id_is_required(lab: Lab) -> None:
    """Without exactly one NameID the assertion gets the same error as a denial by the trust policy."""
    assert refused(lab, signed(lab, name_id="")) == SAID_NO
    assert refused(lab, signed(lab, name_id="<saml:NameID></saml:NameID>")) == SAID_NO
    assert refused(lab, signed(lab, name_id="<saml:NameID>a</saml:NameID><saml:NameID>b</saml:NameID>")) == SAID_NO


def test_identity_center_roles_are_closed_to_other_providers(lab: Lab) -> None:
    """AssumeRoleWithSAML refuses roles of IAM Identity Center, whatever their trust policies say."""
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
def test_values_of_the_assertion_are_condition_keys(make_lab: LabFactory, key: str, value: str) -> None:
    """Each SAML condition key has the assertion's value: a condition on another value is not met."""
    lab = make_lab(SEED.replace(f'"SAML:aud": "{SIGN_IN}"', f'"{key}": "{value}"'))
    assert assume(lab, signed(lab))["Subject"] == "alice"

    lab = make_lab(SEED.replace(f'"SAML:aud": "{SIGN_IN}"', f'"{key}": "{value}x"'))
    assert refused(lab, signed(lab)) == SAID_NO


@pytest.mark.parametrize(("attribute", "key"), sorted(KEYS.items()))
def test_attributes_are_condition_keys_of_the_trust_policy(lab: Lab, attribute: str, key: str) -> None:
    """Each attribute in the user guide's tables is a condition key that trust policies can use."""
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


def test_attributes_are_not_condition_keys_of_the_session(lab: Lab) -> None:
    """In later requests only the subject, its qualifier and its type are condition keys (IAM User Guide)."""
    answer = assume(lab, signed(lab, {**asked(), "urn:oid:1.3.6.1.4.1.5923.1.1.1.1": ["staff"]}))

    session = lab.sandbox.sessions.get(answer["Credentials"]["AccessKeyId"])
    assert session is not None
    assert sorted(key for key, _ in session.federation) == [
        "aws:FederatedProvider",
        "saml:namequalifier",
        "saml:sub",
        "saml:sub_type",
    ]


def test_an_rcp_can_deny_saml(make_lab: LabFactory) -> None:
    """An RCP can restrict AssumeRoleWithSAML in member accounts by the assertion's subject."""
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
    """An assertion of more than 100,000 characters is refused by the service model's limit."""
    code, message, _ = refused(lab, "A" * 100_001)

    assert code == "ValidationError"
    assert message.endswith(
        "at 'sAMLAssertion' failed to satisfy constraint: Member must have length less than or equal to 100000"
    )
    assert refused(lab, "A" * 100_000) == invalid("The SAML response can't be read")


def test_parameters_are_checked_before_the_assertion(lab: Lab) -> None:
    """Parameters are validated before the assertion, with all errors in one message."""
    code, message, _ = refused(lab, "x", DurationSeconds=1)

    assert code == "ValidationError"
    assert message.startswith("2 validation errors detected: ")


def test_a_session_policy_limits_the_session(lab: Lab) -> None:
    """A session policy limits the session, as for AssumeRole."""
    policy = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}'

    answer = assume(lab, signed(lab), Policy=policy)

    session = lab.with_keys(Keys.of(answer["Credentials"]))
    assert session.refused("secretsmanager", "GetSecretValue", SecretId="db").code == "AccessDeniedException"


# --- providers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "provider",
    [f"{PROVIDER}2", f"arn:aws:iam::{OTHER}:saml-provider/Corp", f"arn:aws:iam::{ACCOUNT}:oidc-provider/Corp"],
)
def test_the_provider_must_be_one_of_the_roles_account(lab: Lab, provider: str) -> None:
    """STS refuses a SAML provider of another account than the role's."""
    assert refused(lab, signed(lab, asked(DEPLOY, provider)), DEPLOY, provider) == invalid(
        "Specified provider doesn't exist"
    )


@pytest.mark.parametrize(
    ("role", "provider"), [("nothing-valid-in-here", PROVIDER), (DEPLOY, "nothing-valid-in-here"), (PROVIDER, PROVIDER)]
)
def test_invalid_arns_are_refused(lab: Lab, role: str, provider: str) -> None:
    """A malformed ARN of role or provider is refused before other checks."""
    assert refused(lab, "AAAA", role, provider)[:2] == ("ValidationError", "Request ARN is invalid")


def test_a_provider_created_by_the_api_works(lab: Lab) -> None:
    """CreateSAMLProvider, UpdateSAMLProvider and DeleteSAMLProvider take effect at once."""
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
def test_an_invalid_provider_is_refused(lab: Lab, more: dict[str, str], code: str) -> None:
    """CreateSAMLProvider and UpdateSAMLProvider refuse invalid input and change nothing.

    The cases are a name in use, unreadable metadata and encryption.
    """
    admin = lab.user("admin")
    parameters = {
        "Name": "Other",
        "SAMLMetadataDocument": IdentityProvider("https://other.example.com").metadata(),
        **more,
    }

    assert admin.refused("iam", "CreateSAMLProvider", **parameters).code == code
    if "Name" not in more:
        del parameters["Name"]
        assert admin.refused("iam", "UpdateSAMLProvider", SAMLProviderArn=PROVIDER, **parameters).code == code
    assert assume(lab, signed(lab))["Subject"] == "alice"
    assert len(admin.call("iam", "ListSAMLProviders")["SAMLProviderList"]) == 2


def test_a_failed_sign_in_is_reported_with_its_status(lab: Lab) -> None:
    """A response with a status other than Success gets the error IDPRejectedClaim."""
    now = lab.sandbox.clock.now()
    response = CORP.response(now, status="urn:oasis:names:tc:SAML:2.0:status:Responder")

    assert refused(lab, encoded(response))[::2] == ("IDPRejectedClaim", 403)


# --- CloudTrail ------------------------------------------------------------------------------------------------


def test_records_have_the_federated_user_but_not_the_assertion(lab: Lab) -> None:
    """The CloudTrail record has SAML user, assertion id, tags, role and provider, but not the assertion itself."""
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


def test_a_saml_session_has_no_web_identity_keys(lab: Lab) -> None:
    """Records of a SAML session's requests have an empty webIdFederationData."""
    session = lab.with_keys(Keys.of(assume(lab, signed(lab))["Credentials"]))
    session.call("secretsmanager", "GetSecretValue", SecretId="db")

    assert list(lab.sandbox.events.records())[-1]["userIdentity"]["sessionContext"]["webIdFederationData"] == {}


def test_signed_requests_are_accepted(lab: Lab) -> None:
    """AssumeRoleWithSAML ignores a signature on the request, whether or not it is valid."""
    person = lab.with_keys(Keys(access_key_id="AKIANOTKNOWN12345678", secret_access_key="x"))

    answer = person.call("sts", "AssumeRoleWithSAML", RoleArn=DEPLOY, PrincipalArn=PROVIDER, SAMLAssertion=signed(lab))

    assert answer["Subject"] == "alice"

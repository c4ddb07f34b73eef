"""SAML responses issued on request, and SAML providers in a seed."""

from __future__ import annotations

import json

import pytest

from dsops.errors import SeedInvalid
from dsops.sandbox.control.endpoints import Control
from dsops.sandbox.seed.file import read_seed
from tests.sandboxes import ACCOUNT, OTHER, Lab
from tests.unit.sandbox.conftest import LabFactory
from tests.unit.sandbox.test_saml import DEPLOY, PROVIDER, SANDBOXED, SEED, TAGGED, ask, assume, lifetime, refused


@pytest.fixture
def lab(make_lab: LabFactory) -> Lab:
    """A sandbox whose account trusts a company's identity provider and the sandbox's own."""
    return make_lab(SEED)


def test_a_response_is_issued_on_request(lab: Lab) -> None:
    """The endpoint issues a response with the requested content, which STS accepts."""
    role = TAGGED
    trust = {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Principal": {"Federated": SANDBOXED},
            "Action": ["sts:AssumeRoleWithSAML", "sts:TagSession", "sts:SetSourceIdentity"],
            "Condition": {"StringEquals": {"saml:edupersonorgdn": "dc=example"}},
        },
    }
    lab.user("admin").call("iam", "UpdateAssumeRolePolicy", RoleName="Tagged", PolicyDocument=json.dumps(trust))
    parameters = {
        "role": role,
        "provider": "Sandboxed",
        "session_name": "bob",
        "subject": "b-17",
        "tags": {"team": "red"},
        "transitive": ["team"],
        "source_identity": "bob@example.com",
        "duration_seconds": 900,
        "attributes": {"urn:oid:1.3.6.1.4.1.5923.1.1.1.3": "dc=example"},
    }

    status, said = ask(Control(lab.sandbox), parameters)
    answer = assume(lab, said["assertion"], role, said["provider"])

    assert (status, said["provider"]) == (200, SANDBOXED)
    assert answer["AssumedRoleUser"]["Arn"].endswith(":assumed-role/Tagged/bob")
    assert (answer["Subject"], answer["SourceIdentity"], lifetime(lab, answer)) == ("b-17", "bob@example.com", 900)
    session = lab.sandbox.sessions.get(answer["Credentials"]["AccessKeyId"])
    assert session is not None
    assert (session.tags, session.transitive_keys) == ((("team", "red"),), ("team",))


def test_an_invalid_response_is_issued_on_request(lab: Lab) -> None:
    """The endpoint also issues responses that AWS would refuse, for tests of refusals."""
    control = Control(lab.sandbox)
    for more, code in (
        ({"session_name": "John Doe"}, "InvalidIdentityToken"),
        ({"expires_seconds": -1}, "ExpiredTokenException"),
        ({"audience": "x"}, "InvalidIdentityToken"),
        ({"provider": PROVIDER}, "InvalidIdentityToken"),
        ({"recipient": "https://app.example.com/"}, "InvalidIdentityToken"),
    ):
        status, said = ask(control, {"role": DEPLOY, "provider": SANDBOXED, **more})

        assert status == 200
        assert refused(lab, said["assertion"], DEPLOY, said["provider"])[0] == code


@pytest.mark.parametrize(
    ("wish", "status", "said"),
    [
        ([], 400, "send {"),
        ({}, 400, "send {"),
        ({"role": DEPLOY, "tag": {}}, 400, "there is no `tag`"),
        ({"role": DEPLOY, "tags": [1]}, 400, "send {"),
        ({"role": DEPLOY, "duration_seconds": "x"}, 400, "send {"),
        ({"role": DEPLOY, "expires_seconds": 10**12}, 400, "can't live that long"),
        ({"role": DEPLOY, "provider": "Corp", "subject": "a\0b"}, 400, "control character"),
        ({"role": PROVIDER}, 404, "is not the ARN of a role"),
        ({"role": DEPLOY}, 404, f"it has {PROVIDER}, {SANDBOXED}"),
        ({"role": "arn:aws:iam::333333333333:role/x"}, 404, "there is none in that account"),
    ],
)
def test_invalid_requests_are_refused(lab: Lab, wish: object, status: int, said: str) -> None:
    """Invalid requests, invalid roles and ambiguous providers are refused."""
    answered, answer = ask(Control(lab.sandbox), wish)

    assert answered == status
    assert said in answer["error"]


def test_the_only_provider_of_the_account_is_the_default(lab: Lab) -> None:
    """If no provider is named, the account's only provider is used."""
    status, said = ask(Control(lab.sandbox), {"role": f"arn:aws:iam::{OTHER}:role/x"})

    assert (status, said["provider"]) == (200, f"arn:aws:iam::{OTHER}:saml-provider/Corp")


def test_the_metadata_creates_a_provider_for_the_sandbox(lab: Lab) -> None:
    """`GET /_sandbox/saml` returns metadata that CreateSAMLProvider accepts."""
    control = Control(lab.sandbox)
    _, said = ask(control, None, "GET")
    admin = lab.user("admin", OTHER)
    new = admin.call("iam", "CreateSAMLProvider", Name="New", SAMLMetadataDocument=said["metadata"])["SAMLProviderArn"]
    trust = {
        "Version": "2012-10-17",
        "Statement": {"Effect": "Allow", "Principal": {"Federated": new}, "Action": "sts:AssumeRoleWithSAML"},
    }
    admin.call("iam", "CreateRole", RoleName="Deploy", AssumeRolePolicyDocument=json.dumps(trust))
    role = f"arn:aws:iam::{OTHER}:role/Deploy"

    _, response = ask(control, {"role": role, "provider": "New"})

    assert assume(lab, response["assertion"], role, new)["Subject"] == "user"


def test_a_web_page_gets_no_response(lab: Lab) -> None:
    """Web pages can't call the endpoint that issues responses."""
    control = Control(lab.sandbox)

    assert ask(control, {"role": DEPLOY}, origin="https://evil.example")[0] == 403
    assert ask(control, None, "GET", origin="https://evil.example")[0] == 403


def test_the_certificate_never_expires(lab: Lab) -> None:
    """The sandbox's certificate is valid at any time that its clock is set to."""
    control = Control(lab.sandbox)
    for moment in (1.0e9, 2.0e10):
        lab.sandbox.move_clock(moment, is_frozen=True)
        _, said = ask(control, {"role": DEPLOY, "provider": "Sandboxed"})

        assert assume(lab, said["assertion"], DEPLOY, SANDBOXED)["Subject"] == "user"


# --- seed ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("providers", "message"),
    [
        ("{}", "this must be a list"),
        ("[{issued_by_sandbox: true}]", "`name` is missing: the provider's ARN ends in it"),
        ("[{name: a/b, issued_by_sandbox: true}]", "`name` must be letters, digits and ._-"),
        ("[{name: a}]", "a SAML provider has either `metadata` or `issued_by_sandbox: true`"),
        (
            "[{name: a, metadata: '<a/>', issued_by_sandbox: true}]",
            "a SAML provider has either `metadata` or `issued_by_sandbox: true`",
        ),
        ("[{name: a, metadata: 'a'}]", "this is not the metadata of a SAML provider: it is not XML"),
        (
            "[{name: a, metadata: '<a/>'}]",
            "this is not the metadata of a SAML provider: its root is not an EntityDescriptor of SAML 2.0",
        ),
        ("[{name: a, issued_by_sandbox: true}, {name: a, issued_by_sandbox: true}]", "`a` is in this account already"),
    ],
)
def test_an_invalid_provider_is_a_seed_problem(providers: str, message: str) -> None:
    """An invalid SAML provider in a seed is reported with its reason."""
    with pytest.raises(SeedInvalid) as caught:
        read_seed(f'accounts: {{"{ACCOUNT}": {{saml_providers: {providers}}}}}', "seed.yaml")

    assert [problem.message for problem in caught.value.problems] == [message]

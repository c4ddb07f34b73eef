"""The fence around moto: moto gets only the operation that the sandbox has parsed and authorized."""

from __future__ import annotations

import json
import os
from urllib.parse import urlencode

import pytest

from dsops.errors import SandboxUnavailable
from dsops.extras import install_command, install_packages
from dsops.sandbox.state import fence
from dsops.sandbox.state.handlers import lacking
from tests.sandboxes import OTHER, Lab, Person, sign
from tests.unit.sandbox.conftest import LabFactory

WRITER = """
accounts:
  "111111111111":
    users:
      writer:
        policies:
        - {Version: "2012-10-17", Statement: {Effect: Allow, Action: ["secretsmanager:PutSecretValue",
           "secretsmanager:GetSecretValue", "iam:GetUser"], Resource: "*"}}
    secrets: {s: before}
  "222222222222": {secrets: {s: of-the-other}}
"""


@pytest.fixture
def lab(make_lab: LabFactory) -> Lab:
    """A sandbox where the user Writer may put and read secrets, and nothing else."""
    return make_lab(WRITER)


def raw(
    person: Person, service: str, headers: dict[str, str], body: bytes, query: str = "", path: str = "/"
) -> tuple[int, str]:
    """Send a signed request with these headers and body; return the status and text of the response."""
    request = sign(person.keys, service, "us-east-1", "POST", path, headers, body, query)
    answer = person.lab.sandbox.handle(request).answer
    return answer.status, answer.body.decode()


def is_there(lab: Lab) -> bool:
    """Whether the secret still exists and is not scheduled for deletion."""
    secret = lab.user("admin").call("secretsmanager", "DescribeSecret", SecretId="s")
    return "DeletedDate" not in secret


JSON = {"Content-Type": "application/x-amz-json-1.1"}


def test_a_second_action_in_the_query_is_ignored(lab: Lab) -> None:
    """An Action in the query, which moto would prefer to X-Amz-Target, is ignored."""
    body = json.dumps({"SecretId": "s", "SecretString": "after"}).encode()
    headers = {**JSON, "X-Amz-Target": "secretsmanager.PutSecretValue"}

    status, text = raw(lab.user("writer"), "secretsmanager", headers, body, "Action=DeleteSecret&SecretId=s")

    assert status == 200, text
    assert is_there(lab)


@pytest.mark.parametrize(
    "value", ["x&Action=DeleteSecret&SecretId=s&y", "Action=DeleteSecret", "&Action=DeleteSecret&"]
)
def test_an_action_inside_a_value_is_ignored(lab: Lab, value: str) -> None:
    """A value that contains `&Action=...` is stored as a value, although moto parses JSON bodies as forms, too."""
    writer = lab.user("writer")

    writer.call("secretsmanager", "PutSecretValue", SecretId="s", SecretString=value)

    assert is_there(lab)
    assert writer.call("secretsmanager", "GetSecretValue", SecretId="s")["SecretString"] == value


def test_a_second_action_in_a_form_is_ignored(lab: Lab) -> None:
    """If a form has two Actions, the sandbox authorizes and performs the first."""
    form = "Action=GetUser&Version=2010-05-08&UserName=writer&Action=DeleteUser"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}

    status, text = raw(lab.user("writer"), "iam", headers, form.encode())

    assert status == 200, text
    assert "<GetUserResponse" in text


def test_a_client_account_header_is_ignored(lab: Lab) -> None:
    """The X-Moto-Account-Id header, from which moto takes the account, is ignored."""
    writer = lab.user("writer")
    writer.headers = {"X-Moto-Account-Id": OTHER}

    assert writer.call("secretsmanager", "GetSecretValue", SecretId="s")["SecretString"] == "before"
    writer.call("secretsmanager", "PutSecretValue", SecretId="s", SecretString="after")
    other = lab.user("admin", OTHER).call("secretsmanager", "GetSecretValue", SecretId="s")
    assert other["SecretString"] == "of-the-other"


@pytest.mark.parametrize(
    "path", ["/moto-api/reset", "/moto-api/data.json", "/latest/meta-data/", "/latest/api/token", "/x"]
)
def test_moto_pages_are_unreachable(lab: Lab, path: str) -> None:
    """The web pages of moto are not reachable: they answer 404 and change nothing."""
    assert raw(lab.user("writer"), "secretsmanager", JSON, b"{}", path=path)[0] == 404
    assert is_there(lab)


def test_an_operation_missing_in_the_model_is_unknown(lab: Lab) -> None:
    """An operation that is missing in AWS's model gets UnknownOperationException."""
    headers = {**JSON, "X-Amz-Target": "secretsmanager.NoSuchThing"}

    status, text = raw(lab.user("writer"), "secretsmanager", headers, b"{}")

    assert (status, json.loads(text)["__type"]) == (400, "UnknownOperationException")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b'{"SecretId": 1}', b'{"SecretId": {"a": "b"}}', b"\xff"])
def test_a_body_of_another_operation_is_refused(lab: Lab, body: bytes) -> None:
    """A body that does not fit the operation gets SerializationException or ValidationException."""
    headers = {**JSON, "X-Amz-Target": "secretsmanager.GetSecretValue"}

    status, text = raw(lab.user("writer"), "secretsmanager", headers, body)

    assert status == 400
    assert json.loads(text)["__type"] in {"SerializationException", "ValidationException"}


def test_deep_json_is_refused_and_serving_goes_on(lab: Lab) -> None:
    """JSON nested 100,000 levels deep is refused, and the server keeps serving."""
    headers = {**JSON, "X-Amz-Target": "secretsmanager.GetSecretValue"}

    assert raw(lab.user("writer"), "secretsmanager", headers, b"[" * 100_000)[0] == 400
    assert is_there(lab)


def test_unavailable_services_are_refused_with_a_reason(lab: Lab) -> None:
    """Services that moto lacks, and services with protocols that botocore dropped, get a 501 with the reason."""
    target = {**JSON, "X-Amz-Target": "AWSGlobalNothing.ListThings"}
    form = {"Content-Type": "application/x-www-form-urlencoded"}

    for service, headers, body in (
        ("globalnothing", target, b"{}"),
        ("sqs", form, b"Action=ListQueues&Version=2009-02-01"),
    ):
        status, text = raw(lab.user("admin"), service, headers, body)
        assert status == 501
        assert f"does not serve {service}" in text


def test_the_environment_does_not_configure_moto(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Setting MOTO_ACCOUNT_ID after the sandbox has started has no effect."""
    monkeypatch.setenv("MOTO_ACCOUNT_ID", OTHER)

    users = lab.user("admin").call("iam", "ListUsers")["Users"]

    assert {user["UserName"] for user in users} == {"admin", "writer"}


def test_aws_environment_variables_are_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS_* variables are hidden only while moto is imported; MOTO_* variables are removed for good."""
    monkeypatch.setenv("AWS_PROFILE", "there-is-none")
    monkeypatch.setenv("MOTO_IAM_LOAD_MANAGED_POLICIES", "true")

    fence.prepare()

    assert os.environ["AWS_PROFILE"] == "there-is-none"
    assert "MOTO_IAM_LOAD_MANAGED_POLICIES" not in os.environ


def test_an_unsupported_moto_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unsupported moto version is refused."""
    import moto

    monkeypatch.setattr(moto, "__version__", "5.3.0")

    with pytest.raises(SandboxUnavailable) as caught:
        fence.prepare()
    assert "moto 5.3.0" in caught.value.message
    assert install_command("sandbox") in caught.value.hint


def test_moto_errors_have_aws_status_codes(lab: Lab) -> None:
    """moto's JSON errors with status 404 are returned with AWS's status 400."""
    admin = lab.user("admin")

    refused = admin.refused("secretsmanager", "DescribeSecret", SecretId="none")
    assert (refused.code, refused.status) == ("ResourceNotFoundException", 400)


def test_a_response_has_one_request_id(lab: Lab) -> None:
    """moto's XML, the response header and the decision have the same request id."""
    admin = lab.user("admin")
    answered = lab.sandbox.handle(admin.request("iam", "ListUsers"))

    assert f"<RequestId>{answered.request_id}</RequestId>" in answered.answer.body.decode()
    assert lab.sandbox.judge.decisions[-1].request_id == answered.request_id


def test_a_form_of_many_fields_is_refused(lab: Lab) -> None:
    """A form of more than ten thousand fields gets MalformedInput."""
    form = urlencode([("Action", "GetUser"), ("Version", "2010-05-08"), *((f"a{n}", "b") for n in range(10_001))])
    headers = {"Content-Type": "application/x-www-form-urlencoded"}

    assert "MalformedInput" in raw(lab.user("writer"), "iam", headers, form.encode())[1]


def test_a_missing_package_is_named() -> None:
    """The error of a service whose package is missing has the command that installs the package."""
    missing = ModuleNotFoundError(name="cfnlint")
    assert install_packages("moto[apigateway]") in lacking("apigateway", missing).message

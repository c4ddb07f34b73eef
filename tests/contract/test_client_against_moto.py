"""dsops' AWS client against plain moto: Secrets Manager, Parameter Store and STS."""

from __future__ import annotations

import threading
from binascii import b2a_base64
from collections.abc import Coroutine, Iterator
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import pytest
from botocore.awsrequest import AWSPreparedRequest
from botocore.compat import HTTPHeaders
from botocore.serialize import create_serializer
from botocore.session import Session
from moto.core.botocore_stubber import BotocoreStubber
from moto.moto_api._internal.models import moto_api_backend

from dsops.audit.cloudtrail.athena_query import AthenaQuery
from dsops.audit.cloudtrail.questions import SAVED
from dsops.aws.apis.athena import Athena, get_query_execution, start_query_execution, stop_query_execution
from dsops.aws.apis.secretsmanager import batch_get_secret_value, get_secret_value
from dsops.aws.apis.ssm import get_parameters
from dsops.aws.apis.sts import (
    assume_role,
    assume_role_with_saml,
    assume_role_with_web_identity,
    assume_root,
    get_caller_identity,
    get_federation_token,
    get_session_token,
)
from dsops.aws.http.call import Client, make_client
from dsops.aws.http.transport import open_driver
from dsops.credentials import Credentials
from dsops.endpoint import Endpoint, resolve_endpoint
from dsops.errors import DsopsError, QueryRefused, SecretDeleted, SecretNotFound
from dsops.secret import Secret
from dsops.tasks import run
from tests.fakes import make_runtime
from tests.stubs.server import Answer, Seen, StubServer

T = TypeVar("T")
ASSERTION = """<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol"
 xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"><saml:Assertion><saml:AttributeStatement>
 <saml:Attribute Name="https://aws.amazon.com/SAML/Attributes/RoleSessionName"><saml:AttributeValue
 >alice</saml:AttributeValue></saml:Attribute>
 <saml:Attribute Name="https://aws.amazon.com/SAML/Attributes/Role"><saml:AttributeValue
 >arn:aws:iam::123456789012:role/Deploy,arn:aws:iam::123456789012:saml-provider/Company</saml:AttributeValue>
 </saml:Attribute></saml:AttributeStatement></saml:Assertion></samlp:Response>"""
KEYS = Credentials("AKIAIOSFODNN7EXAMPLE", Secret("secret"))


@pytest.fixture(scope="module")
def moto_url() -> Iterator[str]:
    """The address of a moto server with secrets and parameters, created by botocore.

    A process has only one moto state, so it is reset before and after.
    """
    moto_api_backend.reset()
    with StubServer(_Moto()) as server:
        _fill(server.url)
        yield server.url
    moto_api_backend.reset()


class _Moto:
    """Answers as moto does, with the function behind moto's server, which itself would need flask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stubber = BotocoreStubber()

    def __call__(self, seen: Seen) -> Answer:
        """moto's answer for the service that the request is signed for."""
        signed = seen.header("Authorization")
        service = signed.split("/")[3] if signed else "sts"  # calls with a token are unsigned
        headers = HTTPHeaders()
        for name, value in seen.headers:
            headers[name] = value
        url = f"https://{service}.us-east-1.amazonaws.com{seen.target}"
        with self._lock:
            answer = self._stubber.process_request(AWSPreparedRequest(seen.method, url, headers, seen.body, False))
        assert answer is not None
        status, answer_headers, body = answer
        text = {name: str(value) for name, value in answer_headers.items() if name.lower() != "content-length"}
        return Answer(int(status), body if isinstance(body, bytes) else body.encode(), tuple(text.items()))


def _fill(url: str) -> None:
    secrets = _botocore_client("secretsmanager", url)
    secrets.create_secret(Name="prod/db", SecretString='{"password": "p\u00e4ss"}')
    secrets.create_secret(Name="prod/key", SecretBinary=b"\x00\xff")
    secrets.create_secret(Name="old", SecretString="x")
    secrets.delete_secret(SecretId="old", RecoveryWindowInDays=7)
    parameters = _botocore_client("ssm", url)
    parameters.put_parameter(Name="/prod/host", Value="first", Type="String")
    parameters.put_parameter(Name="/prod/host", Value="second", Type="String", Overwrite=True)
    parameters.put_parameter(Name="token", Value="hidden", Type="SecureString")


def _botocore_client(service: str, url: str) -> Any:
    """A botocore client. Any: botocore makes its types at run time."""
    return Session().create_client(
        service,
        region_name="us-east-1",
        endpoint_url=url,
        aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
        aws_secret_access_key="secret",
    )


class Caller:
    """dsops' client with one of the drivers."""

    def __init__(self, url: str, transport: str) -> None:
        self._url = url
        self._driver = open_driver({"DSOPS_TRANSPORT": transport})
        self.client: Client = make_client(make_runtime(now=lambda: datetime.now(UTC)))

    def at(self, service: str) -> Endpoint:
        """moto as the endpoint of a service."""
        return resolve_endpoint(service, "us-east-1", {}, endpoint_url=self._url)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run the coroutine and return its result."""
        return run(work, self._driver)


@pytest.fixture(params=["pycurl", "urllib3"])
def caller(request: pytest.FixtureRequest, moto_url: str) -> Caller:
    """A caller for each driver in turn."""
    return Caller(moto_url, request.param)


def test_secrets(caller: Caller) -> None:
    """Text and binary secrets are read by name, by ARN and by ARN without suffix."""
    endpoint = caller.at("secretsmanager")
    text = caller.run(get_secret_value(caller.client, KEYS, endpoint, "prod/db"))
    assert text.value.reveal() == '{"password": "p\u00e4ss"}'
    binary = caller.run(get_secret_value(caller.client, KEYS, endpoint, "prod/key"))
    assert binary.value.reveal_bytes() == b"\x00\xff"
    again = [
        *(get_secret_value(caller.client, KEYS, endpoint, secret_id) for secret_id in (text.arn, text.arn[:-7])),
        get_secret_value(caller.client, KEYS, endpoint, "prod/db", version_stage="AWSCURRENT"),
        get_secret_value(caller.client, KEYS, endpoint, "prod/db", text.version_id),
    ]
    answers = [caller.run(entry) for entry in again]
    assert len({text.request_id, *(answer.request_id for answer in answers)}) == 5
    assert {text} == {answer._replace(request_id=text.request_id) for answer in answers}


def test_secrets_that_are_not_to_be_had(caller: Caller) -> None:
    """Reading a missing secret, or one that is scheduled for deletion, is an error."""
    endpoint = caller.at("secretsmanager")
    with pytest.raises(SecretNotFound):
        caller.run(get_secret_value(caller.client, KEYS, endpoint, "nowhere"))
    with pytest.raises(SecretDeleted):
        caller.run(get_secret_value(caller.client, KEYS, endpoint, "old"))


def test_a_batch_of_secrets(caller: Caller) -> None:
    """Several secrets are read in a batch."""
    endpoint = caller.at("secretsmanager")
    batch = caller.run(batch_get_secret_value(caller.client, KEYS, endpoint, ["prod/key", "prod/db"]))
    assert batch.errors == {}
    assert batch.values["prod/db"].value.reveal() == '{"password": "p\u00e4ss"}'
    assert batch.values["prod/key"].value.reveal_bytes() == b"\x00\xff"


def test_parameters(caller: Caller) -> None:
    """Parameters are read in plain text, decrypted and by version; a missing parameter is reported."""
    names = ["/prod/host", "/prod/host:1", "token", "missing"]
    result = caller.run(get_parameters(caller.client, KEYS, caller.at("ssm"), names))
    found = {name: parameter.value.reveal() for name, parameter in result.found.items()}
    assert found == {"/prod/host": "second", "/prod/host:1": "first", "token": "hidden"}
    assert result.invalid == ("missing",)
    assert result.found["token"].type == "SecureString"


def test_queries(caller: Caller) -> None:
    """Athena queries are started, polled, read (header row, NULL) and stopped; unknown workgroups are errors."""
    columns = [{"Name": name, "Label": name, "Type": "varchar"} for name in ("name", "calls")]
    cells: list[list[str | None]] = [["name", "calls"], ["AssumeRole", "12"], [None, "1"]]
    rows = [{"Data": [{} if cell is None else {"VarCharValue": cell} for cell in row]} for row in cells]
    moto_api_backend.set_athena_result(rows, columns, "123456789012", "us-east-1")
    api = Athena(
        caller.client, KEYS, caller.at("athena"), "primary", "default", "AwsDataCatalog", "s3://bucket/prefix/"
    )
    query = AthenaQuery(api, SAVED, "SELECT 1", table="cloudtrail_logs", caller="ada")

    answer = caller.run(query.run(timeout_seconds=30))
    assert (answer.rows, query.scanned_bytes, query.is_under_way) == ((("AssumeRole", 12), (None, 1)), 0, False)
    other = caller.run(start_query_execution(api, "SELECT 2", "u" * 32))
    caller.run(stop_query_execution(api, other))
    assert caller.run(get_query_execution(api, other)).state == "cancelled"
    with pytest.raises(QueryRefused, match="Athena has no workgroup nowhere here"):
        caller.run(start_query_execution(api._replace(workgroup="nowhere"), "SELECT 1", "t" * 32))


def test_sts(caller: Caller) -> None:
    """AssumeRole, GetSessionToken and GetCallerIdentity return what moto's STS issues."""
    endpoint = caller.at("sts")
    role = caller.run(
        assume_role(
            caller.client,
            KEYS,
            endpoint,
            role_arn="arn:aws:iam::123456789012:role/path/Deploy",
            role_session_name="test",
            duration_seconds=900,
            tags=(("team", "blue"),),
        )
    )
    assert role.credentials.arn == "arn:aws:sts::123456789012:assumed-role/Deploy/test"
    assert role.credentials.is_fresh(caller.client.runtime.now())
    assert caller.run(get_caller_identity(caller.client, role.credentials, endpoint)).account == "123456789012"
    assert caller.run(get_session_token(caller.client, KEYS, endpoint)).is_temporary


def test_sts_for_others_than_roles(caller: Caller) -> None:
    """STS calls for federated users, web identities, SAML and contexts succeed and return the right names."""
    endpoint, client = caller.at("sts"), caller.client
    guest = caller.run(
        get_federation_token(client, KEYS, endpoint, name="guest", duration_seconds=900, policy='{"Statement":[]}')
    )
    assert guest.arn == "arn:aws:sts::123456789012:federated-user/guest"
    role_arn = "arn:aws:iam::123456789012:role/Deploy"
    response = b2a_base64(ASSERTION.encode(), newline=False).decode()
    company = caller.run(
        assume_role_with_saml(
            client,
            endpoint,
            role_arn=role_arn,
            principal_arn="arn:aws:iam::123456789012:saml-provider/Company",
            assertion=Secret(response),
            duration_seconds=900,
        )
    )
    assert company.credentials.arn == "arn:aws:sts::123456789012:assumed-role/Deploy/alice"
    job = caller.run(
        assume_role_with_web_identity(
            client, endpoint, role_arn=role_arn, role_session_name="job", token=Secret("a.b.c"), duration_seconds=900
        )
    )
    assert job.credentials.arn == "arn:aws:sts::123456789012:assumed-role/Deploy/job"
    known_names = caller.run(
        assume_role(
            client,
            KEYS,
            endpoint,
            role_arn=role_arn,
            role_session_name="known",
            provided_contexts=(("arn:aws:iam::aws:contextProvider/IdentityCenter", Secret("assertion")),),
        )
    )
    assert known_names.credentials.is_temporary


def test_a_root_task_is_as_in_the_service_model() -> None:
    """AssumeRoot's request equals botocore's serialization (it is not sent, because moto lacks the operation)."""
    model = Session().get_service_model("sts").operation_model("AssumeRoot")
    task = "arn:aws:iam::aws:policy/root-task/S3UnlockBucketPolicy"
    request_asked = {"TargetPrincipal": "222222222222", "TaskPolicyArn": {"arn": task}, "DurationSeconds": 600}
    expected_values = create_serializer("query").serialize_to_request(request_asked, model)["body"]
    sent: list[dict[str, str]] = []

    def keep(seen: Seen) -> Answer:
        sent.append(dict(parse_qsl(seen.body.decode())))
        error = b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>"
        return Answer(403, b"<ErrorResponse>%s</ErrorResponse>" % error)

    with StubServer(keep) as server:
        caller = Caller(server.url, "pycurl")
        call = assume_root(
            caller.client,
            KEYS,
            caller.at("sts"),
            target_principal="222222222222",
            task_policy_arn=task,
            duration_seconds=600,
        )
        with pytest.raises(DsopsError):
            caller.run(call)
    assert sent == [{name: str(value) for name, value in expected_values.items()}]

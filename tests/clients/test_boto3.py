"""Unchanged boto3 against the sandbox; only its endpoint is set."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import boto3
import pytest
from botocore.exceptions import ClientError

from dsops.sandbox.control.launch import identity_variables, open_server
from dsops.sandbox.control.server import SandboxServer
from dsops.sandbox.seed.file import read_seed
from dsops.sandbox.sts.totp import code_at
from tests.unit.sandbox.conftest import SEED

JUMP = "arn:aws:iam::111111111111:role/team/Jump"
TARGET = "arn:aws:iam::222222222222:role/Target"
EXTERNAL_ID = "unique-customer-id-12345"


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    """A sandbox with two accounts, a jump role, and a target role that asks for an external ID."""
    with open_server(read_seed(SEED, "seed.yaml")) as running:
        yield running


def session_of(server: SandboxServer, name: str) -> boto3.Session:
    """A boto3 session with a user's keys."""
    variables = identity_variables(server, name)
    return boto3.Session(variables["AWS_ACCESS_KEY_ID"], variables["AWS_SECRET_ACCESS_KEY"], region_name="us-east-1")


def client(server: SandboxServer, session: boto3.Session, service: str) -> Any:  # boto3 ships no types
    """A boto3 client whose endpoint is the sandbox."""
    return session.client(service, endpoint_url=server.url)


def assumed(server: SandboxServer, session: boto3.Session, role: str, **more: object) -> boto3.Session:
    """A boto3 session of the assumed role."""
    answer = client(server, session, "sts").assume_role(RoleArn=role, RoleSessionName="s1", **more)
    credentials = answer["Credentials"]
    return boto3.Session(
        credentials["AccessKeyId"], credentials["SecretAccessKey"], credentials["SessionToken"], "us-east-1"
    )


def test_a_secret_is_read_through_two_roles(server: SandboxServer) -> None:
    """A role assumed through a jump role, with the right external ID, reads its own secret and no other."""
    jump = assumed(server, session_of(server, "alice"), JUMP)

    with pytest.raises(ClientError, match=r"\(AccessDenied\)"):
        assumed(server, jump, TARGET)
    target = assumed(server, jump, TARGET, ExternalId=EXTERNAL_ID)
    secrets = client(server, target, "secretsmanager")
    assert secrets.get_secret_value(SecretId="prod/db")["SecretString"] == '{"password":"invented"}'
    with pytest.raises(ClientError, match=r"\(AccessDeniedException\).*is not authorized to perform"):
        secrets.get_secret_value(SecretId="dev/db")


def test_modelled_exceptions_are_raised(server: SandboxServer) -> None:
    """Errors are raised as boto3's modelled exception classes, which programs catch by name."""
    admin = session_of(server, "admin")
    secrets, iam = client(server, admin, "secretsmanager"), client(server, admin, "iam")

    with pytest.raises(secrets.exceptions.ResourceNotFoundException):
        secrets.get_secret_value(SecretId="none")
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        iam.get_role(RoleName="None")
    with pytest.raises(iam.exceptions.MalformedPolicyDocumentException):
        iam.create_policy(PolicyName="p", PolicyDocument="{}")
    sts = client(server, admin, "sts")
    with pytest.raises(sts.exceptions.MalformedPolicyDocumentException):
        sts.assume_role(RoleArn=JUMP, RoleSessionName="s1", Policy="{}")


def test_mfa(server: SandboxServer) -> None:
    """GetSessionToken accepts an MFA code once and rejects the code the second time."""
    sts = client(server, session_of(server, "alice"), "sts")
    serial = "arn:aws:iam::111111111111:mfa/alice"
    code = code_at("JBSWY3DPEHPK3PXP", server.sandbox.clock.now())

    assert sts.get_session_token(SerialNumber=serial, TokenCode=code)["Credentials"]["SessionToken"]
    with pytest.raises(ClientError, match="invalid MFA one time pass code"):
        sts.get_session_token(SerialNumber=serial, TokenCode=code)


def test_paginators_and_waiters(server: SandboxServer) -> None:
    """boto3's paginators and waiters work with the sandbox's answers."""
    admin = session_of(server, "admin")
    secrets, iam = client(server, admin, "secretsmanager"), client(server, admin, "iam")
    for number in range(12):
        secrets.create_secret(Name=f"many/{number}", SecretString=str(number))

    pages = secrets.get_paginator("list_secrets").paginate(PaginationConfig={"PageSize": 5})
    assert len({secret["Name"] for page in pages for secret in page["SecretList"]}) == 12
    iam.create_user(UserName="carol")
    iam.get_waiter("user_exists").wait(UserName="carol", WaiterConfig={"Delay": 1, "MaxAttempts": 1})
    batch = secrets.batch_get_secret_value(SecretIdList=[f"many/{number}" for number in range(12)])
    assert [value["SecretString"] for value in batch["SecretValues"]] == [str(number) for number in range(12)]


def test_a_presigned_call_works_until_it_expires(server: SandboxServer) -> None:
    """A presigned GetCallerIdentity URL (as EKS and Vault use it) works until it expires; a changed URL is rejected."""
    sts = client(server, session_of(server, "alice"), "sts")
    url = sts.generate_presigned_url("get_caller_identity", ExpiresIn=60, HttpMethod="GET")

    with urlopen(url) as answer:
        assert b"user/alice" in answer.read()
    with pytest.raises(HTTPError) as caught, urlopen(url.replace("GetCallerIdentity", "GetSessionToken")):
        pass
    with caught.value:
        assert caught.value.code == 403


def test_parameters(server: SandboxServer) -> None:
    """SSM parameters are written, read decrypted and listed by path."""
    ssm = client(server, session_of(server, "admin"), "ssm")
    ssm.put_parameter(Name="/app/db", Value="hidden", Type="SecureString")

    assert ssm.get_parameter(Name="/app/db", WithDecryption=True)["Parameter"]["Value"] == "hidden"
    assert ssm.get_parameter(Name="/app/db")["Parameter"]["Value"] != "hidden"
    parameters = ssm.get_parameters_by_path(Path="/app", Recursive=True, WithDecryption=True)["Parameters"]
    assert [parameter["Name"] for parameter in parameters] == ["/app/db"]


def test_a_refreshing_role_profile_of_boto3(
    server: SandboxServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    """A boto3 profile with `role_arn`, `source_profile` and `external_id` assumes both roles by itself."""
    variables = identity_variables(server, "alice")
    config = tmp_path / "config"
    config.write_text(
        f"[profile base]\naws_access_key_id = {variables['AWS_ACCESS_KEY_ID']}\n"
        f"aws_secret_access_key = {variables['AWS_SECRET_ACCESS_KEY']}\n"
        f"[profile jump]\nrole_arn = {JUMP}\nsource_profile = base\n"
        f"[profile target]\nrole_arn = {TARGET}\nsource_profile = jump\nexternal_id = {EXTERNAL_ID}\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)

    session = boto3.Session(profile_name="target", region_name="us-east-1")

    arn = session.client("sts").get_caller_identity()["Arn"]
    assert arn.startswith("arn:aws:sts::222222222222:assumed-role/Target/")


def test_a_denied_call_is_looked_up_by_its_authorization_id() -> None:
    """boto3 reads the details of a denied call by its authorization ID; the policy in the answer is a JSON document."""
    seed = "authorization_ids: [sts]\n" + SEED.lstrip()
    with open_server(read_seed(seed, "seed.yaml")) as server:
        jump = assumed(server, session_of(server, "alice"), JUMP)
        with pytest.raises(ClientError, match="authorization id: ") as refused:
            client(server, session_of(server, "bob"), "sts").assume_role(RoleArn=JUMP, RoleSessionName="s1")
        authorization_id = str(refused.value).rpartition("authorization id: ")[2]
        toolbox = client(server, session_of(server, "admin@111111111111"), "iam-toolbox")
        pages = list(
            toolbox.get_paginator("get_request_authorization_details").paginate(authorizationId=authorization_id)
        )
        [check] = [each for each in pages[0]["evaluations"][0]["checks"] if each["evaluatedEffect"] == "IMPLICIT_DENY"]
        [trust] = [policy for policy in pages[0]["policies"] if policy["type"] == "RESOURCE_BASED_POLICY"]
        document = toolbox.get_request_authorization_policy(authorizationId=authorization_id, policyUri=trust["uri"])[
            "policyDocument"
        ]
        with pytest.raises(toolbox.exceptions.ResourceNotFoundException):
            toolbox.get_request_authorization_details(authorizationId="1a2b3c")
        with pytest.raises(client(server, jump, "iam-toolbox").exceptions.AccessDeniedException):
            client(server, jump, "iam-toolbox").get_request_authorization_details(authorizationId=authorization_id)

    assert check["checkType"] == "PRINCIPAL"
    assert document["Statement"]["Principal"] == {"AWS": "arn:aws:iam::111111111111:root"}

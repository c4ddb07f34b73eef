"""Every source of base credentials that botocore knows, read by the real child process from servers on loopback."""

from __future__ import annotations

import hashlib
import json
from importlib.util import find_spec

import pytest

from dsops.aws.identity.ambient import passed_over
from dsops.aws.identity.ambient_advice import CredentialLookup, source_text
from dsops.errors import AmbientFailed, NoCredentials
from dsops.extras import install_packages
from tests.stubs.aws import assume_role_answer, parameters_of, sts_error
from tests.stubs.server import Answer, Seen, StubServer
from tests.unit.aws.profiles import World

LATER = "2099-01-01T00:00:00Z"
BASE = "[base]\naws_access_key_id = AKIABASE\naws_secret_access_key = s\n"
ROLE = "arn:aws:iam::123456789012:role/Deploy"
IDENTITY_CENTER = (
    "[sso-session corp]\nsso_start_url = https://corp.awsapps.com/start\nsso_region = eu-central-1\n"
    "sso_registration_scopes = sso:account:access\n"
    "[profile ada]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = Dev\n"
)


def keys(key_id: str) -> Answer:
    """A container service's answer with this key id."""
    body = {"AccessKeyId": key_id, "SecretAccessKey": "s", "Token": "t", "Expiration": LATER}
    return Answer(body=json.dumps({**body, "Code": "Success", "Type": "AWS-HMAC", "LastUpdated": LATER}).encode())


class Instance:
    """An EC2 instance metadata service: version 2 demands a token obtained by PUT."""

    def __init__(self, *, has_tokens: bool = True) -> None:
        self.has_tokens = has_tokens

    def __call__(self, seen: Seen) -> Answer:
        """Answer one request."""
        if seen.method == "PUT":
            return Answer(body=b"the-token") if self.has_tokens else Answer(status=403)
        if self.has_tokens and seen.header("x-aws-ec2-metadata-token") != "the-token":
            return Answer(status=401)
        if seen.target.rstrip("/") == "/latest/meta-data/iam/security-credentials":
            return Answer(body=b"WebServer")
        return keys("ASIAINSTANCE") if seen.target.endswith("/WebServer") else Answer(status=404)


# --- profiles -----------------------------------------------------------------------------------------------


def test_a_role_through_three_profiles(world: World) -> None:
    """A chain of three profiles assumes both roles; the reported source names the profile and its source."""
    world.config(
        f"[profile far]\nrole_arn = {ROLE}\nsource_profile = near\n"
        f"[profile near]\nrole_arn = arn:aws:iam::123456789012:role/Jump\nsource_profile = base\n"
    )
    world.credentials(BASE)
    with StubServer(lambda _: assume_role_answer(expiration=LATER)) as server:
        credentials = world.load("far", AWS_ENDPOINT_URL_STS=server.url)
    assert [parameters_of(request)["RoleArn"].rpartition("/")[2] for request in server.seen] == ["Jump", "Deploy"]
    assert credentials.source == "profile far (a role, from profile near)"


def test_a_role_from_keys_of_its_own_profile(world: World) -> None:
    """If `source_profile` names the profile itself, the profile's own keys sign."""
    world.config(f"[profile self]\nrole_arn = {ROLE}\nsource_profile = self\n")
    world.credentials(BASE.replace("base", "self"))
    with StubServer(lambda _: assume_role_answer(expiration=LATER)) as server:
        assert world.load("self", AWS_ENDPOINT_URL_STS=server.url).source == "profile self (a role, from its own keys)"


@pytest.mark.parametrize(
    ("credential_source", "words"),
    [
        ("Environment", "environment"),
        ("EcsContainer", "the container's role"),
        ("Ec2InstanceMetadata", "the instance's role"),
    ],
)
def test_a_role_from_a_credential_source(world: World, credential_source: str, words: str) -> None:
    """With `credential_source`, credentials of the environment, container or instance assume the profile's role."""
    world.config(f"[profile role]\nrole_arn = {ROLE}\ncredential_source = {credential_source}\n")
    with (
        StubServer(lambda _: assume_role_answer(expiration=LATER)) as sts,
        StubServer(lambda _: keys("ASIACONTAINER")) as container,
        StubServer(Instance()) as instance,
    ):
        credentials = world.load(
            "role",
            AWS_ENDPOINT_URL_STS=sts.url,
            AWS_ACCESS_KEY_ID="AKIAENVIRONMENT",
            AWS_SECRET_ACCESS_KEY="s",
            AWS_CONTAINER_CREDENTIALS_FULL_URI=f"{container.url}/creds",
            AWS_EC2_METADATA_DISABLED="false",
            AWS_EC2_METADATA_SERVICE_ENDPOINT=instance.url,
        )
    signers = {"Environment": "AKIAENVIRONMENT", "EcsContainer": "ASIACONTAINER", "Ec2InstanceMetadata": "ASIAINSTANCE"}
    assert f"Credential={signers[credential_source]}/" in sts.seen[0].header("authorization")
    assert credentials.source == f"profile role (a role, from {words})"


def _logged_in(world: World, *, token: str = "the-login") -> None:
    """Write the token cache of `aws sso login`."""
    cache = world.home / ".aws" / "sso" / "cache"
    cache.mkdir(parents=True)
    login = {"startUrl": "https://corp.awsapps.com/start", "region": "eu-central-1", "accessToken": token}
    name = hashlib.sha1(b"corp", usedforsecurity=False).hexdigest()
    (cache / f"{name}.json").write_text(json.dumps({**login, "expiresAt": LATER}))


def test_identity_center(world: World) -> None:
    """A login by `aws sso login` provides credentials; the reported source has the profile and the sso-session."""
    world.config(IDENTITY_CENTER)
    _logged_in(world)
    role = {"accessKeyId": "ASIASSO", "secretAccessKey": "s", "sessionToken": "t", "expiration": 4070908800000}
    with StubServer(lambda _: Answer(body=json.dumps({"roleCredentials": role}).encode())) as portal:
        credentials = world.load("ada", AWS_ENDPOINT_URL_SSO=portal.url)
    assert portal.seen[0].header("x-amz-sso_bearer_token") == "the-login"
    assert (credentials.access_key_id, credentials.source) == (
        "ASIASSO",
        "profile ada (IAM Identity Center, session corp)",
    )


def test_identity_center_rejects_the_login(world: World) -> None:
    """If Identity Center rejects the login, the error's hint is the `aws sso login` command."""
    world.config(IDENTITY_CENTER)
    _logged_in(world)
    refusal = Answer(
        status=401,
        body=b'{"message": "Session token not found or invalid"}',
        headers=(("x-amzn-ErrorType", "UnauthorizedException"),),
    )
    with StubServer(lambda _: refusal) as portal:
        error = world.failure("ada", AWS_ENDPOINT_URL_SSO=portal.url)
    assert isinstance(error, AmbientFailed)
    assert error.hint == "run `aws sso login --profile ada`"


def test_identity_center_without_its_session(world: World) -> None:
    """A profile whose sso-session section is missing is an error that names the session."""
    world.config(IDENTITY_CENTER.replace("[sso-session corp]", "[sso-session other]"))
    error = world.failure("ada")
    assert isinstance(error, AmbientFailed)
    assert 'sso-session does not exist: "corp"' in error.why


def _aws_login(world: World) -> dict[str, str]:
    """Write the cache of `aws login`; return the variables that point to it."""
    session = "arn:aws:iam::123456789012:user/ada"
    world.config(f"[profile ada]\nlogin_session = {session}\n")
    cache = world.home / "logins"
    cache.mkdir()
    access = {"accessKeyId": "ASIALOGIN", "secretAccessKey": "s", "sessionToken": "t", "accountId": "123456789012"}
    login = {"accessToken": {**access, "expiresAt": LATER}, "refreshToken": "r", "dpopKey": "k", "clientId": "c"}
    (cache / f"{hashlib.sha256(session.encode()).hexdigest()}.json").write_text(json.dumps(login))
    return {"AWS_LOGIN_CACHE_DIRECTORY": str(cache)}


@pytest.mark.skipif(find_spec("awscrt") is None, reason="botocore's `aws login` needs awscrt, which is not installed")
def test_aws_login(world: World) -> None:
    """A login by `aws login` provides credentials."""
    credentials = world.load("ada", **_aws_login(world))
    assert (credentials.access_key_id, credentials.source) == ("ASIALOGIN", "profile ada (`aws login`)")


@pytest.mark.skipif(find_spec("awscrt") is None, reason="botocore's `aws login` needs awscrt, which is not installed")
def test_aws_login_that_is_not_there(world: World) -> None:
    """Without a login by `aws login`, the error's hint is that command."""
    world.config("[profile ada]\nlogin_session = arn:aws:iam::123456789012:user/ada\n")
    assert world.failure("ada").hint == "run `aws login --profile ada`"


@pytest.mark.skipif(find_spec("awscrt") is not None, reason="awscrt is installed")
def test_aws_login_without_what_it_needs(world: World) -> None:
    """If botocore lacks its `crt` extra, the error's hint is the package to install."""
    assert install_packages("botocore[crt]") in world.failure("ada", **_aws_login(world)).hint


def test_a_web_identity_of_a_profile(world: World) -> None:
    """A profile with `web_identity_token_file` gets its role by AssumeRoleWithWebIdentity."""
    (world.folder / "token").write_text("a.b.c")
    world.config(f"[profile pod]\nrole_arn = {ROLE}\nweb_identity_token_file = {world.folder / 'token'}\n")
    answer = assume_role_answer(expiration=LATER, action="AssumeRoleWithWebIdentity")
    with StubServer(lambda _: answer) as server:
        credentials = world.load("pod", AWS_ENDPOINT_URL_STS=server.url)
    assert parameters_of(server.seen[0])["WebIdentityToken"] == "a.b.c"
    assert credentials.source == "profile pod (a web identity token)"


def test_a_web_identity_of_the_environment(world: World) -> None:
    """On EKS the environment's token file and role are used; the reported source is the variable, not a profile."""
    (world.folder / "token").write_text("a.b.c")
    variables = {"AWS_ROLE_ARN": ROLE, "AWS_WEB_IDENTITY_TOKEN_FILE": str(world.folder / "token")}
    answer = assume_role_answer(expiration=LATER, action="AssumeRoleWithWebIdentity")
    with StubServer(lambda _: answer) as server:
        credentials = world.load(AWS_ENDPOINT_URL_STS=server.url, **variables)
    assert credentials.source == "the web identity token of AWS_WEB_IDENTITY_TOKEN_FILE"


def test_a_web_identity_of_the_environment_is_no_profile(world: World) -> None:
    """A named profile without credentials is an error; the pod's web identity is not used in its place."""
    (world.folder / "token").write_text("a.b.c")
    world.config("[profile work]\nregion = eu-west-1\n")
    variables = {"AWS_ROLE_ARN": ROLE, "AWS_WEB_IDENTITY_TOKEN_FILE": str(world.folder / "token")}
    assert isinstance(world.failure("work", **variables), NoCredentials)


def test_a_web_identity_that_is_refused(world: World) -> None:
    """If the environment's web identity is refused, the error names role and token file but no profile."""
    (world.folder / "token").write_text("a.b.c")
    variables = {"AWS_ROLE_ARN": ROLE, "AWS_WEB_IDENTITY_TOKEN_FILE": str(world.folder / "token")}
    refusal = sts_error("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
    with StubServer(lambda _: refusal) as server:
        error = world.failure(AWS_ENDPOINT_URL_STS=server.url, **variables)
    assert error.message == f"could not get the role in AWS_ROLE_ARN ({ROLE})"
    assert str(world.folder / "token") in error.hint


def test_a_web_identity_without_its_file(world: World) -> None:
    """If the web identity token file is missing, the error names the file."""
    error = world.failure(AWS_ROLE_ARN=ROLE, AWS_WEB_IDENTITY_TOKEN_FILE="/nowhere/token")
    assert error.message == f"could not get the role in AWS_ROLE_ARN ({ROLE})"
    assert error.why == "no such file or directory: '/nowhere/token'"


def test_keys_of_boto_2(world: World) -> None:
    """Keys in boto 2's config file, which botocore still reads, are used; the reported source is that file."""
    (world.home / "boto.cfg").write_text("[Credentials]\naws_access_key_id = AKIABOTO\naws_secret_access_key = s\n")
    credentials = world.load(BOTO_CONFIG=str(world.home / "boto.cfg"))
    assert (credentials.access_key_id, credentials.source) == ("AKIABOTO", "boto's own config file")


def test_keys_of_a_profile_in_the_config_file(world: World) -> None:
    """Keys of a profile in the config file are used, and the reported source is that file."""
    world.config("[profile work]\naws_access_key_id = AKIAWORK\naws_secret_access_key = s\n")
    assert world.load("work").source == "profile work (the config file)"


# --- containers and instances -------------------------------------------------------------------------------


def test_a_pod_of_eks(world: World) -> None:
    """EKS Pod Identity reads the token file again for each request."""
    folder = world.folder / "pods.eks.amazonaws.com" / "serviceaccount"
    folder.mkdir(parents=True)
    token = folder / "eks-pod-identity-token"
    with StubServer(lambda _: keys("ASIAPOD")) as server:
        variables = {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{server.url}/v1/credentials",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(token),
        }
        for text in ("first", "second"):
            token.write_text(text)
            credentials = world.load(**variables)
            assert (credentials.access_key_id, credentials.source) == (
                "ASIAPOD",
                "the container's role (EKS Pod Identity)",
            )
    assert [request.header("authorization") for request in server.seen] == ["first", "second"]


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        (
            {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/1"},
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI, as on ECS",
        ),
        ({"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/v1/credentials"}, "EKS Pod Identity"),
        ({"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://[fd00:ec2::23]/v1/credentials"}, "EKS Pod Identity"),
        ({"AWS_CONTAINER_CREDENTIALS_FULL_URI": "https://agent.example:8443/x?role=a"}, "at agent.example:8443"),
    ],
)
def test_addresses_that_are_not_this_machines(environ: dict[str, str], words: str) -> None:
    """The reported source says whether a container's role comes from ECS, EKS Pod Identity or another address."""
    assert (
        source_text(CredentialLookup(environ, "/", ""), {"method": "container-role"})
        == f"the container's role ({words})"
    )


def test_a_pod_whose_token_is_gone(world: World) -> None:
    """If the EKS pod's token file is missing, the error names the file."""
    error = world.failure(
        AWS_CONTAINER_CREDENTIALS_FULL_URI="http://127.0.0.1:9/v1/credentials",
        AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE="/nowhere/token",
    )
    assert isinstance(error, AmbientFailed)
    assert "/nowhere/token" in error.why


def test_a_container_service_that_answers_an_error(world: World) -> None:
    """If the container service returns an error, the message names the service's address and no profile."""
    with StubServer(lambda _: Answer(status=400, body=b"no")) as server:
        error = world.failure(AWS_CONTAINER_CREDENTIALS_FULL_URI=f"{server.url}/creds")
    assert error.message == "could not get the container's role"
    assert f"{server.url}/creds" in error.hint


def test_an_instance(world: World) -> None:
    """An instance's role is read by IMDSv2 at the address that the environment names."""
    with StubServer(Instance()) as server:
        variables = {"AWS_EC2_METADATA_DISABLED": "false", "AWS_EC2_METADATA_SERVICE_ENDPOINT": server.url}
        credentials = world.load(**variables)
    assert [request.method for request in server.seen] == ["PUT", "GET", "GET"]
    assert (credentials.access_key_id, credentials.source) == ("ASIAINSTANCE", "the instance's role")


def test_an_instance_by_the_config_file(world: World) -> None:
    """The instance's address can come from `ec2_metadata_service_endpoint` in the config file."""
    with StubServer(Instance()) as server:
        world.config(
            f"[default]\nec2_metadata_service_endpoint = {server.url}\nmetadata_service_timeout = 5\n"
            "metadata_service_num_attempts = 2\n"
        )
        credentials = world.load(AWS_EC2_METADATA_DISABLED="false")
    assert credentials.access_key_id == "ASIAINSTANCE"


def test_imdsv1_only_if_not_disabled(world: World) -> None:
    """IMDSv1 (without token) is used only if AWS_EC2_METADATA_V1_DISABLED does not forbid it."""
    with StubServer(Instance(has_tokens=False)) as server:
        variables = {"AWS_EC2_METADATA_DISABLED": "false", "AWS_EC2_METADATA_SERVICE_ENDPOINT": server.url}
        assert world.load(**variables).access_key_id == "ASIAINSTANCE"
        error = world.failure(**variables, AWS_EC2_METADATA_V1_DISABLED="true")
    assert isinstance(error, AmbientFailed)
    assert error.message == "could not get the instance's role"
    assert "IMDSv1 has been disabled" in error.why
    assert "hop limit" in error.hint


def test_an_instance_without_a_role(world: World) -> None:
    """On an instance without a role no credentials are found, and the error lists the sources that were tried."""
    with StubServer(lambda _: Answer(status=404)) as server:
        error = world.failure(AWS_EC2_METADATA_DISABLED="false", AWS_EC2_METADATA_SERVICE_ENDPOINT=server.url)
    assert isinstance(error, NoCredentials)
    assert "the instance's role (no metadata service gives one)" in error.why


# --- order --------------------------------------------------------------------------------------------------


def test_a_container_comes_before_the_instance_and_a_profile_before_both(world: World) -> None:
    """A profile takes precedence over a container's role, and a container's role over an instance's, as in botocore."""
    with StubServer(lambda _: keys("ASIACONTAINER")) as container, StubServer(Instance()) as instance:
        variables = {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{container.url}/creds",
            "AWS_EC2_METADATA_DISABLED": "false",
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": instance.url,
        }
        assert world.load(**variables).access_key_id == "ASIACONTAINER"
        world.credentials(BASE.replace("base", "default"))
        assert world.load(**variables).access_key_id == "AKIABASE"
    assert instance.connections == 0


def test_settings_of_a_profile_without_credentials_are_listed(world: World) -> None:
    """If a profile has no credentials, the error lists the names of its settings (no values) and missing files."""
    world.config("[default]\nregion = eu-west-1\ncli_pager =\n")
    error = world.failure()
    files = "~/.aws/config and ~/.aws/credentials (no such file)"
    assert f"profile `default` in {files}, which has only cli_pager, region" in error.why
    assert "eu-west-1" not in error.why


def test_a_profile_passed_over_for_keys_is_named() -> None:
    """`passed_over` names AWS_PROFILE, otherwise AWS_DEFAULT_PROFILE, if keys in the environment override it."""
    assert passed_over({"AWS_PROFILE": "ada"}) == ("AWS_PROFILE=ada is ignored: keys in the environment override it")
    assert passed_over({"AWS_DEFAULT_PROFILE": "old"}).startswith("AWS_DEFAULT_PROFILE=old")
    assert passed_over({"AWS_PROFILE": ""}) == ""

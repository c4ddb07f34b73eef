"""Every AWS client that programs use, against `dsops sandbox serve`; only the endpoint is set."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import boto3
import pytest

from dsops.sandbox.control.client import client_variables
from tests.children import Child
from tests.clients.conversation import Conversation, Pairs, Refused
from tests.clients.sdks import SDKS
from tests.installed import OUTSIDE, ToolMissingError
from tests.stubs.amazon import amazon

# The first run installs and compiles a client before its first test.
pytestmark = pytest.mark.timeout(600)

BIN = Path(sys.executable).parent
JUMP = "arn:aws:iam::111111111111:role/Jump"
TARGET = "arn:aws:iam::222222222222:role/Target"
TAGGED = "arn:aws:iam::222222222222:role/Tagged"
DEPLOY = "arn:aws:iam::222222222222:role/Deploy"
ALICE = {"key_id": "AKIAALICEALICEALICE0", "secret": "alice-has-a-secret-key-of-forty-letters"}
ADMIN = {"key_id": "AKIAADMINADMINADMIN0", "secret": "admin-has-a-secret-key-of-forty-letters"}
BUCKET = "things-of-222222222222"
TOPIC = "arn:aws:sns:us-east-1:222222222222:news"
ONLY_TO_AMAZON = ("aws-cli-2",)
"""Clients whose role providers ignore --endpoint-url: for them a proxy routes AWS's host names to the sandbox.

Debian's AWS CLI 2.9 is older than AWS_ENDPOINT_URL.
"""
EXTERNAL_ID = "unique-customer-id-12345"
SEED = f"""
accounts:
  "111111111111":
    users:
      alice:
        access_key_id: {ALICE["key_id"]}
        secret_access_key: {ALICE["secret"]}
        policies:
        - Version: "2012-10-17"
          Statement:
          - {{Effect: Allow, Action: ["sts:AssumeRole", "sts:TagSession"], Resource: "*"}}
          - {{Effect: Allow, Action: ["iam:GetRole", "iam:CreateRole"], Resource: "*"}}
    roles:
      Jump:
        trust:
          Version: "2012-10-17"
          Statement: {{Effect: Allow, Principal: {{AWS: "111111111111"}}, Action: sts:AssumeRole}}
        policies:
        - {{Version: "2012-10-17", Statement: {{Effect: Allow, Action: "sts:AssumeRole", Resource: "{TARGET}"}}}}
  "222222222222":
    users:
      admin: {{access_key_id: {ADMIN["key_id"]}, secret_access_key: {ADMIN["secret"]}}}
    oidc_providers:
    - {{url: "https://token.actions.githubusercontent.com", client_ids: [sts.amazonaws.com], issued_by_sandbox: true}}
    roles:
      Target:
        trust:
          Version: "2012-10-17"
          Statement:
            Effect: Allow
            Principal: {{AWS: "{JUMP}"}}
            Action: sts:AssumeRole
            Condition: {{StringEquals: {{"sts:ExternalId": {EXTERNAL_ID}}}}}
        policies: &reads
        - Version: "2012-10-17"
          Statement:
          - Effect: Allow
            Action: secretsmanager:GetSecretValue
            Resource: ["arn:aws:secretsmanager:*:*:secret:prod/*", "arn:aws:secretsmanager:*:*:secret:none*"]
          - Effect: Allow
            Action: ssm:GetParameter
            Resource: ["arn:aws:ssm:*:*:parameter/prod/*", "arn:aws:ssm:*:*:parameter/none"]
          - {{Effect: Allow, Action: ["s3:GetObject", "s3:PutObject"], Resource: "arn:aws:s3:::{BUCKET}/prod/*"}}
          - {{Effect: Allow, Action: "s3:ListBucket", Resource: "arn:aws:s3:::{BUCKET}"}}
          - Effect: Allow
            Action: ["dynamodb:PutItem", "dynamodb:GetItem"]
            Resource: ["arn:aws:dynamodb:us-east-1:222222222222:table/things", "arn:aws:dynamodb:*:*:table/none"]
          - {{Effect: Allow, Action: "sqs:*", Resource: "arn:aws:sqs:us-east-1:222222222222:work"}}
          - {{Effect: Allow, Action: "sns:Publish", Resource: "{TOPIC}"}}
          - {{Effect: Allow, Action: ["kms:Encrypt", "kms:Decrypt"], Resource: "*"}}
      Tagged:
        trust:
          Version: "2012-10-17"
          Statement:
            Effect: Allow
            Principal: {{AWS: "111111111111"}}
            Action: ["sts:AssumeRole", "sts:TagSession"]
            Condition: {{StringLike: {{"aws:RequestTag/team": "*"}}}}
        policies:
        - Version: "2012-10-17"
          Statement:
            Effect: Allow
            Action: secretsmanager:GetSecretValue
            Resource: "arn:aws:secretsmanager:*:*:secret:team/${{aws:PrincipalTag/team}}-??????"
      Deploy:
        trust:
          Version: "2012-10-17"
          Statement:
            Effect: Allow
            Principal: {{Federated: "arn:aws:iam::222222222222:oidc-provider/token.actions.githubusercontent.com"}}
            Action: sts:AssumeRoleWithWebIdentity
            Condition:
              StringEquals: {{"token.actions.githubusercontent.com:aud": sts.amazonaws.com}}
              StringLike: {{"token.actions.githubusercontent.com:sub": "repo:org/app:*"}}
        policies: *reads
    secrets:
      prod/db: "invented, with an umlaut: \\u00fc"
      dev/db: hidden
      team/blue: of the blues
      team/red: of the reds
    parameters: {{/prod/log-level: info, /dev/log-level: debug}}
"""


def plain_environment(home: Path) -> dict[str, str]:
    """A shell's environment without settings of the user."""
    return {"PATH": os.environ["PATH"], "HOME": str(home), "XDG_RUNTIME_DIR": str(home), "LANG": "C.UTF-8"}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running `dsops sandbox serve`."""
    folder = tmp_path_factory.mktemp("sandbox")
    (folder / "seed.yaml").write_text(SEED)
    process = Child(
        [BIN / "dsops", "sandbox", "serve", "--seed", "seed.yaml", "--port", "0"],
        cwd=folder,
        env=plain_environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        make_things(address)
        yield address
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0


def make_things(url: str) -> None:
    """Create a bucket, table, queue, topic and key in the second account, as its administrator."""
    session = boto3.Session(ADMIN["key_id"], ADMIN["secret"], region_name="us-east-1")
    session.client("s3", endpoint_url=url).create_bucket(Bucket=BUCKET)
    session.client("dynamodb", endpoint_url=url).create_table(
        TableName="things",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
    )
    session.client("sqs", endpoint_url=url).create_queue(QueueName="work")
    session.client("sns", endpoint_url=url).create_topic(Name="news")
    kms = session.client("kms", endpoint_url=url)
    kms.create_alias(AliasName="alias/things", TargetKeyId=kms.create_key()["KeyMetadata"]["KeyId"])


class Client:
    """An AWS client that can be started with different environments."""

    def __init__(self, name: str, url: str, home: Path) -> None:
        self.name = name
        self._command = SDKS[name](OUTSIDE)
        self._running = ExitStack()
        variables = client_variables(url, "us-east-1", "", "")
        keyless = {key: value for key, value in variables.items() if value}
        self._environment = plain_environment(home) | keyless
        self._by_its_own = self._environment
        if name in ONLY_TO_AMAZON:
            lost = {key: value for key, value in keyless.items() if not key.startswith("AWS_ENDPOINT_URL")}
            self._by_its_own = plain_environment(home) | lost | self._running.enter_context(amazon(url, home))

    def started(self, **variables: str) -> Conversation:
        """Start the client with these variables and those of `dsops sandbox env`; it runs until `close`."""
        return self._running.enter_context(Conversation(self._command, {**self._environment, **variables}))

    def finding(self, **variables: str) -> Conversation:
        """Start the client so that its own provider chain has to find credentials (and STS)."""
        return self._running.enter_context(Conversation(self._command, {**self._by_its_own, **variables}))

    def close(self) -> None:
        """End every started program."""
        self._running.close()


@pytest.fixture(scope="module", params=SDKS)
def client(request: pytest.FixtureRequest, url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Each client in turn; skipped if its toolchain is not installed."""
    try:
        started = Client(request.param, url, tmp_path_factory.mktemp("home"))
    except ToolMissingError as missing:
        pytest.skip(str(missing))
    yield started
    started.close()


@pytest.fixture(scope="module")
def alice(client: Client) -> Conversation:
    """The client, started with alice's keys in its environment."""
    return client.started(AWS_ACCESS_KEY_ID=ALICE["key_id"], AWS_SECRET_ACCESS_KEY=ALICE["secret"])


@pytest.fixture(scope="module")
def jump(alice: Conversation) -> Pairs:
    """Credentials of the jump role, assumed once per client."""
    return alice.assumed(JUMP)


@pytest.fixture(scope="module")
def keys(alice: Conversation, jump: Pairs) -> Pairs:
    """Credentials of the role behind the jump role, which asks for an external ID."""
    return alice.assumed(TARGET, external_id=EXTERNAL_ID, **jump)


def told(client: Client, refused: Refused, kind: str, code: str | None = None) -> None:
    """Assert the class of the error; for clients without exception classes, AWS's error code."""
    if client.name.startswith("aws-cli"):
        assert (code or kind) == refused.code
    else:
        # Java's SDK adds Exception to every name; Go's and JavaScript's keep the name in the service model.
        assert kind.removesuffix("Exception") == refused.kind.removesuffix("Exception")


def control(url: str, path: str, body: dict[str, object]) -> Any:
    """The answer of the sandbox's control endpoint."""
    request = Request(f"{url}/_sandbox/{path}", json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urlopen(request, timeout=10) as answer:
        return json.loads(answer.read())


def test_get_caller_identity(alice: Conversation) -> None:
    """GetCallerIdentity returns alice's ARN for the keys in the environment."""
    assert alice.granted("identity") == {"arn": "arn:aws:iam::111111111111:user/alice"}


def test_a_secret_is_read_through_two_roles(alice: Conversation, keys: Pairs) -> None:
    """A secret that contains a non-ASCII letter is read through two roles and an external ID."""
    assert alice.granted("identity", **keys)["arn"] == "arn:aws:sts::222222222222:assumed-role/Target/s1"
    assert alice.granted("secret", id="prod/db", **keys) == {"value": "invented, with an umlaut: \u00fc"}


def test_another_secret_is_not_read(alice: Conversation, jump: Pairs, keys: Pairs) -> None:
    """Another secret is denied with AWS's message; the jump role cannot read any secret."""
    refused = alice.refused("secret", id="dev/db", **keys)

    assert refused.code == "AccessDeniedException"
    assert refused.message.startswith(
        "User: arn:aws:sts::222222222222:assumed-role/Target/s1 is not authorized to perform: "
        "secretsmanager:GetSecretValue on resource: "
    )
    assert refused.message.endswith(" because no identity-based policy allows the secretsmanager:GetSecretValue action")
    assert alice.refused("secret", id="prod/db", **jump).code == "AccessDeniedException"


@pytest.mark.parametrize("external_id", [None, "wrong-id", EXTERNAL_ID.upper()])
def test_without_the_external_id_the_role_is_refused(alice: Conversation, jump: Pairs, external_id: str | None) -> None:
    """A missing, wrong or differently cased external ID is denied, always with the same message."""
    wish = {} if external_id is None else {"external_id": external_id}

    refused = alice.refused("assume", role=TARGET, session="s1", **wish, **jump)

    assert refused[:2] == (
        "AccessDenied",
        (
            "User: arn:aws:sts::111111111111:assumed-role/Jump/s1 is not authorized to perform: sts:AssumeRole on "
            f"resource: {TARGET}"
        ),
    )


def test_session_tags_decide_what_the_session_reads(alice: Conversation) -> None:
    """The trust policy requires the tag `team`, and the session reads only its own team's secret."""
    blue = alice.assumed(TAGGED, tag_key="team", tag_value="blue")

    assert alice.granted("secret", id="team/blue", **blue) == {"value": "of the blues"}
    assert alice.refused("secret", id="team/red", **blue).code == "AccessDeniedException"
    assert alice.refused("assume", role=TAGGED, session="s1").code == "AccessDenied"
    assert alice.refused("assume", role=TAGGED, session="s1", tag_key="t", tag_value="blue").code == "AccessDenied"


def test_a_session_policy_limits_the_session(alice: Conversation, jump: Pairs) -> None:
    """A session policy without an Allow permits only GetCallerIdentity."""
    nothing = json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}})
    limited = alice.assumed(JUMP, policy=nothing)

    assert alice.granted("identity", **limited)["arn"].endswith(":assumed-role/Jump/s1")
    wish = {"role": TARGET, "session": "s1", "external_id": EXTERNAL_ID}
    assert alice.refused("assume", **wish, **limited).code == "AccessDenied"
    assert alice.granted("assume", **wish, **jump)


def test_parameters_are_read_where_it_is_allowed(alice: Conversation, keys: Pairs) -> None:
    """An allowed SSM parameter is read, and another parameter is denied."""
    assert alice.granted("parameter", name="/prod/log-level", **keys) == {"value": "info"}
    assert alice.refused("parameter", name="/dev/log-level", **keys).code == "AccessDeniedException"


def test_errors_are_of_the_clients_own_types(client: Client, alice: Conversation, keys: Pairs) -> None:
    """Errors are raised as the client's own exception classes; reading an existing role raises none."""
    told(client, alice.refused("secret", id="none", **keys), "ResourceNotFoundException")
    told(client, alice.refused("parameter", name="/none", **keys), "ParameterNotFound")
    told(client, alice.refused("role", name="None"), "NoSuchEntityException", "NoSuchEntity")
    malformed = alice.refused("assume", role=JUMP, session="s1", policy="{}")
    told(client, malformed, "MalformedPolicyDocumentException", "MalformedPolicyDocument")
    assert alice.granted("role", name="Jump") == {"arn": JUMP}


def test_objects_are_written_and_read(client: Client, alice: Conversation, keys: Pairs) -> None:
    """S3 objects are written and read where allowed; a missing key is NoSuchKey for a caller with list permission."""
    wish = {"bucket": BUCKET, "key": f"prod/{client.name}/a b+c"}

    alice.granted("put_object", value="an object, with an umlaut: \u00fc", **wish, **keys)

    assert alice.granted("get_object", **wish, **keys) == {"value": "an object, with an umlaut: \u00fc"}
    refused = alice.refused("get_object", bucket=BUCKET, key="dev/a", **keys)
    assert refused.code == "AccessDenied"
    told(client, alice.refused("get_object", bucket=BUCKET, key="prod/none", **keys), "NoSuchKey")


def test_a_presigned_url_is_for_one_object(client: Client, alice: Conversation, keys: Pairs) -> None:
    """A presigned URL reads its object without credentials, but no other object."""
    wish = {"bucket": BUCKET, "key": f"prod/{client.name}-one"}
    alice.granted("put_object", value="presigned", **wish, **keys)
    alice.granted("put_object", bucket=BUCKET, key=f"prod/{client.name}-two", value="another", **keys)

    url = alice.granted("presigned", **wish, **keys)["url"]

    assert fetched(url) == (200, b"presigned")
    assert fetched(url.replace("-one", "-two"))[0] == 403


def fetched(url: str) -> tuple[int, bytes]:
    """Status and body of a GET."""
    try:
        with urlopen(url, timeout=30) as answer:
            return answer.status, answer.read()
    except HTTPError as error:
        with error:
            return error.code, error.read()


def test_a_large_object_is_sent_in_parts(client: Client, alice: Conversation, keys: Pairs) -> None:
    """An object of just over 8 MiB is uploaded in parts and arrives with its full size."""
    wish = {"bucket": BUCKET, "key": f"prod/{client.name}-large", "value": "the end"}

    made = alice.granted("multipart", **wish, **keys)

    assert made == {"size": str(8 * 1024 * 1024 + len("the end"))}


def test_other_services_are_used_by_the_same_session(
    client: Client, alice: Conversation, jump: Pairs, keys: Pairs
) -> None:
    """DynamoDB, SQS, SNS and KMS calls need the role's policy; a missing table raises a typed exception."""
    wishes: dict[str, Pairs] = {
        "item": {"table": "things", "key": client.name, "value": "kept"},
        "queue": {"name": "work", "value": "sent"},
        "cipher": {"key": "alias/things", "value": "hidden"},
    }

    for action, wish in wishes.items():
        assert alice.granted(action, **wish, **keys) == {"value": wish["value"]}
        assert alice.refused(action, **wish, **jump).code
    assert alice.granted("publish", topic=TOPIC, value="news", **keys)["id"]
    assert alice.refused("publish", topic=TOPIC, value="news", **jump).code in {"AuthorizationError", "AccessDenied"}
    missing = alice.refused("item", table="none", key="a", value="b", **keys)
    told(client, missing, "ResourceNotFoundException")


def test_a_created_role_can_be_assumed(client: Client, alice: Conversation) -> None:
    """A role that the client creates can be assumed; creating the role again raises EntityAlreadyExists."""
    name = f"Made-by-{client.name}"
    trust = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": {"Effect": "Allow", "Principal": {"AWS": "111111111111"}, "Action": "sts:AssumeRole"},
        }
    )

    made = alice.granted("create_role", name=name, trust=trust)

    assert made == {"arn": f"arn:aws:iam::111111111111:role/{name}"}
    assert alice.granted("identity", **alice.assumed(made["arn"]))["arn"].endswith(f":assumed-role/{name}/s1")
    again = alice.refused("create_role", name=name, trust=trust)
    told(client, again, "EntityAlreadyExistsException", "EntityAlreadyExists")


def test_a_session_ends(url: str, alice: Conversation) -> None:
    """A 15-minute session expires, and STS and Secrets Manager each reject it with their own expiry error."""
    short = alice.assumed(JUMP, duration="900")
    assert alice.granted("identity", **short)

    control(url, "clock", {"advance_seconds": 901})

    expired = "The security token included in the request is expired"
    assert alice.refused("identity", **short)[:2] == ("ExpiredToken", expired)
    assert alice.refused("secret", id="prod/db", **short)[:2] == ("ExpiredTokenException", expired)


def test_the_time_of_expiry_is_read(url: str, alice: Conversation) -> None:
    """The client returns a one-hour session's expiry in its own date type, by the sandbox's clock."""
    now = control(url, "clock", {"advance_seconds": 0})["now"]

    expires = alice.granted("assume", role=JUMP, session="s1", duration="3600")["expires"]

    assert 3595 <= int(expires) - _seconds(now) <= 3605


def _seconds(now: str | float) -> float:
    from datetime import datetime

    return datetime.fromisoformat(now).timestamp() if isinstance(now, str) else now


def test_wrong_keys_are_refused(alice: Conversation, jump: Pairs) -> None:
    """A wrong secret key, an unknown key id and another session's token are each rejected with AWS's error code."""
    assert alice.refused("identity", **{**ALICE, "secret": "x" * 40}).code == "SignatureDoesNotMatch"
    assert alice.refused("identity", key_id="AKIANOBODYNOBODY0000", secret="x" * 40).code == "InvalidClientTokenId"
    other = {**alice.assumed(JUMP), "token": jump["token"]}
    assert alice.refused("identity", **other).code == "InvalidClientTokenId"


def test_its_own_provider_follows_a_chain_of_profiles(client: Client, tmp_path: Path) -> None:
    """The client's credential provider follows `role_arn`, `source_profile` and `external_id`; a wrong ID is denied."""
    chain = (
        f"[profile base]\naws_access_key_id = {ALICE['key_id']}\naws_secret_access_key = {ALICE['secret']}\n"
        f"[profile jump]\nrole_arn = {JUMP}\nsource_profile = base\nrole_session_name = hop\n"
        f"[profile target]\nrole_arn = {TARGET}\nsource_profile = jump\nrole_session_name = end\n"
        "external_id = "
    )
    (tmp_path / "config").write_text(chain + EXTERNAL_ID)
    (tmp_path / "wrong").write_text(chain + "wrong-id")

    right = client.finding(AWS_CONFIG_FILE=str(tmp_path / "config"), AWS_PROFILE="target")
    wrong = client.finding(AWS_CONFIG_FILE=str(tmp_path / "wrong"), AWS_PROFILE="target")

    assert right.granted("identity") == {"arn": "arn:aws:sts::222222222222:assumed-role/Target/end"}
    assert right.granted("secret", id="prod/db")["value"].startswith("invented")
    assert "is not authorized to perform: sts:AssumeRole on resource" in wrong.refused("identity").message


def test_its_own_provider_takes_a_web_identity_token(client: Client, url: str, tmp_path: Path) -> None:
    """The client's credential provider uses AWS_WEB_IDENTITY_TOKEN_FILE; a token of another repository is denied."""
    for repository in ("org/app", "evil/app"):
        claims = {"iss": "https://token.actions.githubusercontent.com", "aud": "sts.amazonaws.com"}
        token = control(url, "token", {**claims, "sub": f"repo:{repository}:ref:refs/heads/main"})["token"]
        (tmp_path / repository.replace("/", "-")).write_text(token)
    # The AWS CLI 2 caches sessions under their names, so each session has a different name.
    of_org = {"AWS_ROLE_SESSION_NAME": "job", "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "org-app")}
    of_evil = {"AWS_ROLE_SESSION_NAME": "evil", "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "evil-app")}

    good = client.finding(AWS_ROLE_ARN=DEPLOY, **of_org)
    evil = client.finding(AWS_ROLE_ARN=DEPLOY, **of_evil)

    assert good.granted("identity") == {"arn": "arn:aws:sts::222222222222:assumed-role/Deploy/job"}
    assert good.granted("parameter", name="/prod/log-level") == {"value": "info"}
    assert "Not authorized to perform sts:AssumeRoleWithWebIdentity" in evil.refused("identity").message

"""Every AWS client that programs use, unchanged but for its endpoint, against `dsops sandbox serve`."""

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
"""Clients whose role providers are sent through a proxy in which AWS's own names lead to the sandbox: Debian's AWS CLI
2.9 is older than AWS_ENDPOINT_URL, and they don't follow --endpoint-url."""
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
    """A shell's environment with nobody's settings."""
    return {"PATH": os.environ["PATH"], "HOME": str(home), "XDG_RUNTIME_DIR": str(home), "LANG": "C.UTF-8"}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a `dsops sandbox serve`."""
    folder = tmp_path_factory.mktemp("sandbox")
    (folder / "seed.yaml").write_text(SEED)
    process = subprocess.Popen(
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
        assert process.wait(timeout=10) == 0


def make_things(url: str) -> None:
    """A bucket, a table, a queue, a topic and a key of the second account; its administrator makes them."""
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
    """One of the clients, which can be started with several environments."""

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
        """The client with these variables, and what `dsops sandbox env` gives; runs until the client is closed."""
        return self._running.enter_context(Conversation(self._command, {**self._environment, **variables}))

    def finding(self, **variables: str) -> Conversation:
        """The same where the client has to find its credentials, and so STS, by its own."""
        return self._running.enter_context(Conversation(self._command, {**self._by_its_own, **variables}))

    def close(self) -> None:
        """Ends all that was started."""
        self._running.close()


@pytest.fixture(scope="module", params=SDKS)
def client(request: pytest.FixtureRequest, url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Each client in turn; skipped where its toolchain is not on this machine."""
    try:
        one = Client(request.param, url, tmp_path_factory.mktemp("home"))
    except ToolMissingError as missing:
        pytest.skip(str(missing))
    yield one
    one.close()


@pytest.fixture(scope="module")
def alice(client: Client) -> Conversation:
    """The client, started with alice's keys in its environment."""
    return client.started(AWS_ACCESS_KEY_ID=ALICE["key_id"], AWS_SECRET_ACCESS_KEY=ALICE["secret"])


@pytest.fixture(scope="module")
def jump(alice: Conversation) -> Pairs:
    """Credentials of the jump role, had once by each client."""
    return alice.assumed(JUMP)


@pytest.fixture(scope="module")
def keys(alice: Conversation, jump: Pairs) -> Pairs:
    """Credentials of the role behind the jump role, which wants an external ID."""
    return alice.assumed(TARGET, external_id=EXTERNAL_ID, **jump)


def told(client: Client, refused: Refused, kind: str, code: str | None = None) -> None:
    """Whether the client told the error by the class that programs catch, or, having none, by AWS's code."""
    if client.name.startswith("aws-cli"):
        assert (code or kind) == refused.code
    else:
        # Java ends every name in Exception, Go and JavaScript keep the model's.
        assert kind.removesuffix("Exception") == refused.kind.removesuffix("Exception")


def control(url: str, path: str, body: dict[str, object]) -> Any:
    """What the sandbox's own endpoint answers."""
    request = Request(f"{url}/_sandbox/{path}", json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urlopen(request, timeout=10) as answer:
        return json.loads(answer.read())


def test_it_says_who_it_is(alice: Conversation) -> None:
    """Alice, by the keys in the environment."""
    assert alice.granted("identity") == {"arn": "arn:aws:iam::111111111111:user/alice"}


def test_a_secret_is_read_through_two_roles(alice: Conversation, keys: Pairs) -> None:
    """With the external ID; letters beyond ASCII arrive whole."""
    assert alice.granted("identity", **keys)["arn"] == "arn:aws:sts::222222222222:assumed-role/Target/s1"
    assert alice.granted("secret", id="prod/db", **keys) == {"value": "invented, with an umlaut: \u00fc"}


def test_another_secret_is_not_read(alice: Conversation, jump: Pairs, keys: Pairs) -> None:
    """Nor does the role that is in between read any; the words are AWS's."""
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
    """None, another, and the right one in another case, all in the same words."""
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
    """The trust policy wants a team, and the role's policy reads the secret of that team only."""
    blue = alice.assumed(TAGGED, tag_key="team", tag_value="blue")

    assert alice.granted("secret", id="team/blue", **blue) == {"value": "of the blues"}
    assert alice.refused("secret", id="team/red", **blue).code == "AccessDeniedException"
    assert alice.refused("assume", role=TAGGED, session="s1").code == "AccessDenied"
    assert alice.refused("assume", role=TAGGED, session="s1", tag_key="t", tag_value="blue").code == "AccessDenied"


def test_a_session_policy_limits_the_session(alice: Conversation, jump: Pairs) -> None:
    """One that allows nothing leaves a session that only says who it is."""
    nothing = json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}})
    limited = alice.assumed(JUMP, policy=nothing)

    assert alice.granted("identity", **limited)["arn"].endswith(":assumed-role/Jump/s1")
    wish = {"role": TARGET, "session": "s1", "external_id": EXTERNAL_ID}
    assert alice.refused("assume", **wish, **limited).code == "AccessDenied"
    assert alice.granted("assume", **wish, **jump)


def test_parameters_are_read_where_it_is_allowed(alice: Conversation, keys: Pairs) -> None:
    """And not where it isn't."""
    assert alice.granted("parameter", name="/prod/log-level", **keys) == {"value": "info"}
    assert alice.refused("parameter", name="/dev/log-level", **keys).code == "AccessDeniedException"


def test_errors_are_of_the_clients_own_types(client: Client, alice: Conversation, keys: Pairs) -> None:
    """What a program catches by its class; a role that is there is no error."""
    told(client, alice.refused("secret", id="none", **keys), "ResourceNotFoundException")
    told(client, alice.refused("parameter", name="/none", **keys), "ParameterNotFound")
    told(client, alice.refused("role", name="None"), "NoSuchEntityException", "NoSuchEntity")
    malformed = alice.refused("assume", role=JUMP, session="s1", policy="{}")
    told(client, malformed, "MalformedPolicyDocumentException", "MalformedPolicyDocument")
    assert alice.granted("role", name="Jump") == {"arn": JUMP}


def test_objects_are_written_and_read(client: Client, alice: Conversation, keys: Pairs) -> None:
    """Where the role may; a key that is missing is a typed error to who may list the bucket."""
    wish = {"bucket": BUCKET, "key": f"prod/{client.name}/a b+c"}

    alice.granted("put_object", value="an object, with an umlaut: \u00fc", **wish, **keys)

    assert alice.granted("get_object", **wish, **keys) == {"value": "an object, with an umlaut: \u00fc"}
    refused = alice.refused("get_object", bucket=BUCKET, key="dev/a", **keys)
    assert refused.code == "AccessDenied"
    told(client, alice.refused("get_object", bucket=BUCKET, key="prod/none", **keys), "NoSuchKey")


def test_a_presigned_url_is_for_one_object(client: Client, alice: Conversation, keys: Pairs) -> None:
    """Whoever has it reads that object, and no other."""
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
    """Eight mebibytes and a little, whole again at the end."""
    wish = {"bucket": BUCKET, "key": f"prod/{client.name}-large", "value": "the end"}

    made = alice.granted("multipart", **wish, **keys)

    assert made == {"size": str(8 * 1024 * 1024 + len("the end"))}


def test_other_services_are_used_by_the_same_session(
    client: Client, alice: Conversation, jump: Pairs, keys: Pairs
) -> None:
    """DynamoDB, SQS, SNS and KMS, by the role's policy and not without it; a missing table is a typed error."""
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


def test_what_it_makes_counts(client: Client, alice: Conversation) -> None:
    """A role that the client makes is assumed by it; the same once more is a typed error."""
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
    """After the fifteen minutes that it was asked for, in the words of either kind of service."""
    short = alice.assumed(JUMP, duration="900")
    assert alice.granted("identity", **short)

    control(url, "clock", {"advance_seconds": 901})

    expired = "The security token included in the request is expired"
    assert alice.refused("identity", **short)[:2] == ("ExpiredToken", expired)
    assert alice.refused("secret", id="prod/db", **short)[:2] == ("ExpiredTokenException", expired)


def test_the_time_of_expiry_is_read(url: str, alice: Conversation) -> None:
    """An hour from the sandbox's own now, by whichever type of date the client has."""
    now = control(url, "clock", {"advance_seconds": 0})["now"]

    expires = alice.granted("assume", role=JUMP, session="s1", duration="3600")["expires"]

    assert 3595 <= int(expires) - _seconds(now) <= 3605


def _seconds(now: str | float) -> float:
    from datetime import datetime

    return datetime.fromisoformat(now).timestamp() if isinstance(now, str) else now


def test_wrong_keys_are_refused(alice: Conversation, jump: Pairs) -> None:
    """Another secret, an id that nobody has, and a session token of somebody else."""
    assert alice.refused("identity", **{**ALICE, "secret": "x" * 40}).code == "SignatureDoesNotMatch"
    assert alice.refused("identity", key_id="AKIANOBODYNOBODY0000", secret="x" * 40).code == "InvalidClientTokenId"
    other = {**alice.assumed(JUMP), "token": jump["token"]}
    assert alice.refused("identity", **other).code == "InvalidClientTokenId"


def test_its_own_provider_follows_a_chain_of_profiles(client: Client, tmp_path: Path) -> None:
    """`role_arn`, `source_profile` and `external_id` in the shared config file; not with another external ID."""
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
    """AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN are all it has; a job of another repository is refused."""
    for repository in ("org/app", "evil/app"):
        claims = {"iss": "https://token.actions.githubusercontent.com", "aud": "sts.amazonaws.com"}
        token = control(url, "token", {**claims, "sub": f"repo:{repository}:ref:refs/heads/main"})["token"]
        (tmp_path / repository.replace("/", "-")).write_text(token)
    # By its name a session is found in the cache of the AWS CLI 2.
    of_org = {"AWS_ROLE_SESSION_NAME": "job", "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "org-app")}
    of_evil = {"AWS_ROLE_SESSION_NAME": "evil", "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "evil-app")}

    good = client.finding(AWS_ROLE_ARN=DEPLOY, **of_org)
    evil = client.finding(AWS_ROLE_ARN=DEPLOY, **of_evil)

    assert good.granted("identity") == {"arn": "arn:aws:sts::222222222222:assumed-role/Deploy/job"}
    assert good.granted("parameter", name="/prod/log-level") == {"value": "info"}
    assert "Not authorized to perform sts:AssumeRoleWithWebIdentity" in evil.refused("identity").message

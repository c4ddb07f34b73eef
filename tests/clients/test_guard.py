"""Every AWS client that programs use, through `dsops exec --guard`, by its endpoint and as a proxy of HTTPS."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from dsops.sandbox.control.client import client_variables
from tests.children import Child
from tests.clients.conversation import Conversation
from tests.clients.sdks import SDKS, aws_cli_2
from tests.clients.test_sdks import ADMIN, BUCKET, TOPIC, fetched, make_things, plain_environment
from tests.installed import OUTSIDE, ToolMissingError, tool

# The first run installs and compiles a client before its first test.
pytestmark = pytest.mark.timeout(600)

DSOPS = str(Path(sys.executable).with_name("dsops"))
SECONDS = 200
PROVIDERS = Path("/opt/tf-plugins")
"""A folder from which `terraform init` takes AWS's provider."""
ACCOUNT = "222222222222"
AGENT = f"arn:aws:sts::{ACCOUNT}:assumed-role/Developer/agent"
SEED = f"""
accounts:
  "{ACCOUNT}":
    users:
      admin: {{access_key_id: {ADMIN["key_id"]}, secret_access_key: {ADMIN["secret"]}}}
    roles:
      Developer:
        trust:
          Version: "2012-10-17"
          Statement: {{Effect: Allow, Principal: {{AWS: "{ACCOUNT}"}}, Action: sts:AssumeRole}}
        policies:
        - {{Version: "2012-10-17", Statement: [{{Effect: Allow, Action: "*", Resource: "*"}}]}}
    secrets: {{prod/db: "invented, with an umlaut: \\u00fc", dev/db: hidden}}
    parameters: {{/prod/log-level: info, /dev/log-level: debug}}
"""
CONFIG = f"""
version: 1
secretStores:
  dev:
    type: aws.sts
    region: us-east-1
    role_arn: arn:aws:iam::{ACCOUNT}:role/Developer
    role_session_name: agent
"""
ALLOWED = {
    f"arn:aws:s3:::{BUCKET}": ["s3:ListBucket", "s3:GetBucketLocation"],
    f"arn:aws:s3:::{BUCKET}/prod/*": ["s3:GetObject", "s3:PutObject", "s3:PutObjectAcl", "s3:DeleteObject"],
    "arn:aws:secretsmanager:*:*:secret:prod/*": ["secretsmanager:GetSecretValue"],
    "arn:aws:ssm:*:*:parameter/prod/*": ["ssm:GetParameter"],
    f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/things": ["dynamodb:PutItem", "dynamodb:GetItem"],
    f"arn:aws:sqs:us-east-1:{ACCOUNT}:work": ["sqs:*"],
    TOPIC: ["sns:Publish"],
    "*": ["kms:Encrypt", "kms:Decrypt"],
    "arn:aws:s3:::made-by-terraform*": ["s3:*"],
    f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/made-by-terraform": ["dynamodb:*"],
    f"arn:aws:iam::{ACCOUNT}:role/*MadeByTerraform": ["iam:*"],
}
"""Resource -> actions of the guard's policy."""

TO_PROXY = ("env", "-u", "AWS_ENDPOINT_URL", "-u", "AWS_ENDPOINT_URL_STS")
_JAVA_STORE = """
    keytool -importcert -noprompt -file "$AWS_CA_BUNDLE" -keystore guard.jks -storetype JKS -storepass changeit
    export JAVA_TOOL_OPTIONS="-Djavax.net.ssl.trustStore=$PWD/guard.jks"
    exec "$@"
"""
WITH_JAVA_STORE = ("sh", "-euc", _JAVA_STORE, "sh")
"""Java has a file of its own for the certificates that it trusts."""


class Desk(NamedTuple):
    """A folder with dsops.yaml and the guard's policy, and the variables that name a sandbox."""

    folder: Path
    environment: dict[str, str]

    def guarded(self, *command: str, is_proxy: bool) -> list[str]:
        """A command line that runs a command with the guard as its endpoint, or as its proxy."""
        way = TO_PROXY if is_proxy else ()
        return [DSOPS, "exec", "--credentials", "dev", "--guard", "guard.json", "--", *way, *command]

    def run(self, script: str, *words: str, is_proxy: bool) -> str:
        """Run a script of the shell with the guard, which must succeed; its output."""
        done = subprocess.run(
            self.guarded("sh", "-euc", script, "sh", *words, is_proxy=is_proxy),
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
        assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A desk with a running sandbox."""
    folder = tmp_path_factory.mktemp("desk")
    statements = [{"Effect": "Allow", "Action": actions, "Resource": name} for name, actions in ALLOWED.items()]
    (folder / "seed.yaml").write_text(SEED)
    (folder / "dsops.yaml").write_text(CONFIG)
    (folder / "guard.json").write_text(json.dumps({"Version": "2012-10-17", "Statement": statements}))
    plain = plain_environment(folder)
    sandbox = Child(
        [DSOPS, "sandbox", "serve", "--seed", "seed.yaml", "--port", "0"],
        cwd=folder,
        env=plain,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with sandbox:
        assert sandbox.stdout is not None
        url = sandbox.stdout.readline().strip()
        make_things(url)
        variables = client_variables(url, "us-east-1", ADMIN["key_id"], ADMIN["secret"])
        own = {"DSOPS_CONFIG": "dsops.yaml", "DSOPS_NO_AGENT": "1", "AWS_RETRY_MODE": "standard"}
        yield Desk(folder, {**plain, **{name: value for name, value in variables.items() if value}, **own})
        sandbox.send_signal(signal.SIGTERM)
        assert sandbox.wait(timeout=60) == 0


WAYS = [(name, is_proxy) for name in SDKS for is_proxy in (False, True) if (name, is_proxy) != ("javascript", True)]
"""Client, and whether the guard is its proxy. The SDK for JavaScript uses no proxy."""


@pytest.fixture(scope="module", params=WAYS, ids=lambda way: f"{way[0]}-{'proxy' if way[1] else 'endpoint'}")
def agent(request: pytest.FixtureRequest, desk: Desk) -> Iterator[tuple[str, Conversation]]:
    """The name of each client, and the client, guarded; skipped if its toolchain is not installed."""
    name, is_proxy = request.param
    try:
        command = SDKS[name](OUTSIDE)
    except ToolMissingError as missing:
        pytest.skip(str(missing))
    if name == "java" and is_proxy:
        command = [*WITH_JAVA_STORE, *command]
    (desk.folder / "guard.jks").unlink(missing_ok=True)
    with Conversation(desk.guarded(*command, is_proxy=is_proxy), desk.environment, folder=desk.folder) as conversation:
        yield name, conversation


def test_allowed_calls_are_answered(agent: tuple[str, Conversation]) -> None:
    """The client does what the guard's policy allows, as the store's role, also uploads of several parts."""
    name, client = agent
    text = {"bucket": BUCKET, "key": f"prod/{name}/a b+c"}

    assert client.granted("identity") == {"arn": AGENT}
    assert client.granted("secret", id="prod/db") == {"value": "invented, with an umlaut: \u00fc"}
    assert client.granted("parameter", name="/prod/log-level") == {"value": "info"}
    client.granted("put_object", value="an umlaut: \u00fc", **text)
    assert client.granted("get_object", **text) == {"value": "an umlaut: \u00fc"}
    size = client.granted("multipart", bucket=BUCKET, key=f"prod/{name}-large", value="the end")["size"]
    assert size == str(8 * 1024 * 1024 + len("the end"))
    assert client.granted("item", table="things", key=name, value="kept") == {"value": "kept"}
    assert client.granted("publish", topic=TOPIC, value="news")["id"]
    assert client.granted("cipher", key="alias/things", value="hidden") == {"value": "hidden"}


def test_other_calls_are_denied(agent: tuple[str, Conversation]) -> None:
    """The client gets AWS's error for what the guard's policy does not allow, though the role may do everything."""
    _, client = agent
    calls = {
        "secret": ("secretsmanager:GetSecretValue", {"id": "dev/db"}),
        "parameter": ("ssm:GetParameter", {"name": "/dev/log-level"}),
        "put_object": ("s3:PutObject", {"bucket": BUCKET, "key": "dev/a", "value": "x"}),
        "get_object": ("s3:GetObject", {"bucket": BUCKET, "key": "dev/a"}),
        "multipart": ("s3:PutObject", {"bucket": BUCKET, "key": "dev/large", "value": "x"}),
        "item": ("dynamodb:PutItem", {"table": "other", "key": "a", "value": "x"}),
        "queue": ("sqs:GetQueueUrl", {"name": "other", "value": "x"}),
        "create_role": ("iam:CreateRole", {"name": "Other", "trust": "{}"}),
    }

    for wish, (action, values) in calls.items():
        refused = client.refused(wish, **values)
        assert refused.code in {"AccessDenied", "AccessDeniedException"}, (wish, refused)
        assert refused.message.startswith(f"User: {AGENT} is not authorized to perform: {action} on resource: ")
        assert refused.message.endswith(f" because no session policy allows the {action} action")


def test_queues_are_used(agent: tuple[str, Conversation]) -> None:
    """Messages are sent and received. The SDK for JavaScript follows the queue's URL, which refuses the placeholder."""
    name, client = agent

    if name == "javascript":
        assert client.refused("queue", name="work", value="sent").code == "InvalidClientTokenId"
    else:
        assert client.granted("queue", name="work", value="sent") == {"value": "sent"}


def test_a_presigned_url_is_checked_by_the_guard(agent: tuple[str, Conversation]) -> None:
    """A presigned URL of the endpoint reads an allowed object, and no other one."""
    name, client = agent
    client.granted("put_object", bucket=BUCKET, key="prod/one", value="presigned")

    urls = [client.granted("presigned", bucket=BUCKET, key=key)["url"] for key in ("prod/one", "dev/one")]

    if ".amazonaws.com/" in urls[0]:
        return  # Only a program that uses the proxy can send this one to the guard: see the test of the AWS CLI.
    if "AWSAccessKeyId=" in urls[0]:
        # boto3 and AWS CLI 1 sign the URLs of us-east-1 with Signature Version 2, which covers less of the request.
        assert name in {"boto3", "aioboto3", "aws-cli-1"}
        assert b"Signature Version 2" in fetched(urls[0])[1]
    else:
        assert fetched(urls[0]) == (200, b"presigned")
    assert fetched(urls[1])[0] == 403


@pytest.mark.parametrize("is_proxy", [False, True], ids=["endpoint", "proxy"])
def test_the_aws_cli_copies_syncs_and_presigns(desk: Desk, *, is_proxy: bool) -> None:
    """AWS CLI 2 sends and receives 20 MB in parts, syncs a folder, and presigns a URL that curl reads."""
    try:
        words = (aws_cli_2(OUTSIDE), tool("curl", OUTSIDE))
    except ToolMissingError as missing:
        pytest.skip(str(missing))
    script = f"""
        program=$1 curl=$2
        aws() {{ "$program" ${{AWS_ENDPOINT_URL:+--endpoint-url "$AWS_ENDPOINT_URL"}} "$@"; }}
        rm -rf cli && mkdir -p cli/up/d && head -c 20000000 /dev/urandom >cli/up/big && echo presigned >"cli/up/d/b c"
        aws s3 cp --no-progress cli/up/big s3://{BUCKET}/prod/big
        aws s3 cp --no-progress s3://{BUCKET}/prod/big cli/big && cmp cli/up/big cli/big
        aws s3 sync --no-progress cli/up s3://{BUCKET}/prod/sync
        aws s3 sync --no-progress s3://{BUCKET}/prod/sync cli/down && diff -r cli/up cli/down
        ! aws s3 cp cli/up/big s3://{BUCKET}/dev/big 2>cli/error && grep -q 'no session policy allows' cli/error
        "$curl" -sS "$(aws s3 presign "s3://{BUCKET}/prod/sync/d/b c")"
        "$curl" -sS "$(aws s3 presign s3://{BUCKET}/dev/a)"
    """

    output = desk.run(script, *words, is_proxy=is_proxy)

    read, _, refused = output.partition("presigned\n")
    assert "upload: cli/up/big" in read
    assert "<Code>AccessDenied</Code>" in refused


PROGRAMS = {
    "restic": f"""
        export RESTIC_PASSWORD=x AWS_DEFAULT_REGION=us-east-1
        repository="s3:${{AWS_ENDPOINT_URL:-s3.us-east-1.amazonaws.com}}/{BUCKET}"
        restic -r "$repository/prod/restic-$1" init
        restic -r "$repository/prod/restic-$1" backup up
        restic -r "$repository/prod/restic-$1" restore latest --target down
        cmp up/big down/up/big
        ! restic -r "$repository/dev/restic" init 2>error; grep -q 'not authorized to perform: s3:PutObject' error
    """,
    # rclone refuses AWS_CA_BUNDLE and reads SSL_CERT_FILE. Its endpoint is an option.
    "rclone": f"""
        unset AWS_CA_BUNDLE; export RCLONE_CONFIG=/dev/null
        options="provider=Other,env_auth=true,region=us-east-1,no_check_bucket=true,force_path_style=true"
        remote=":s3,$options,endpoint='${{AWS_ENDPOINT_URL:-https://s3.us-east-1.amazonaws.com}}':{BUCKET}"
        rclone --retries 1 copy up "$remote/prod/rclone-$1" && rclone --retries 1 copy "$remote/prod/rclone-$1" down
        diff -r up down
        ! rclone --retries 1 copy up "$remote/dev" 2>error; grep -q 'not authorized to perform: s3:PutObject' error
    """,
    "ruby": f"""
        ruby -e 'begin; require "aws-sdk-s3"; rescue LoadError; exit 3; end
        url = ENV["AWS_ENDPOINT_URL"]
        s3 = Aws::S3::Client.new(region: "us-east-1", **(url ? {{endpoint: url, force_path_style: true}} : {{}}))
        s3.put_object(bucket: "{BUCKET}", key: "prod/ruby", body: File.read("up/big", mode: "rb"))
        exit 1 if s3.get_object(bucket: "{BUCKET}", key: "prod/ruby").body.read.b != File.read("up/big", mode: "rb")
        begin
          s3.put_object(bucket: "{BUCKET}", key: "dev/ruby", body: "x"); exit 1
        rescue Aws::S3::Errors::AccessDenied
        end'
    """,
}
"""Programs that store files in S3, and scripts that copy the folder `up` there and back."""


@pytest.mark.parametrize("is_proxy", [False, True], ids=["endpoint", "proxy"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_programs_that_store_files(desk: Desk, program: str, *, is_proxy: bool) -> None:
    """The program stores 20 MB in the folder that the policy allows, reads them, and is denied another folder."""
    if shutil.which(program) is None:
        pytest.skip(f"there is no {program} here; on Debian: apt-get install {program}")
    if program == "ruby" and subprocess.run(["ruby", "-raws-sdk-s3", "-e", ""], check=False, timeout=60).returncode:
        pytest.skip("Ruby has no aws-sdk-s3 here; on Debian: apt-get install ruby-aws-sdk-s3")
    prepare = 'rm -rf "$1-$2"; mkdir -p "$1-$2/up"; cd "$1-$2"; head -c 20000000 /dev/urandom >up/big; shift\n'

    desk.run(prepare + PROGRAMS[program], program, "proxy" if is_proxy else "endpoint", is_proxy=is_proxy)


TERRAFORM = """
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}
provider "aws" { region = "us-east-1" }
resource "aws_s3_bucket" "files" { bucket = "made-by-terraform" }
resource "aws_s3_object" "file" {
  bucket  = aws_s3_bucket.files.id
  key     = "a/b c"
  content = "text"
}
resource "aws_dynamodb_table" "items" {
  name         = "made-by-terraform"
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "id"
  attribute {
    name = "id"
    type = "S"
  }
}
resource "aws_iam_role" "function" {
  name               = "MadeByTerraform"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "lambda.amazonaws.com" } }]
  })
}
"""
ANOTHER_BUCKET = 'resource "aws_s3_bucket" "other" { bucket = "not-allowed" }\n'


@pytest.mark.parametrize("is_proxy", [False, True], ids=["endpoint", "proxy"])
def test_terraform_applies_and_destroys(desk: Desk, *, is_proxy: bool) -> None:
    """Terraform makes, compares and destroys four resources, and is denied a bucket that the policy does not allow."""
    if shutil.which("terraform") is None or not PROVIDERS.is_dir():
        pytest.skip(f"there is no terraform with AWS's provider in {PROVIDERS} here")
    folder = desk.folder / f"terraform-{is_proxy}"
    folder.mkdir()
    (folder / "main.tf").write_text(TERRAFORM)
    (folder / "other.tf.later").write_text(ANOTHER_BUCKET)
    script = f"""
        cd terraform-{is_proxy}
        terraform init -no-color -plugin-dir={PROVIDERS} >init.log
        terraform apply -no-color -auto-approve -input=false
        terraform plan -no-color -detailed-exitcode -input=false
        mv other.tf.later other.tf
        ! terraform apply -no-color -auto-approve -input=false 2>error
        grep -q 'not authorized to perform: s3:CreateBucket' error
        terraform destroy -no-color -auto-approve -input=false
    """

    output = desk.run(script, is_proxy=is_proxy)

    for words in ("4 added, 0 changed", "No changes.", "4 destroyed"):
        assert words in output

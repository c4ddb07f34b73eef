"""The present state of a sandbox is saved as a seed: a sandbox that starts from it decides and lists the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import product
from typing import Any
from unittest.mock import ANY
from urllib.parse import unquote

import pytest

from dsops.request.messages import HttpRequest
from dsops.sandbox.control.endpoints import Control
from dsops.sandbox.control.saving import save
from dsops.sandbox.page.principals import identities
from dsops.sandbox.page.questions import PageQuestion, caller_at, decide
from dsops.sandbox.seed.file import read_seed
from dsops.sandbox.seed.model import SeedRole
from tests.sandboxes import ACCOUNT, OTHER, Lab
from tests.unit.sandbox.conftest import LabFactory
from tests.unit.sandbox.test_page import ask

KEY, OTHER_KEY = "1234abcd-12ab-34cd-56ef-1234567890ab", "aaaaaaaa-12ab-34cd-56ef-1234567890ab"
SEED = f"""
region: eu-west-1
accounts:
  "{ACCOUNT}":
    root: {{access_key_id: AKIAROOTROOTROOT, secret_access_key: "quoted: 'é'"}}
    outbound_federation: true
    closed_sts_regions: [eu-west-2]
    policies:
      Reads: &reads
        Version: "2012-10-17"
        Statement: {{Effect: Allow, Action: ["secretsmanager:Get*", "ssm:Get*"], Resource: "*"}}
    groups:
      staff: {{policies: [*reads, "arn:aws:iam::aws:policy/ReadOnlyAccess"]}}
    users:
      alice:
        mfa: {{name: phone, path: /team/, seed: JBSWY3DPEHPK3PXP}}
        groups: [staff]
        tags: {{team: blue, "no": "on"}}
        path: /people/
        boundary: "arn:aws:iam::aws:policy/PowerUserAccess"
        policies:
        - name: own
          document: {{Version: "2012-10-17", Statement: {{Effect: Allow, Action: "sts:*", Resource: "*"}}}}
      bob: {{access_key_id: AKIABOBBOBBOBBOB, source_ip: 10.1.2.3}}
    roles:
      Deploy:
        max_session_duration: 7200
        tags: {{stage: prod}}
        trust: &trust
          Version: "2012-10-17"
          Statement: {{Effect: Allow, Principal: {{AWS: "arn:aws:iam::{ACCOUNT}:root"}}, Action: "sts:AssumeRole"}}
        policies: ["arn:aws:iam::{ACCOUNT}:policy/Reads"]
    oidc_providers:
    - {{url: "https://token.actions.githubusercontent.com", client_ids: [sts.amazonaws.com], issued_by_sandbox: true}}
    - {{url: "https://accounts.google.com", issued_by_sandbox: true}}
    - {{url: "https://ci.example.com", client_ids: [a, b], jwks: {{keys: [{{kid: k, kty: RSA, n: AQAB, e: AQAB}}]}}}}
    saml_providers: [{{name: corp, issued_by_sandbox: true}}]
  "{OTHER}":
    roles:
      Target: {{trust: *trust, policies: [*reads], boundary: "arn:aws:iam::aws:policy/ReadOnlyAccess"}}
    regions:
      eu-west-1:
        keys:
          app:
            id: "{KEY}"
            policy: &anyone
              Version: "2012-10-17"
              Statement: {{Effect: Allow, Principal: "*", Action: ["kms:*", "secretsmanager:*"], Resource: "*"}}
        secrets:
          prod/db: "line one\\nline two\\u0085\\U0001F600 \\"quoted\\""
          prod/empty: ""
          prod/number: 007
        binary_secrets: {{prod/bytes: AAEC}}
        secret_policies: {{prod/db: *anyone}}
        secret_keys: {{prod/number: app, prod/bytes: "arn:aws:kms:eu-west-1:{ACCOUNT}:key/{OTHER_KEY}"}}
        parameters: {{/prod/url: "https://x", /prod/list: [a, b]}}
        parameter_keys: {{/prod/url: app}}
organization:
  management_account: "{ACCOUNT}"
  id: o-exampleorg1
  root_access: [RootSessions]
  delegated_administrators: {{"{OTHER}": [iam.amazonaws.com]}}
  organizational_units:
    Workloads:
      accounts:
        "{OTHER}":
          name: Workload
          full_aws_access: false
          service_control_policies:
          - name: no-keys
            document:
              Version: "2012-10-17"
              Statement:
              - {{Effect: Allow, Action: "*", Resource: "*"}}
              - {{Effect: Deny, Action: "iam:CreateAccessKey", Resource: "*"}}
      resource_control_policies:
      - name: org-only
        document:
          Version: "2012-10-17"
          Statement:
            Effect: Deny
            Principal: "*"
            Action: "sts:AssumeRole"
            Resource: "*"
            Condition: {{StringNotEquals: {{"aws:PrincipalOrgID": o-exampleorg1}}}}
identity_center:
  start_url: https://d-1234567890.awsapps.com/start
  users: {{alice: {{email: alice@example.com, attributes: {{team: blue}}}}}}
  permission_sets: {{Reader: {{policies: [*reads], session_duration: 7200}}}}
  assignments: [{{account: "{OTHER}", permission_set: Reader, users: [alice]}}]
  auto_approve: alice
throttle: {{sts: 5}}
authorization_ids: [iam]
"""
REGION = "eu-west-1"
PAGE = HttpRequest("POST", "/_sandbox/ask", "", {}, b"", "127.0.0.1")
TREE_IDS = "organization: the ids of root and organizational units, which `aws:PrincipalOrgPaths` contains"
ACTIONS = (
    "secretsmanager:GetSecretValue",
    "ssm:GetParameter",
    "kms:Decrypt",
    "sts:AssumeRole",
    "iam:CreateAccessKey",
    "ec2:RunInstances",
)


@pytest.fixture
def first(make_lab: LabFactory) -> Lab:
    """A sandbox with all that a seed can describe."""
    return make_lab(SEED)


def document(action: str, effect: str = "Allow", **more: object) -> str:
    """A policy with one statement."""
    statement = {"Effect": effect, "Action": action, "Resource": "*", **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def trust(principal: str) -> str:
    """A trust policy for one principal."""
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": principal}}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def decisions(lab: Lab) -> dict[tuple[str, str, str], bool]:
    """Whether each user and role may perform each action on each resource."""
    sandbox, now = lab.sandbox, lab.sandbox.clock.now()
    callers = sorted({subject.arn for subject in identities(sandbox.world) if "aws-reserved" not in subject.arn})
    resources = [
        "*",
        *(arn for arn in callers if ":role/" in arn),
        *(secret.arn for secret, _ in sandbox.secret_storage.kept_secrets()),
        f"arn:aws:ssm:{REGION}:{OTHER}:parameter/prod/url",
        f"arn:aws:kms:{REGION}:{OTHER}:key/{KEY}",
    ]
    table = {}
    for arn, action, resource in product(callers, ACTIONS, resources):
        caller = caller_at(sandbox.world, sandbox.sessions, arn, now)
        assert caller is not None
        decided = decide(sandbox.world, sandbox.judge, caller, PageQuestion(arn, action, resource, {}), PAGE, now)
        # A secret's ARN ends in random characters.
        table[arn, action, resource[:-7] if ":secret:" in resource else resource] = decided.decision.is_allowed
    return table


def listed(lab: Lab) -> dict[str, Any]:
    """What the APIs list in both accounts."""
    found: dict[str, Any] = {}
    for account in (ACCOUNT, OTHER):
        admin = lab.user("admin", account)
        admin.region = REGION
        secrets = [each["Name"] for each in admin.call("secretsmanager", "ListSecrets")["SecretList"]]
        readable = [name for name in secrets if name != "prod/bytes"]
        parameters = [each["Name"] for each in admin.call("ssm", "DescribeParameters")["Parameters"]]
        values = admin.call("ssm", "GetParameters", Names=parameters or ["none"], WithDecryption=True)["Parameters"]
        found[account] = [
            comparable(admin.call("iam", "GetAccountAuthorizationDetails")),
            sorted(secrets),
            {name: admin.call("secretsmanager", "GetSecretValue", SecretId=name)["SecretString"] for name in readable},
            {each["Name"]: (each["Type"], each["Value"]) for each in values},
            [each["Arn"] for each in admin.call("iam", "ListSAMLProviders")["SAMLProviderList"]],
            [each["Arn"] for each in admin.call("iam", "ListOpenIDConnectProviders")["OpenIDConnectProviderList"]],
        ]
    owner = lab.user("admin")
    for kind in ("SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY"):
        policies = owner.call("organizations", "ListPoliciesForTarget", TargetId=OTHER, Filter=kind)["Policies"]
        found[kind] = sorted(policy["Name"] for policy in policies)
    return found


def comparable(node: Any) -> Any:
    """The value in a fixed order: documents parsed, and without times and ids, which a seed does not have."""
    left_out = {"CreateDate", "UpdateDate", "PolicyId", "GroupId", "RoleLastUsed", "Description", "ResponseMetadata"}
    if isinstance(node, dict):
        if node.get("Path", "").startswith("/aws-reserved/"):
            left_out.add("RoleId")
        return {key: comparable(value) for key, value in node.items() if key not in left_out}
    if isinstance(node, list):
        return sorted((comparable(each) for each in node), key=lambda each: json.dumps(each, sort_keys=True))
    return json.loads(unquote(node)) if isinstance(node, str) and node.startswith("%7B") else node


def change(lab: Lab) -> None:
    """Change the state through AWS's APIs, with what a seed can express."""
    admin, other = lab.user("admin"), lab.user("admin", OTHER)
    admin.region = other.region = REGION
    admin.call("iam", "PutUserPolicy", UserName="bob", PolicyName="new", PolicyDocument=document("kms:*"))
    admin.call("iam", "DetachRolePolicy", RoleName="Deploy", PolicyArn=f"arn:aws:iam::{ACCOUNT}:policy/Reads")
    made = admin.call("iam", "CreatePolicy", PolicyName="Deep", Path="/a/b/", PolicyDocument=document("ec2:*"))
    admin.call("iam", "AttachRolePolicy", RoleName="Deploy", PolicyArn=made["Policy"]["Arn"])
    admin.call("iam", "PutUserPermissionsBoundary", UserName="bob", PermissionsBoundary=made["Policy"]["Arn"])
    admin.call("iam", "CreateUser", UserName="carol", Path="/new/", Tags=[{"Key": "k", "Value": ""}])
    admin.call("iam", "CreateAccessKey", UserName="carol")
    admin.call("iam", "AddUserToGroup", UserName="carol", GroupName="staff")
    admin.call("iam", "RemoveUserFromGroup", UserName="alice", GroupName="staff")
    other.call("iam", "CreateRole", RoleName="Next", AssumeRolePolicyDocument=trust(ACCOUNT), MaxSessionDuration=3600)
    other.call(
        "iam", "UpdateAssumeRolePolicy", RoleName="Target", PolicyDocument=trust(f"arn:aws:iam::{ACCOUNT}:user/bob")
    )
    other.call("iam", "DeleteRolePermissionsBoundary", RoleName="Target")
    other.call("secretsmanager", "CreateSecret", Name="prod/new", SecretString="new")
    policy = document("secretsmanager:GetSecretValue", Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:user/people/alice"})
    other.call("secretsmanager", "PutResourcePolicy", SecretId="prod/new", ResourcePolicy=policy)
    other.call(
        "kms", "PutKeyPolicy", KeyId=KEY, PolicyName="default", Policy=document("kms:*", Principal={"AWS": OTHER})
    )
    other.call("ssm", "PutParameter", Name="/prod/added", Value="x", Type="SecureString", KeyId="alias/app")
    scp = admin.call(
        "organizations",
        "CreatePolicy",
        Name="no-ec2",
        Description="",
        Type="SERVICE_CONTROL_POLICY",
        Content=document("ec2:*", "Deny"),
    )
    admin.call("organizations", "AttachPolicy", PolicyId=scp["Policy"]["PolicySummary"]["Id"], TargetId=OTHER)


def plain(node: Any) -> Any:
    """The seed as values to compare: documents, lists in a fixed order, no generated ids of roles."""
    if isinstance(node, str):
        return json.loads(node) if node.startswith("{") else node
    if isinstance(node, SeedRole):
        node = node._replace(unique_id="")
    if hasattr(node, "_asdict"):
        node = node._asdict()
    if isinstance(node, Mapping):
        return {key: plain(value) for key, value in node.items()}
    if isinstance(node, tuple | frozenset):
        return sorted((plain(each) for each in node), key=lambda each: json.dumps(each, sort_keys=True))
    return node


def test_an_unchanged_state_is_the_seed_again(first: Lab) -> None:
    """What is saved without a change means the same as what the sandbox was filled with."""
    saved, start = save(first.sandbox), plain(first.sandbox.seed)
    again = plain(read_seed(saved.text, "saved"))
    here = again["accounts"][1]["regions"][REGION]

    assert saved.not_saved == (TREE_IDS,)
    # A seed gives a secret with a policy and without a key this key, which the saved seed names.
    assert (here["keys"].pop("sandbox")["key_id"], here["secrets"]["prod/db"]["kms_key"]) == (ANY, "sandbox")
    here["secrets"]["prod/db"]["kms_key"] = ""
    assert again == start


def test_a_changed_state_decides_and_lists_the_same(first: Lab, make_lab: LabFactory) -> None:
    """Changes through the APIs are in the seed: a second sandbox decides each question as the first one does."""
    before = decisions(first)
    change(first)
    after, shown = decisions(first), listed(first)
    saved = save(first.sandbox)
    second = make_lab(saved.text)

    assert saved.not_saved == (TREE_IDS,)
    assert len({*before.items()} - {*after.items()}) >= 5
    assert decisions(second) == after
    assert listed(second) == shown
    assert plain(read_seed(save(second.sandbox).text, "again")) == plain(read_seed(saved.text, "saved"))


def test_what_a_seed_lacks_is_named(make_lab: LabFactory) -> None:
    """What the sandbox holds and a seed can't express is in the answer and at the head of the file."""
    lab = make_lab(f'accounts: {{"{ACCOUNT}": {{users: {{alice: {{}}}}, secrets: {{gone: x, tagged: y}}}}}}')
    admin = lab.user("admin")
    admin.call("iam", "CreateAccessKey", UserName="alice")
    admin.call("iam", "CreateGroup", GroupName="staff", Path="/team/")
    admin.call("iam", "CreateInstanceProfile", InstanceProfileName="profile")
    admin.call("iam", "DeleteUserPolicy", UserName="admin", PolicyName="full-rights")
    lab.sandbox.world.backend(ACCOUNT).users["admin"].policies["all"] = document("*")
    admin.call("secretsmanager", "DeleteSecret", SecretId="gone")
    admin.call("secretsmanager", "TagResource", SecretId="tagged", Tags=[{"Key": "k", "Value": "v"}])
    admin.call("ssm", "PutParameter", Name="/plain", Value="x", Type="String")
    arn = admin.call("secretsmanager", "DescribeSecret", SecretId="tagged")["ARN"]
    policy = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "secretsmanager:*", "Resource": arn}}
    admin.call("iam", "PutUserPolicy", UserName="alice", PolicyName="one", PolicyDocument=json.dumps(policy))
    admin.call("kms", "CreateKey", KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")
    admin.call("sqs", "CreateQueue", QueueName="shop")
    answer = ask(Control(lab.sandbox), "seed")
    told = "\n".join(answer["not_saved"])

    for part in (
        "the other access keys of user alice",
        "the path /team/ of group staff",
        "instance profiles: profile",
        "admin lacks the policy `full-rights`, which the seed gives it",
        "the secret gone: its deletion is scheduled",
        "the secret tagged: its tags",
        "the parameter /plain is a String; in the seed, a SecureString",
        f"the last six characters of {arn}, which a policy names",
        "it is not a symmetric key of one region",
        f"account {ACCOUNT}: queues in us-east-1: shop",
    ):
        assert part in told
    assert [line.removeprefix("# - ") for line in answer["text"].split("\n") if line.startswith("# - ")] == answer[
        "not_saved"
    ]
    again = make_lab(answer["text"])
    assert set(again.sandbox.world.backend(ACCOUNT).users) == {"admin", "alice"}
    assert not again.user("admin").call("sqs", "ListQueues").get("QueueUrls")


def test_a_name_is_no_line_of_the_file(make_lab: LabFactory) -> None:
    """Text that a caller chose can't add a line or a key to the file."""
    lab = make_lab(f'accounts: {{"{ACCOUNT}": {{}}}}')
    admin = lab.user("admin")
    value = "x\n  roles: {}\u2028# \u0000 \ufeff\u007f \"'"
    tags = [{"Key": "true", "Value": "null"}, {"Key": "a: b", "Value": "- c: "}]
    admin.call("iam", "CreateUser", UserName="no", Tags=tags)
    admin.call("iam", "CreateUser", UserName="0x1f")
    admin.call("secretsmanager", "CreateSecret", Name="null", SecretString=value)
    again = make_lab(save(lab.sandbox).text)

    world = again.sandbox.world
    assert set(world.backend(ACCOUNT).users) == {"admin", "no", "0x1f"}
    user = world.user_named(ACCOUNT, "no")
    assert user is not None
    assert user.tags == (("true", "null"), ("a: b", "- c: "))
    assert again.user("admin").call("secretsmanager", "GetSecretValue", SecretId="null")["SecretString"] == value

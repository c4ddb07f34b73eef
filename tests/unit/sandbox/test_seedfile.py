"""Seed files: what a seed creates, and its problems, which are all reported at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dsops.arn import PARTITIONS, Partition
from dsops.errors import SeedInvalid
from dsops.request.stored_policies import StoredPolicy
from dsops.sandbox.control.launch import read_seed_file
from dsops.sandbox.seed.file import read_seed
from dsops.sandbox.seed.model import SeedKey
from dsops.sandbox.sts.totp import code_at
from tests.sandboxes import ACCOUNT, Keys, Lab
from tests.unit.sandbox.conftest import LabFactory


def problems(text: str) -> list[str]:
    """Return `line path: message (hint)` for each problem in the seed."""
    with pytest.raises(SeedInvalid) as caught:
        read_seed(text, "seed.yaml")
    return [
        f"{problem.where.line} {problem.path}: {problem.message}" + (f" ({problem.hint})" if problem.hint else "")
        for problem in caught.value.problems
    ]


def test_the_minimal_seed_is_an_account() -> None:
    """The smallest seed has one account; empty values count as empty mappings."""
    for text in ('accounts: {"123456789012": {}}', 'accounts:\n  "123456789012":\n'):
        assert [account.account for account in read_seed(text, "seed.yaml").accounts] == ["123456789012"]


def test_an_account_id_keeps_leading_zeros() -> None:
    """An account id keeps its leading zeros, even unquoted."""
    assert read_seed("accounts: {012345678901: {}}", "seed.yaml").accounts[0].account == "012345678901"


def test_all_problems_are_reported_with_line() -> None:
    """All problems are reported with lines, suggestions and valid forms."""
    text = """
acounts: {}
region: nowhere
accounts:
  "12345":
    userz: {}
  "111111111111":
    users:
      al ice: {source_ip: 300.1.1.1, mfa: {name: a, seed: "018"}, groups: [devs]}
      bob: {access_key_id: ASIAAAAAAAAAAAAAAAAA, policies: {}}
    roles:
      R: {max_session_duration: 60, path: x}
      S: {trust: {Version: "2012-10-17", Statement: {Effect: Allow, Principal: "*", Actoin: "*"}}}
    secrets: {"a b": x}
    binary_secrets: {k: "***"}
    secret_policies: {none: {Version: "2012-10-17", Statement: {Effect: Deny, Principal: "*", Action: "*"}}}
"""
    bob, statement = "accounts.111111111111.users.bob", "accounts.111111111111.roles.S.trust.Statement"
    assert problems(text) == [
        "2 acounts: unknown key `acounts` (did you mean `accounts`?)",
        "3 region: `nowhere` is not a region (such as eu-west-1)",
        "5 accounts.12345: `12345` is not an account id (12 digits, in quotes)",
        "6 accounts.12345.userz: unknown key `userz` (did you mean `users`?)",
        "9 accounts.111111111111.users.al ice: `al ice` is not a name (letters, digits and +=,.@_-)",
        "9 accounts.111111111111.users.al ice.groups: there is no group `devs` in this account",
        "9 accounts.111111111111.users.al ice.mfa.seed: `seed` must be base32, such as JBSWY3DPEHPK3PXP",
        "9 accounts.111111111111.users.al ice.source_ip: `source_ip` must be an IP address",
        f"10 {bob}.access_key_id: `access_key_id` must be 16 or more of A-Z and 0-9, not ASIA...",
        f"10 {bob}.policies: this must be a list of policies and ARNs",
        "12 accounts.111111111111.roles.R.trust: `trust` is missing: a role has a trust policy",
        "12 accounts.111111111111.roles.R.path: `path` must be like /team/",
        "12 accounts.111111111111.roles.R.max_session_duration: `max_session_duration` must be between 3600 and 43200",
        f"13 {statement}.Actoin: `Actoin` is not an element of a policy (did you mean `Action`?)",
        f"13 {statement}.Action: `Action` is missing",
        "14 accounts.111111111111.secrets.a b: `a b` is not a secret's name (letters, digits and /_+=.@-)",
        "15 accounts.111111111111.binary_secrets.k: this must be base64",
        "16 accounts.111111111111.secret_policies.none: there is no secret of that name",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", '0 : the seed is empty (the least is `accounts: {"123456789012": {}}`)'),
        ("accounts: {}", "1 accounts: `accounts` is empty"),
        ("region: eu-west-1", '1 accounts: `accounts` is missing (add `accounts: {"123456789012": {}}`)'),
        ("[]", "1 : this must be a mapping"),
        ("accounts: []", "1 accounts: this must be a mapping"),
        (
            'accounts: {"111111111111": {partition: mars}}',
            "1 accounts.111111111111.partition: there is no partition `mars`",
        ),
        (
            'accounts: {"111111111111": {partition: aws-cn, secrets: {a: b}}}',
            "1 accounts.111111111111.secrets: name the region: put this under `regions`",
        ),
        (
            'accounts: {"111111111111": {secrets: {a: b}, regions: {us-east-1: {secrets: {c: d}}}}}',
            "1 accounts.111111111111.secrets: put these under `regions.us-east-1` with the others",
        ),
        (
            'accounts: {"111111111111": {parameters: {/a/b: x, plain: x, a/b: x}}}',
            "1 accounts.111111111111.parameters.a/b: `a/b` is a path without its first slash (write /a/b)",
        ),
        (
            'accounts: {"111111111111": {root: {}}}',
            "1 accounts.111111111111.root.access_key_id: `access_key_id` is missing",
        ),
    ],
)
def test_other_problems_are_reported(text: str, problem: str) -> None:
    """Further problems of a seed are reported with line and hint."""
    assert problem in problems(text)


TRUST = (
    '{Version: "2012-10-17", Statement: {Effect: Allow, Principal: {AWS: "arn:aws:iam::111111111111:root"}, '
    'Action: "sts:AssumeRole"}}'
)


def test_access_keys_are_unique() -> None:
    """A repeated access key id is reported with the place of its first use."""
    text = """
accounts:
  "111111111111":
    users:
      a: {access_key_id: AKIAAAAAAAAAAAAAAAAA}
      b: {access_key_id: AKIAAAAAAAAAAAAAAAAA}
"""
    assert problems(text) == [
        "6 accounts.111111111111.users.b: accounts.111111111111.users.a has the same access_key_id"
    ]


def test_ids_are_unique() -> None:
    """A repeated unique id is reported, even in another account, because sessions refer to a user by this id."""
    text = f"""
accounts:
  "111111111111":
    users: {{a: {{id: AIDAAAAAAAAAAAAAAAAAA}}}}
    roles:
      b: {{id: AROAAAAAAAAAAAAAAAAAA, trust: {TRUST}}}
      c: {{id: AROAAAAAAAAAAAAAAAAAA, trust: {TRUST}}}
  "222222222222": {{users: {{d: {{id: AIDAAAAAAAAAAAAAAAAAA}}}}}}
"""
    assert problems(text) == [
        "7 accounts.111111111111.roles.c: accounts.111111111111.roles.b has the same id",
        "8 accounts.222222222222.users.d: accounts.111111111111.users.a has the same id",
    ]


def test_messages_contain_no_secrets() -> None:
    """Error messages contain neither MFA seeds nor access keys."""
    text = 'accounts: {"111111111111": {users: {a: {mfa: {name: m, seed: "0h-secret"}, access_key_id: my-secret}}}}'

    reported = "\n".join(problems(text))

    assert "0h-secret" not in reported
    assert "my-secret" not in reported


def test_all_parts_of_a_seed_are_planted(make_lab: LabFactory) -> None:
    """Every key of the seed format takes effect."""
    lab = make_lab(f"""
region: eu-west-1
default_identity: alice
accounts:
  "{ACCOUNT}":
    root: {{access_key_id: AKIAROOTROOTROOTROOT, secret_access_key: root-secret}}
    policies:
      Readers: {{Version: "2012-10-17", Statement: {{Effect: Allow, Action: "iam:Get*", Resource: "*"}}}}
    groups:
      devs: {{policies: ["arn:aws:iam::{ACCOUNT}:policy/Readers"]}}
    users:
      alice:
        id: AIDAEXAMPLEEXAMPLE000
        path: /staff/
        access_key_id: AKIAALICEALICEALICE0
        secret_access_key: alice-secret
        mfa: [{{name: phone}}, {{name: key, path: /hard/}}]
        source_ip: 192.0.2.1
        groups: [devs]
        tags: {{team: blue, level: 3}}
        policies:
        - '{{"Version": "2012-10-17", "Statement": {{"Effect": "Allow", "Action": "iam:List*", "Resource": "*"}}}}'
        - name: named
          document: {{Version: "2012-10-17", Statement: {{Effect: Allow, Action: "sts:*", Resource: "*"}}}}
        - arn:aws:iam::aws:policy/SecretsManagerReadWrite
        boundary: arn:aws:iam::aws:policy/AdministratorAccess
    roles:
      R:
        id: AROAEXAMPLEEXAMPLE000
        path: /x/
        source_ip: 192.0.2.2
        tags: {{a: b}}
        max_session_duration: 7200
        boundary: arn:aws:iam::aws:policy/ReadOnlyAccess
        trust: '{{"Version": "2012-10-17", "Statement": {{"Effect": "Allow", "Principal": "*", "Action": "sts:*"}}}}'
    secrets: {{text: "007", empty: "", json: {{a: [1, "2"]}}}}
    binary_secrets: {{raw: AAE=}}
    secret_policies:
      text: {{Version: "2012-10-17", Statement: {{Effect: Deny, Principal: "*", Action: "secretsmanager:Put*"}}}}
    parameters: {{p: v}}
    regions:
      us-east-1: {{secrets: {{far: away}}}}
""")
    keys = Keys(access_key_id="AKIAALICEALICEALICE0", secret_access_key="alice-secret")
    alice = lab.with_keys(keys)
    alice.region = "eu-west-1"

    identity = alice.call("sts", "GetCallerIdentity")
    assert (identity["Arn"], identity["UserId"]) == (
        f"arn:aws:iam::{ACCOUNT}:user/staff/alice",
        "AIDAEXAMPLEEXAMPLE000",
    )
    user = alice.call("iam", "GetUser")["User"]
    assert user["PermissionsBoundary"]["PermissionsBoundaryArn"].endswith("AdministratorAccess")
    assert {tag["Key"]: tag["Value"] for tag in user["Tags"]} == {"team": "blue", "level": "3"}
    devices = alice.call("iam", "ListMFADevices")["MFADevices"]
    assert [device["SerialNumber"] for device in devices] == [
        f"arn:aws:iam::{ACCOUNT}:mfa/phone",
        f"arn:aws:iam::{ACCOUNT}:mfa/hard/key",
    ]
    assert alice.call("iam", "ListUserPolicies", UserName="alice")["PolicyNames"] == ["policy-1", "named"]
    role = alice.call("iam", "GetRole", RoleName="R")["Role"]
    assert (role["Arn"], role["RoleId"], role["MaxSessionDuration"]) == (
        f"arn:aws:iam::{ACCOUNT}:role/x/R",
        "AROAEXAMPLEEXAMPLE000",
        7200,
    )
    values = {name: value_of(lab, "eu-west-1", name) for name in ("text", "empty", "json", "raw")}
    assert values == {"text": "007", "empty": "", "json": '{"a":[1,"2"]}', "raw": b"\x00\x01"}
    assert value_of(lab, "us-east-1", "far") == "away"
    admin = lab.user("admin")
    admin.region = "eu-west-1"
    denied = admin.refused("secretsmanager", "PutSecretValue", SecretId="text", SecretString="x")
    assert "explicit deny in a resource-based policy" in denied.message
    assert admin.call("ssm", "GetParameter", Name="p", WithDecryption=True)["Parameter"]["Type"] == "SecureString"
    root = lab.with_keys(Keys(access_key_id="AKIAROOTROOTROOTROOT", secret_access_key="root-secret"))
    assert root.arn.endswith(":root")
    assert (lab.sandbox.region, lab.sandbox.default_identity) == ("eu-west-1", "alice")


def value_of(lab: Lab, region: str, name: str) -> object:
    """Return the secret's value, as the administrator reads it."""
    admin = lab.user("admin")
    admin.region = region
    answer = admin.call("secretsmanager", "GetSecretValue", SecretId=name)
    return answer.get("SecretString", answer.get("SecretBinary"))


def test_every_account_has_an_administrator(make_lab: LabFactory) -> None:
    """Every account has an administrator `admin`, whose keys the seed can set."""
    lab = make_lab("""
accounts:
  "111111111111": {users: {admin: {access_key_id: AKIAADMINADMINADMIN0, secret_access_key: s}}}
  "222222222222": {}
""")
    assert read_seed('accounts: {"111111111111": {}}', "s").accounts[0].users == ()
    assert lab.user("admin").keys.access_key_id == "AKIAADMINADMINADMIN0"
    for account in ("111111111111", "222222222222"):
        assert lab.user("admin", account).call("iam", "ListUsers")["Users"]


def test_a_seed_may_use_another_partition(make_lab: LabFactory) -> None:
    """An account in China's partition has that partition's ARNs, regions and keys."""
    lab = make_lab("""
region: cn-north-1
accounts:
  "111111111111":
    partition: aws-cn
    users: {alice: {}}
    roles: {R: {trust: {Version: "2012-10-17", Statement:
      {Effect: Allow, Principal: {AWS: "arn:aws-cn:iam::111111111111:user/alice"}, Action: "sts:AssumeRole"}}}}
    secrets: {s: v}
""")
    alice = lab.user("alice")
    assert alice.refused("sts", "GetCallerIdentity").code == "InvalidClientTokenId"
    alice.region = "cn-north-1"
    assert alice.arn == "arn:aws-cn:iam::111111111111:user/alice"
    session = alice.assume("arn:aws-cn:iam::111111111111:role/R")
    assert session.arn == "arn:aws-cn:sts::111111111111:assumed-role/R/session"
    assert value_of(lab, "cn-north-1", "s") == "v"


@pytest.mark.parametrize("partition", PARTITIONS, ids=lambda partition: partition.name)
def test_all_partitions_are_supported(make_lab: LabFactory, partition: Partition) -> None:
    """Roles, AWS managed policies and secrets work in every partition, even in a partition that moto lacks."""
    name, region = partition.name, partition.global_region
    lab = make_lab(f"""
region: {region}
accounts:
  "111111111111":
    partition: {name}
    users: {{alice: {{}}}}
    roles:
      R:
        trust: {{Version: "2012-10-17", Statement: {{Effect: Allow,
          Principal: {{AWS: "arn:{name}:iam::111111111111:user/alice"}}, Action: "sts:AssumeRole"}}}}
        policies: ["arn:{name}:iam::aws:policy/SecretsManagerReadWrite"]
    secrets: {{s: v}}
""")
    alice = lab.user("alice")
    alice.region = region
    session = alice.assume(f"arn:{name}:iam::111111111111:role/R")
    assert session.arn == f"arn:{name}:sts::111111111111:assumed-role/R/session"
    session.region = region
    assert alice.refused("secretsmanager", "GetSecretValue", SecretId="s").code == "AccessDeniedException"
    secret = session.call("secretsmanager", "GetSecretValue", SecretId="s")
    assert secret["SecretString"] == "v"
    assert secret["ARN"].startswith(f"arn:{name}:secretsmanager:{region}:111111111111:secret:s-")


def test_values_that_moto_refuses_are_reported(make_lab: LabFactory) -> None:
    """A value in the seed that moto refuses is reported with its account."""
    with pytest.raises(SeedInvalid) as caught:
        make_lab('accounts: {"111111111111": {users: {a: {policies: ["arn:aws:iam::aws:policy/None"]}}}}')
    assert caught.value.message == "account 111111111111 of the seed can't be created"


def test_a_missing_file_is_reported(tmp_path: os.PathLike[str]) -> None:
    """A missing or unreadable seed file is reported."""
    path = os.path.join(tmp_path, "seed.yaml")
    with pytest.raises(SeedInvalid, match="can't be read"):
        read_seed_file(path)
    with open(path, "wb") as file:
        file.write(b"\xff\xfe")
    with pytest.raises(SeedInvalid, match="can't be read"):
        read_seed_file(path)


def test_policies_may_be_separate_files(tmp_path: Path) -> None:
    """Wherever a seed expects a policy, it can name a JSON or YAML file."""
    allow = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}'
    trust = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}}'
    (tmp_path / "role").mkdir()
    (tmp_path / "role" / "trust-policy.json").write_text(trust)
    (tmp_path / "allow.json").write_text(allow)
    (tmp_path / "allow.yml").write_text("{Version: 2012-10-17, Statement: {Effect: Allow, Action: '*', Resource: '*'}}")
    (tmp_path / "seed.yaml").write_text(f"""
accounts:
  "{ACCOUNT}":
    users: {{alice: {{policies: [allow.yml, {{name: whole, document: allow.json}}]}}}}
    groups: {{all: {{policies: [allow.json]}}}}
    roles: {{R: {{trust: role/trust-policy.json}}}}
    policies: {{managed: allow.json}}
""")

    account = read_seed_file(str(tmp_path / "seed.yaml")).accounts[0]

    everything = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}'
    assert account.users[0].policies == (StoredPolicy("policy-1", everything), StoredPolicy("whole", allow))
    assert account.groups["all"] == (StoredPolicy("policy-1", allow),)
    assert account.roles[0].trust == trust
    assert account.policies == (StoredPolicy("managed", allow),)


def test_problems_of_a_policy_file_are_reported_with_its_line(tmp_path: Path) -> None:
    """Problems in a policy file are reported with the file's lines; a missing file, with the seed's line."""
    (tmp_path / "wrong.json").write_text('{"Version": "2012-10-17",\n "Statement": {"Effect": "Allow"}}')
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe")
    text = f"""
accounts:
  "{ACCOUNT}":
    users: {{alice: {{policies: [wrong.json]}}}}
    roles: {{R: {{trust: none.json, policies: [binary.json]}}}}
"""
    with pytest.raises(SeedInvalid) as caught:
        read_seed(text, "seed.yaml", str(tmp_path))

    role = f"accounts.{ACCOUNT}.roles.R"
    assert [(str(problem.where), problem.path, problem.message) for problem in caught.value.problems][:2] == [
        ("seed.yaml:5", f"{role}.trust", f"the policy {tmp_path}/none.json can't be read: no such file or directory"),
        ("seed.yaml:5", f"{role}.policies[0]", f"the policy {tmp_path}/binary.json can't be read: it is not UTF-8"),
    ]
    assert {str(problem.where) for problem in caught.value.problems[2:]} == {f"{tmp_path}/wrong.json:2"}


def test_the_seed_of_the_demo_is_valid() -> None:
    """The seed of the demo in this repository is valid."""
    seed = read_seed_file(os.path.join(os.path.dirname(__file__), "../../../examples/demo/seed.yaml"))

    assert [account.account for account in seed.accounts] == ["111111111111", "222222222222"]
    assert seed.accounts[0].users[0].key == SeedKey("", "")


def test_the_example_of_the_reference_is_valid(make_lab: LabFactory) -> None:
    """The example in docs/reference/sandbox.md works as described."""
    with open(os.path.join(os.path.dirname(__file__), "../../../docs/reference/sandbox.md"), encoding="utf-8") as file:
        example = file.read().split("```yaml\n")[1].split("```")[0]
    lab = make_lab(example)
    alice = lab.user("alice")

    role = f"arn:aws:iam::{ACCOUNT}:role/Deploy"
    assert alice.refused_role(role).code == "AccessDenied"
    code = code_at("JBSWY3DPEHPK3PXP", lab.sandbox.clock.now())
    deploy = alice.assume(role, SerialNumber=f"arn:aws:iam::{ACCOUNT}:mfa/alice", TokenCode=code, DurationSeconds=7200)
    deploy.region = "eu-west-1"
    answer = deploy.call("secretsmanager", "GetSecretValue", SecretId="prod/db")
    assert answer["SecretString"] == '{"user":"app","password":"invented"}'

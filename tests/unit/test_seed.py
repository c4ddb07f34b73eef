"""A sandbox seed is generated from a configuration.

The seed has what the configuration names, and requires what it sends.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from dsops.config import load
from dsops.policy.language.grammar import parse_policy
from dsops.seed import SeedFromConfig, seed_from_config

if TYPE_CHECKING:
    from pathlib import Path

    from dsops.sandbox.seed.model import SeedAccount, SeedRole

FEDERATED = """
secretStores:
  job: {type: aws.sts, region: us-east-1, role_arn: "arn:aws:iam::111111111111:role/Job", web_identity: github}
  mine:
    type: aws.sts
    region: us-east-1
    role_arn: arn:aws:iam::111111111111:role/Job
    web_identity: github
    web_identity_audience: mine
  pod: {type: aws.sts, role_arn: "arn:aws:iam::222222222222:role/Pod", web_identity_token: "${TOKEN}"}
"""

STORES = """
secretStores:
  jump:
    type: aws.sts
    region: eu-west-1
    role_arn: arn:aws:iam::111111111111:role/JumpRole
    external_id: very-secret-id
    duration_seconds: 7200
    tags: {team: blue}
  target:
    type: aws.sts
    role_arn: arn:aws:iam::222222222222:role/apps/TargetRole
    credentials_from: jump
  secrets:
    type: aws.secretsmanager
    region: eu-west-1
    credentials_from: target
  parameters:
    type: aws.ssm
    region: eu-central-1
    credentials_from: target
    parameter_prefix: /prod/
"""


def seeded(folder: Path, text: str, **environ: str) -> SeedFromConfig:
    """Return the seed of this configuration with these variables."""
    (folder / "dsops.yaml").write_text(text)
    config = load(folder=str(folder), environ={"HOME": str(folder)}, named="dsops.yaml")
    return seed_from_config(config, environ={"USER": "alice", **environ}, timestamp="20261124T150718Z")


def account(made: SeedFromConfig, number: str) -> SeedAccount:
    """Return an account by number."""
    return next(one for one in made.seed.accounts if one.account == number)


def trust(role: SeedRole) -> list[dict[str, Any]]:  # JSON
    """Return the statements of a role's trust policy; assert that it is valid."""
    parse_policy(role.trust, "trust")
    statements: list[dict[str, Any]] = json.loads(role.trust)["Statement"]
    return statements


def test_a_chain_trusts_the_hop_before(tmp_path: Path) -> None:
    """For a chain, the developer may assume only the first role, and only the first role may assume the second."""
    made = seeded(tmp_path, STORES)

    (jump,), (target,) = account(made, "111111111111").roles, account(made, "222222222222").roles
    developer, jump_role = "arn:aws:iam::111111111111:user/developer", "arn:aws:iam::111111111111:role/JumpRole"
    assert {developer} == {arn for entry in trust(jump) for arn in entry["Principal"]["AWS"]}
    assert {jump_role} == {arn for entry in trust(target) for arn in entry["Principal"]["AWS"]}
    assert made.seed.default_identity == "developer@111111111111"


def test_what_a_store_sends_is_demanded(tmp_path: Path) -> None:
    """A role requires the external ID that its store sends, and allows only the store's tags and duration."""
    made = seeded(tmp_path, STORES)

    (jump,), (target,) = account(made, "111111111111").roles, account(made, "222222222222").roles
    assert trust(jump)[0]["Condition"] == {"StringEquals": {"sts:ExternalId": "very-secret-id"}}
    assert [statement["Action"] for statement in trust(jump)] == ["sts:AssumeRole", "sts:TagSession"]
    assert (jump.max_session_duration, jump.path) == (7200, "/")
    assert "Condition" not in trust(target)[0]
    assert [statement["Action"] for statement in trust(target)] == ["sts:AssumeRole"]
    assert (target.max_session_duration, target.path) == (3600, "/apps/")


def test_devices_belong_to_a_developer_of_their_account(tmp_path: Path) -> None:
    """The seed has a developer with the MFA device in the device's account; the device's role requires MFA."""
    made = seeded(
        tmp_path,
        """
secretStores:
  mfa:
    type: aws.sts
    role_arn: arn:aws:iam::333333333333:role/Admin
    serial_number: arn:aws:iam::444444444444:mfa/phones/alice
  plain:
    type: aws.sts
    role_arn: arn:aws:iam::333333333333:role/Reader
""",
    )

    (developer,) = account(made, "444444444444").users
    assert [(device.path, device.name) for device in developer.devices] == [("/phones/", "alice")]
    assert account(made, "333333333333").users == ()
    admin, reader = account(made, "333333333333").roles
    assert trust(admin)[0]["Condition"] == {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
    assert trust(reader)[0]["Principal"] == {"AWS": ["arn:aws:iam::444444444444:user/developer"]}


def test_secrets_have_the_fields_that_are_read(tmp_path: Path) -> None:
    """A secret in the seed is JSON with every field that the configuration reads, or else plain text.

    Parameters are in the store's region.
    """
    made = seeded(
        tmp_path,
        STORES
        + """
envs:
  production:
    USERNAME: {from: {store: secrets, key: db, field: username}}
    PASSWORD: {from: {store: secrets, key: "db#.deep.password"}}
    SECOND: {from: {store: secrets, key: db}, transform: "json_extract:.hosts[1]"}
    WHOLE: {from: {store: secrets, key: team/token}}
    DECODED: {from: {store: secrets, key: packed}, transform: "base64_decode | json_extract:.a"}
    LEVEL: {from: {store: parameters, key: "level:3"}}
""",
    )

    regions = account(made, "222222222222").regions
    secrets = {name: secret.string for name, secret in regions["eu-west-1"].secrets.items()}
    assert json.loads(secrets["db"] or "") == {
        "username": "invented-username",
        "deep": {"password": "invented-password"},
        "hosts": [None, "invented-1"],
    }
    assert secrets["team/token"] == "invented-token"
    assert secrets["packed"] == "eyJhIjogImludmVudGVkLWEifQ=="
    assert dict(regions["eu-central-1"].parameters) == {"/prod/level": "invented-level"}


def test_another_accounts_secret_lets_its_reader_in(tmp_path: Path) -> None:
    """A secret of another account has a resource policy for its reader; a secret of the same account has none."""
    made = seeded(
        tmp_path,
        STORES
        + """
envs:
  production:
    OTHER: {from: {store: secrets, key: "arn:aws:secretsmanager:us-west-2:555555555555:secret:shared/key-AbCdEf"}}
    OWN: {from: {store: secrets, key: own}}
""",
    )

    policy = account(made, "555555555555").regions["us-west-2"].secrets["shared/key-AbCdEf"].policy
    assert json.loads(policy or "")["Statement"][0]["Principal"] == {
        "AWS": ["arn:aws:iam::222222222222:role/apps/TargetRole"]
    }
    assert account(made, "222222222222").regions["eu-west-1"].secrets["own"].policy is None


def test_what_cannot_be_satisfied_is_said(tmp_path: Path) -> None:
    """A store with an unset variable or a value that AWS would refuse is left out of the seed, with a note."""
    made = seeded(
        tmp_path,
        """
secretStores:
  unset: {type: aws.sts, role_arn: "${TARGET_ROLE_ARN}"}
  long: {type: aws.sts, role_arn: "arn:aws:iam::123456789012:role/Long", duration_seconds: 86400}
  good: {type: aws.sts, role_arn: "arn:aws:iam::123456789012:role/Good"}
""",
    )

    assert [role.name for role in account(made, "123456789012").roles] == ["Good"]
    unset, long = made.notes
    assert "`unset`" in unset
    assert "TARGET_ROLE_ARN" in unset
    assert "`long`" in long
    assert "43200" in long


def test_a_base_of_other_stores_is_nothing_to_satisfy(tmp_path: Path) -> None:
    """A base store that other stores only extend needs no role and gets no note."""
    made = seeded(
        tmp_path,
        """
secretStores:
  base: {type: aws.sts, duration_seconds: 7200}
  deploy: {extends: base, role_arn: "arn:aws:iam::123456789012:role/Deploy"}
""",
    )

    assert () == made.notes
    assert [("Deploy", 7200)] == [
        (role.name, role.max_session_duration) for role in account(made, "123456789012").roles
    ]


def test_policies_that_are_named_exist(tmp_path: Path) -> None:
    """The customer managed policies in `policy_arns` are created; AWS's own exist in every sandbox."""
    made = seeded(
        tmp_path,
        """
secretStores:
  limited:
    type: aws.sts
    role_arn: arn:aws:iam::123456789012:role/Limited
    policy_arns: ["arn:aws:iam::123456789012:policy/Own", "arn:aws:iam::aws:policy/ReadOnlyAccess"]
""",
    )

    assert [policy.name for policy in account(made, "123456789012").policies] == ["Own"]


def test_an_empty_configuration_still_has_a_developer(tmp_path: Path) -> None:
    """Without any role there is one account with a developer, so the sandbox can start."""
    made = seeded(tmp_path, "version: 1\nsecretStores: {}\n")

    assert [(one.account, [user.name for user in one.users]) for one in made.seed.accounts] == [
        ("123456789012", ["developer"])
    ]


def test_a_token_is_trusted_as_its_store_sends_it(tmp_path: Path) -> None:
    """A token's role trusts the store's issuer and audience.

    It trusts the known repository or subject; if that is unknown, it trusts any.
    """
    token = "e30.eyJpc3MiOiJodHRwczovL2kuZXhhbXBsZSIsInN1YiI6InMiLCJhdWQiOiJhIn0.x"
    made = seeded(tmp_path, FEDERATED, TOKEN=token, GITHUB_REPOSITORY="org/app")

    (job,), (pod,) = account(made, "111111111111").roles, account(made, "222222222222").roles
    host = "token.actions.githubusercontent.com"
    assert [entry["Condition"] for entry in trust(job)] == [
        {"StringEquals": {f"{host}:aud": audience}, "StringLike": {f"{host}:sub": "repo:org/app:*"}}
        for audience in ("sts.amazonaws.com", "mine")
    ]
    assert {entry["Principal"]["Federated"] for entry in trust(job)} == {
        f"arn:aws:iam::111111111111:oidc-provider/{host}"
    }
    assert [entry["Condition"]["StringLike"] for entry in trust(pod)] == [{"i.example:sub": "s"}]
    providers = [account(made, number).oidc_providers for number in ("111111111111", "222222222222")]
    assert [(entry.url, entry.client_ids, entry.is_issued_by_sandbox) for (entry,) in providers] == [
        (f"https://{host}", ("sts.amazonaws.com", "mine"), True),
        ("https://i.example", ("a",), True),
    ]


def test_a_tokens_role_does_not_trust_the_developer(tmp_path: Path) -> None:
    """A role for tokens does not trust the developer; without a known token the role trusts any repository."""
    made = seeded(tmp_path, FEDERATED, TOKEN="none")

    (job,) = account(made, "111111111111").roles
    assert {entry["Action"] for entry in trust(job)} == {"sts:AssumeRoleWithWebIdentity"}
    assert {json.dumps(entry["Condition"]["StringLike"]).split('"')[3] for entry in trust(job)} == {"repo:*:*"}


LOGINS = """
secretStores:
  dev:
    type: aws.sso
    start_url: https://d-1234567890.awsapps.com/start
    sso_region: eu-central-1
    account_id: 012345678901
    role_name: Developer
  same: {type: aws.sso, sso_session: corp, account_id: 222222222222, role_name: Developer}
  elsewhere:
    type: aws.sso
    start_url: https://d-0000000000.awsapps.com/start
    sso_region: eu-central-1
    account_id: 333333333333
    role_name: Developer
  next: {type: aws.sts, role_arn: "arn:aws:iam::222222222222:role/Next", credentials_from: dev}
  secrets: {type: aws.secretsmanager, region: eu-west-1, credentials_from: dev}
envs:
  e: {A: {from: {store: secrets, key: prod/a}}}
"""


def test_a_login_has_an_identity_center_with_what_it_needs(tmp_path: Path) -> None:
    """For a login store the seed has an Identity Center with permission sets for one user.

    This user may read what the configuration reads.
    """
    (tmp_path / "aws").write_text(
        "[sso-session corp]\nsso_start_url = https://d-1234567890.awsapps.com/start\nsso_region = eu-central-1\n"
    )
    made = seeded(tmp_path, LOGINS, AWS_CONFIG_FILE=str(tmp_path / "aws"))
    center = made.seed.identity_center
    assert any("store `same` finds its sso-session in the AWS config file" in note for note in made.notes)
    assert center is not None
    assert ("https://d-1234567890.awsapps.com/start", "eu-central-1", "developer") == (
        center.start_url,
        center.region,
        center.auto_approve,
    )
    assert [("012345678901", "Developer"), ("222222222222", "Developer")] == [
        (assignment.account, assignment.permission_set) for assignment in center.assignments
    ]
    (permission_set,) = center.permission_sets
    allowed = permission_set.policies[0].text
    assert "arn:aws:secretsmanager:eu-west-1:012345678901:secret:prod/a-??????" in allowed
    assert "arn:aws:iam::222222222222:role/Next" in allowed
    assert {"012345678901", "222222222222"} <= {account.account for account in made.seed.accounts}


def test_a_second_identity_center_is_noted(tmp_path: Path) -> None:
    """A sandbox has one Identity Center, for the first login; a store with another login gets a note."""
    made = seeded(tmp_path, LOGINS.replace("sso_session: corp", "sso_session: none"))
    assert any("store `elsewhere` logs in at https://d-0000000000.awsapps.com/start" in note for note in made.notes)
    assert any("store `same` is left out: there is no `[sso-session none]`" in note for note in made.notes)


def test_without_a_login_there_is_no_identity_center(tmp_path: Path) -> None:
    """Without a login store there is no Identity Center."""
    assert seeded(tmp_path, STORES).seed.identity_center is None


WAYS = """
defaults: {aws.sts: {region: us-east-1}}
secretStores:
  day: {type: aws.sts, serial_number: "arn:aws:iam::111111111111:mfa/ada"}
  deploy: {type: aws.sts, role_arn: "arn:aws:iam::222222222222:role/Deploy", credentials_from: day}
  one: {extends: day, role_arn: "arn:aws:iam::222222222222:role/One"}
  two: {extends: day, role_arn: "arn:aws:iam::222222222222:role/Two"}
  guest:
    type: aws.sts
    federated_user_name: guest
    tags: {team: blue}
    policy_arns: arn:aws:iam::aws:policy/ReadOnlyAccess
  root:
    type: aws.sts
    target_principal: "333333333333"
    task_policy_arn: arn:aws:iam::aws:policy/root-task/S3UnlockBucketPolicy
  own:
    type: aws.sts
    target_principal: "111111111111"
    task_policy_arn: arn:aws:iam::aws:policy/root-task/S3UnlockBucketPolicy
  company: {type: aws.sts, role_arn: "arn:aws:iam::444444444444:role/Company", saml_process: p}
  named:
    type: aws.sts
    role_arn: arn:aws-cn:iam::555555555555:role/Company
    region: cn-north-1
    principal_arn: arn:aws-cn:iam::555555555555:saml-provider/Idp
    saml_process: p
  unknown: {type: aws.sts, saml_process: p}
  secrets: {type: aws.secretsmanager, region: us-east-1, credentials_from: guest}
envs:
  e: {A: {from: {store: secrets, key: prod/a}}}
"""


def test_a_users_own_session_is_the_user_with_a_device(tmp_path: Path) -> None:
    """A role behind a user's own session requires MFA and trusts the developer."""
    made = seeded(tmp_path, WAYS)

    (developer,) = account(made, "111111111111").users
    assert [device.name for device in developer.devices] == ["ada"]
    roles = {role.name: trust(role) for role in account(made, "222222222222").roles}
    assert roles.keys() == {"Deploy", "One", "Two"}
    for (statement,) in roles.values():
        assert statement["Principal"] == {"AWS": ["arn:aws:iam::111111111111:user/developer"]}
        assert statement["Condition"] == {"Bool": {"aws:MultiFactorAuthPresent": "true"}}


def test_a_user_may_vouch_for_a_guest_and_act_for_a_member(tmp_path: Path) -> None:
    """The developer may create federated users with the configured reads, and act for a member account."""
    made = seeded(tmp_path, WAYS)

    (developer,) = account(made, "111111111111").users
    allowed = {
        statement["Resource"]: statement["Action"]
        for policy in developer.policies
        for statement in json.loads(policy.text)["Statement"]
    }
    assert allowed["arn:aws:sts::111111111111:federated-user/guest"] == ["sts:GetFederationToken", "sts:TagSession"]
    assert allowed["arn:aws:iam::333333333333:root"] == ["sts:AssumeRoot"]
    secret = "arn:aws:secretsmanager:us-east-1:111111111111:secret:prod/a-??????"
    assert "secretsmanager:GetSecretValue" in allowed[secret]
    organization = made.seed.organization
    assert organization is not None
    assert organization.management_account == "111111111111"
    assert [member for member, _ in organization.root.accounts] == ["333333333333"]
    assert any("store `own` is left out" in note for note in made.notes)
    assert seeded(tmp_path, STORES).seed.organization is None


def test_an_assertion_is_trusted_by_its_provider(tmp_path: Path) -> None:
    """A SAML role trusts the store's provider, or an invented one, with its partition's sign-in URL."""
    made = seeded(tmp_path, WAYS)

    for number, name, place in (
        ("444444444444", "Company", "https://signin.aws.amazon.com/saml"),
        ("555555555555", "Idp", "https://signin.amazonaws.cn/saml"),
    ):
        assert [saml_provider.name for saml_provider in account(made, number).saml_providers] == [name]
        (role,) = account(made, number).roles
        (statement,) = trust(role)
        assert statement["Principal"]["Federated"].endswith(f":saml-provider/{name}")
        assert statement["Action"] == ["sts:AssumeRoleWithSAML", "sts:TagSession"]
        assert statement["Condition"] == {"StringEquals": {"SAML:aud": place}}
    assert any("store `unknown` is left out" in note for note in made.notes)

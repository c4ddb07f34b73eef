"""`session_policy: auto` generates a policy that allows exactly what the plan does with the session."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from dsops.errors import ConfigError, LimitExceeded, SessionForNothing
from dsops.schema import BUILTIN_TYPES, StoreType
from tests.plans import plan_of

if TYPE_CHECKING:
    from dsops.plan import Plan

STORES = """
secretStores:
  jump:
    type: aws.sts
    role_arn: arn:aws:iam::111111111111:role/Jump
    session_policy: auto
    tags: {team: blue}
    transitive_tag_keys: [team]
    source_identity: ada
  target:
    type: aws.sts
    role_arn: arn:aws:iam::222222222222:role/apps/Target
    credentials_from: jump
    session_policy: auto
  secrets: {type: aws.secretsmanager, region: us-east-1, credentials_from: target}
  far: {type: aws.secretsmanager, region: eu-west-1, credentials_from: target}
  parameters: {type: aws.ssm, region: us-east-1, credentials_from: target, parameter_prefix: /prod/}
"""


def planned(variables: str, stores: str = STORES, **options: Any) -> Plan:
    """Return the plan of an environment with these variables."""
    return plan_of(f"{stores}\nenvs:\n  e:\n{variables}", **options)


def read(store: str, key: str, more: str = "", name: str = "A") -> str:
    """Return the YAML of a variable that reads this key."""
    return f"    {name}: {{from: {{store: {store}, key: '{key}'{more}}}}}\n"


def statements(plan: Plan, store: str = "target") -> list[dict[str, Any]]:
    """Return the statements of the policy generated for a store."""
    document = json.loads(str(plan.steps[store].settings["session_policy"]))
    assert document["Version"] == "2012-10-17"
    found: list[dict[str, Any]] = document["Statement"]
    return found


CURRENT = {
    "Null": {"secretsmanager:VersionId": "true"},
    "StringEqualsIfExists": {"secretsmanager:VersionStage": "AWSCURRENT"},
}


def test_a_secret_that_is_named_is_allowed_in_the_roles_account_and_the_stores_region() -> None:
    """A secret given by name is allowed in the role's account and the store's region, with `??????` for AWS's suffix.

    A condition limits kms:Decrypt to the service that uses the key.
    """
    plan = planned(read("secrets", "prod/db"))

    assert statements(plan) == [
        {
            "Effect": "Allow",
            "Action": "secretsmanager:GetSecretValue",
            "Resource": "arn:aws:secretsmanager:us-east-1:222222222222:secret:prod/db-??????",
            "Condition": CURRENT,
        },
        {
            "Effect": "Allow",
            "Action": "kms:Decrypt",
            "Resource": "*",
            "Condition": {"StringEquals": {"kms:ViaService": "secretsmanager.us-east-1.amazonaws.com"}},
        },
    ]
    assert plan.steps["target"].settings["session_policy_covers"] == "1 secret in 1 region"


def test_regions_and_services_share_statements_but_no_resource() -> None:
    """One statement covers the secrets of all regions, and one kms:Decrypt statement covers all services."""
    plan = planned(read("secrets", "a") + read("far", "b", name="B") + read("parameters", "c/d:3", name="C"))

    secrets, parameters, keys = statements(plan)
    assert secrets["Resource"] == [
        "arn:aws:secretsmanager:eu-west-1:222222222222:secret:b-??????",
        "arn:aws:secretsmanager:us-east-1:222222222222:secret:a-??????",
    ]
    assert parameters == {
        "Effect": "Allow",
        "Action": "ssm:GetParameters",
        "Resource": "arn:aws:ssm:us-east-1:222222222222:parameter/prod/c/d",
    }
    assert keys["Condition"]["StringEquals"]["kms:ViaService"] == [
        "secretsmanager.eu-west-1.amazonaws.com",
        "secretsmanager.us-east-1.amazonaws.com",
        "ssm.us-east-1.amazonaws.com",
    ]
    covers = plan.steps["target"].settings["session_policy_covers"]
    assert covers == "2 secrets in 2 regions and 1 parameter in 1 region"


def test_parameters_that_stay_encrypted_need_no_key() -> None:
    """`with_decryption: false` omits kms:Decrypt."""
    stores = STORES.replace("parameter_prefix: /prod/", "with_decryption: false")
    assert [statement["Action"] for statement in statements(planned(read("parameters", "/a"), stores))] == [
        "ssm:GetParameters"
    ]


@pytest.mark.parametrize("prefix", ["/*/", "?", "/${aws:username}/"])
def test_a_prefix_is_no_pattern(prefix: str) -> None:
    """A wildcard in a parameter prefix is refused, because it would match more parameters."""
    stores = STORES.replace("parameter_prefix: /prod/", f"parameter_prefix: '{prefix}'")
    with pytest.raises(ConfigError) as caught:
        planned(read("parameters", "a"), stores.replace("${aws", "$${aws"))
    assert any(problem.path.endswith(".parameter_prefix") for problem in caught.value.problems)


def test_a_version_that_is_asked_for_is_the_only_one_allowed() -> None:
    """The policy allows only the requested version, by label or ID; by default it allows AWSCURRENT."""
    version = "11111111-2222-3333-4444-555555555555"
    plan = planned(
        read("secrets", "a", ", version: AWSPREVIOUS")
        + read("secrets", "b", f", version: {version}", name="B")
        + read("secrets", "c", ", version: AWSCURRENT", name="C")
    )

    conditions = {str(statement["Resource"])[-8]: statement.get("Condition") for statement in statements(plan)[:3]}
    assert conditions == {
        "a": {"StringEquals": {"secretsmanager:VersionStage": "AWSPREVIOUS"}},
        "b": {"StringEquals": {"secretsmanager:VersionId": version}},
        "c": CURRENT,
    }


def test_an_arn_is_allowed_as_it_is_and_without_its_six_characters() -> None:
    """A secret ARN is allowed as written and with a suffix, since AWS finds a secret by either ARN."""
    whole = "arn:aws:secretsmanager:us-east-1:333333333333:secret:db-AbCdEf"
    part = "arn:aws:secretsmanager:us-east-1:333333333333:secret:prod/db"
    plan = planned(read("secrets", whole) + read("secrets", part, name="B"))
    assert statements(plan)[0]["Resource"] == [whole, f"{whole}-??????", f"{part}-??????"]


def test_a_secret_that_may_be_missing_is_asked_for_by_its_bare_name_too() -> None:
    """An optional secret is also allowed without suffix.

    Otherwise AWS responds with AccessDenied instead of ResourceNotFound.
    """
    bare = "arn:aws:secretsmanager:us-east-1:222222222222:secret:a"
    for more in (", optional: true", ", default: x"):
        plan = planned(read("secrets", "b") + f"    B: {{from: {{store: secrets, key: a}}{more}}}\n")
        assert statements(plan)[0]["Resource"] == [bare, f"{bare}-??????", f"{bare[:-1]}b-??????"]


def test_a_hop_may_assume_the_next_role_with_what_is_sent() -> None:
    """A hop's policy allows assuming the next role, and TagSession and SetSourceIdentity if the hop needs them."""
    plan = planned(read("secrets", "a"))

    assert statements(plan, "jump") == [
        {
            "Effect": "Allow",
            "Action": ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"],
            "Resource": "arn:aws:iam::222222222222:role/apps/Target",
        }
    ]
    assert plan.steps["jump"].settings["session_policy_covers"] == "1 role"


def test_a_star_in_a_name_means_a_star() -> None:
    """A `*` in a secret's name is escaped as `${*}`, since it would be a wildcard; in an ARN's region it is refused."""
    stores = STORES.replace("role/apps/Target", "role/*/T?/${NAME}/Target").replace("${NAME}", "$")
    resource = statements(planned(read("secrets", "a"), stores), "jump")[0]["Resource"]
    assert resource == "arn:aws:iam::222222222222:role/${*}/T${?}/${$}/Target"

    key = "arn:aws:secretsmanager:us-east-1:222222222222:secret:*"
    assert statements(planned(read("secrets", key)))[0]["Resource"].endswith(":secret:${*}-??????")
    with pytest.raises(ConfigError) as caught:
        planned(read("secrets", "arn:aws:secretsmanager:us-east-1:*:secret:a"))
    assert "is not the ARN of a secret" in caught.value.problems[0].message


def test_more_than_ten_secrets_may_be_read_in_batches() -> None:
    """The policy allows batch reads if there are eleven secrets or more, and it still lists each secret."""

    def actions(count: int, stores: str = STORES) -> list[object]:
        plan = planned("".join(read("secrets", f"s{n}", name=f"V{n}") for n in range(count)), stores)
        return [statement["Action"] for statement in statements(plan)]

    batch = "secretsmanager:BatchGetSecretValue"
    single = STORES.replace("secrets: {", "secrets: {batch: never, ")
    assert batch in actions(11)
    assert batch not in actions(10)
    assert batch not in actions(11, single)


def test_another_partition_has_other_arns_and_services() -> None:
    """For China the policy uses ARNs of China's partition and both domain names of a service."""
    stores = STORES.replace("arn:aws:", "arn:aws-cn:").replace("us-east-1", "cn-north-1")
    plan = planned(read("secrets", "a"), stores, environ={"AWS_REGION": "cn-north-1"})

    secret, key = statements(plan)
    assert secret["Resource"] == "arn:aws-cn:secretsmanager:cn-north-1:222222222222:secret:a-??????"
    assert key["Condition"]["StringEquals"]["kms:ViaService"] == [
        "secretsmanager.cn-north-1.amazonaws.com",
        "secretsmanager.cn-north-1.amazonaws.com.cn",
    ]


def test_the_order_of_variables_makes_no_other_session_but_another_secret_does() -> None:
    """The order of variables does not change the session; a different secret does."""
    one = planned(read("secrets", "a") + read("secrets", "b", name="B"))
    two = planned(read("secrets", "b") + read("secrets", "a", name="B"))
    three = planned(read("secrets", "a") + read("secrets", "c", name="B"))

    assert one.steps["target"].fingerprint == two.steps["target"].fingerprint
    assert one.steps["target"].fingerprint != three.steps["target"].fingerprint
    assert one.steps["jump"].fingerprint == three.steps["jump"].fingerprint


def test_a_policy_that_is_written_out_stays_as_it_is() -> None:
    """A session policy that the configuration contains as text is not changed."""
    own = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'
    stores = STORES.replace("session_policy: auto\n    tags", f"session_policy: '{own}'\n    tags")
    plan = planned(read("secrets", "a"), stores)
    assert plan.steps["jump"].settings["session_policy"] == own
    assert "session_policy_covers" not in plan.steps["jump"].settings
    assert "session_policy_covers" in plan.steps["target"].settings


@pytest.mark.parametrize("options", [{"store": "target"}, {"also": "idle"}])
def test_a_session_that_nothing_is_done_with_is_refused(options: dict[str, str]) -> None:
    """A store with `session_policy: auto` that the plan does not use is refused."""
    stores = STORES + "  idle: {type: aws.sts, role_arn: 'arn:aws:iam::111111111111:role/Idle', session_policy: auto}\n"
    with pytest.raises(SessionForNothing) as caught:
        planned(read("secrets", "a"), stores, **options)

    (problem,) = caught.value.problems
    assert problem.message == "`auto` lets a session do what is done with it here, and that is nothing"
    assert "with `--env`" in problem.hint


def test_but_one_that_only_assumes_the_next_role_is_not() -> None:
    """A store with `session_policy: auto` that only assumes the next role is accepted."""
    stores = STORES.replace("    credentials_from: jump\n    session_policy: auto", "    credentials_from: jump")
    plan = planned(read("secrets", "a"), stores, store="target")
    assert plan.steps["jump"].settings["session_policy_covers"] == "1 role"


def test_what_does_not_fit_is_refused_with_what_to_do() -> None:
    """A generated policy over AWS's size limit is refused, and the error has a remedy.

    dsops does not widen resources to save characters.
    """
    names = [f"production/some-team/some-service/secret-number-{n:02}" for n in range(30)]
    with pytest.raises(LimitExceeded) as caught:
        planned("".join(read("secrets", name, name=f"V{n}") for n, name in enumerate(names)))

    (problem,) = caught.value.problems
    assert problem.message.endswith("(the AssumeRole API reference): it is for 30 secrets in 1 region")
    assert problem.where.line == 14
    assert "second aws.sts store" in problem.hint


def test_a_federated_user_reads_in_the_users_own_account_whichever_that_is() -> None:
    """A federated user's policy names no account; a condition limits it to the user's own account."""
    stores = (
        "secretStores:\n  vouched: {type: aws.sts, region: us-east-1, federated_user_name: ci, session_policy: auto}\n"
        "  secrets: {type: aws.secretsmanager, region: us-east-1, credentials_from: vouched}\n"
    )
    [secret, _] = statements(planned(read("secrets", "a"), stores), "vouched")
    assert secret["Resource"] == "arn:aws:secretsmanager:us-east-1:*:secret:a-??????"
    assert secret["Condition"]["StringEquals"] == {"aws:ResourceAccount": "${aws:PrincipalAccount}"}


def test_stores_of_plugins_are_refused() -> None:
    """`session_policy: auto` is refused if a plugin store uses the session.

    The AWS calls of a plugin are unknown.
    """
    plugin = StoreType("acme.vault", "", BUILTIN_TYPES["aws.ssm"].keys, takes_credentials=True)
    stores = STORES + "  vault: {type: acme.vault, region: us-east-1, credentials_from: target}\n"
    with pytest.raises(ConfigError, match="can't be used") as caught:
        planned(read("vault", "a"), stores, store_types={**BUILTIN_TYPES, "acme.vault": plugin})
    assert caught.value.problems[0].message == (
        "`auto` does not know what store `vault` asks AWS for: its type is acme.vault"
    )


def test_managed_policies_beside_it_are_refused() -> None:
    """Managed policies in addition to `auto` are refused, because they would widen the session."""
    stores = STORES.replace("    tags:", "    policy_arns: ['arn:aws:iam::aws:policy/ReadOnlyAccess']\n    tags:")
    with pytest.raises(LimitExceeded) as caught:
        planned(read("secrets", "a"), stores)
    assert caught.value.problems[0].path == "secretStores.jump.policy_arns"


def test_a_variable_may_say_auto() -> None:
    """A variable may supply the value `auto`; any other word is an error that names the variable."""
    stores = STORES.replace("session_policy: auto\n    tags", "session_policy: ${POLICY}\n    tags")
    environ = {"AWS_REGION": "us-east-1", "POLICY": "auto"}
    plan = planned(read("secrets", "a"), stores, environ=environ)
    assert plan.steps["jump"].settings["session_policy_covers"] == "1 role"
    with pytest.raises(ConfigError) as caught:
        planned(read("secrets", "a"), stores, environ={**environ, "POLICY": "automatic"})
    assert "or `auto`" in caught.value.problems[0].hint


@pytest.mark.parametrize(("store", "most"), [("secrets", 19), ("parameters", 27)])
def test_there_is_room_for_as_many_as_the_guide_says(store: str, most: int) -> None:
    """The number of secrets that fit into a generated policy equals the number in the guide."""

    def reads(count: int) -> str:
        # The parameter store puts a prefix of six characters before each.
        name = "x" * 17 if store == "secrets" else "x" * 11
        return "".join(read(store, f"{name}{n:02}", name=f"V{n}") for n in range(count))

    assert len(json.dumps(statements(planned(reads(most))), separators=(",", ":"))) < 2048
    with pytest.raises(LimitExceeded):
        planned(reads(most + 1))

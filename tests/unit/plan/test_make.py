"""Planning an environment: the plan has exactly the steps that the environment needs."""

from __future__ import annotations

import pytest

from dsops.errors import (
    ConfigError,
    EnvironmentUnknown,
    StoreTypeUnknown,
    StoreUnknown,
    VariableInvalid,
    VariableUnset,
    Where,
)
from dsops.plan import Ambient, SecretReference
from dsops.secret import Secret
from tests.plans import FILE, LONG_TERM, TEMPORARY, plan_of

CHAIN = """
secretStores:
  target: {type: aws.sts, role_arn: "arn:aws:iam::222222222222:role/Target", credentials_from: jump}
  jump: {type: aws.sts, role_arn: "arn:aws:iam::111111111111:role/Jump"}
  unused: {type: aws.sts, role_arn: "${NOBODY_SETS_THIS}"}
  unknown: {type: aws.stss, role_arn: "arn:aws:iam::111111111111:role/Jump"}
  secrets: {type: aws.secretsmanager, credentials_from: target}
  plain: {type: aws.ssm, profile: dev}
  values: {type: literal, values: {a: "${A:-one}"}}
envs:
  production:
    DATABASE_URL: {from: {store: secrets, key: prod/db}}
    GREETING: {literal: "hello ${USER}"}
  other:
    P: {from: {store: plain, key: /p}}
  none: {}
"""


def problems_of(error: ConfigError) -> list[tuple[int, str, str]]:
    """Return the line, path and message of each problem."""
    return [(problem.where.line, problem.path, problem.message) for problem in error.problems]


def test_a_plan_holds_the_chain_below_each_store_and_nothing_else() -> None:
    """A plan has only the stores that the environment needs, sources first; an unset variable elsewhere is ignored."""
    plan = plan_of(CHAIN, "production")
    assert list(plan.steps) == ["jump", "target", "secrets"]
    assert [variable.name for variable in plan.variables] == ["DATABASE_URL", "GREETING"]
    assert plan.calls == 3


def test_an_environment_without_variables_needs_nothing() -> None:
    """An environment without variables needs no step, no base identity and no call."""
    plan = plan_of(CHAIN, "none")
    assert (plan.steps, plan.ambient, plan.calls) == ({}, {}, 0)


def test_the_ambient_identity_is_asked_for_once_for_each_profile_in_use() -> None:
    """The base identity is looked up once per profile in use."""
    request_asked: list[str] = []

    def ambient(profile: str) -> Ambient:
        request_asked.append(profile)
        return LONG_TERM

    assert list(plan_of(CHAIN, "other", ambient=ambient).ambient) == ["dev"]
    assert request_asked == ["dev"]


def test_the_default_environment_is_taken_when_none_is_named() -> None:
    """If the user names no environment, the default environment of the configuration is planned."""
    assert plan_of(CHAIN).environment == "production"


def test_an_unknown_environment_offers_the_nearest() -> None:
    """The error for an unknown environment suggests the nearest name, or lists all names."""
    with pytest.raises(EnvironmentUnknown) as caught:
        plan_of(CHAIN, "prodution")
    assert caught.value.hint == "did you mean `production`?"
    with pytest.raises(EnvironmentUnknown) as caught:
        plan_of(CHAIN, "zzz")
    assert caught.value.hint == "the environments are: production, other, none"


def test_one_store_is_planned_with_its_chain() -> None:
    """A single store is planned with its chain, without any environment."""
    plan = plan_of(CHAIN, store="target")
    assert (list(plan.steps), plan.variables, plan.calls) == (["jump", "target"], (), 2)


def test_an_unknown_store_offers_the_nearest() -> None:
    """The error for an unknown store suggests the nearest name."""
    with pytest.raises(StoreUnknown) as caught:
        plan_of(CHAIN, store="tarjet")
    assert caught.value.hint == "did you mean `target`?"


def test_an_unknown_store_type_is_an_error_where_it_is_needed() -> None:
    """An unknown store type is an error only if the plan needs the store; the error has file, line and a suggestion."""
    with pytest.raises(StoreTypeUnknown) as caught:
        plan_of(CHAIN, store="unknown")
    (problem,) = caught.value.problems
    assert (problem.where, problem.hint) == (Where("dsops.yaml", 6), "did you mean `aws.sts`?")


def test_an_unset_variable_names_file_line_field_and_variable() -> None:
    """An unset variable is an error only if the plan needs it; the error has file, line, field and variable."""
    with pytest.raises(VariableUnset) as caught:
        plan_of(CHAIN, store="unused")
    (problem,) = caught.value.problems
    assert str(problem.where) == "dsops.yaml:5"
    assert "secretStores.unused.role_arn" in problem.message
    assert "NOBODY_SETS_THIS" in problem.message


def test_every_problem_of_an_environment_is_told_at_once() -> None:
    """One ConfigError reports all problems of an environment, sorted by line and without repetition."""
    with pytest.raises(ConfigError) as caught:
        plan_of(
            """
secretStores:
  one: {type: aws.sts, role_arn: "${UNSET_ONE}"}
  two: {type: aws.sts, role_arn: "arn:aws:iam::1:role/R", duration_seconds: 86400}
  secrets: {type: aws.secretsmanager, credentials_from: one}
  more: {type: aws.secretsmanager, credentials_from: two}
envs:
  e:
    A: {from: {store: secrets, key: a}}
    B: {from: {store: secrets, key: b}}
    C: {from: {store: more, key: "${UNSET_TWO}"}}
"""
        )
    assert type(caught.value) is ConfigError
    assert [(line, path) for line, path, _ in problems_of(caught.value)] == [
        (3, ""),
        (4, "secretStores.two.duration_seconds"),
        (4, "secretStores.two.role_arn"),
        (11, ""),
    ]


def test_texts_are_expanded() -> None:
    """dsops interpolates keys, fields, versions, literals and defaults; USER and TIMESTAMP are built in."""
    plan = plan_of(
        """
secretStores:
  values: {type: literal, values: {a: "${A:-one}"}}
envs:
  e:
    A: {from: {store: values, key: "${K}", version: "${V}", field: "${F}"}, default: "${USER}-${TIMESTAMP}"}
    B: {literal: "$${K} ${aws:username}"}
""",
        environ={"K": "key", "V": "v1", "F": ".f"},
    )
    first, second = plan.variables
    assert first.reference == SecretReference("key", "v1", ".f")
    assert first.default == Secret("ada-20261124T120000Z")
    assert first.source == "store://values/key#.f?version=v1"
    assert second.literal == Secret("${K} ${aws:username}")
    assert plan.steps["values"].settings["values"] == (("a", Secret("one")),)


def test_an_empty_literal_and_an_empty_default_are_values() -> None:
    """An empty literal or default is a value."""
    plan = plan_of(
        """
secretStores: {s: {type: env}}
envs: {e: {A: {literal: ""}, B: {from: {store: s, key: b}, default: ""}}}
"""
    )
    assert plan.variables[0].literal == Secret("")
    assert plan.variables[1].default == Secret("")


# --- regions ------------------------------------------------------------------------------------------------

REGIONS = """
secretStores:
  role: {type: aws.sts, role_arn: "arn:aws:iam::222222222222:role/R"ROLE}
  secrets: {type: aws.secretsmanager, credentials_from: roleSECRETS}
envs:
  e: {A: {from: {store: secrets, key: a}}}
"""


def regions(environ: dict[str, str], role: str = "", secrets: str = "") -> tuple[str, str]:
    """Return the regions of a role and of the store that uses it."""
    text = REGIONS.replace('"ROLE', f'"{role}').replace("SECRETS", secrets)
    steps = plan_of(text, environ=environ).steps
    return steps["role"].region, steps["secrets"].region


def test_a_region_is_taken_from_the_store_first() -> None:
    """The region comes from the store, then AWS_REGION, then AWS_DEFAULT_REGION, then the store's source."""
    both = {"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-2"}
    assert regions(both, ", region: us-west-1", ", region: us-west-2") == ("us-west-1", "us-west-2")
    assert regions(both, ", region: us-west-1") == ("us-west-1", "eu-west-1")
    assert regions({"AWS_DEFAULT_REGION": "eu-west-2"}) == ("eu-west-2", "eu-west-2")
    assert regions({}, ", region: us-west-1") == ("us-west-1", "us-west-1")


def test_sts_alone_has_a_region_of_its_own_without_any() -> None:
    """Only STS has a default region: us-east-1, or the default of the role's partition.

    A store that uses the role inherits this region.
    """
    assert regions({}) == ("us-east-1", "us-east-1")
    text = REGIONS.replace("arn:aws:", "arn:aws-cn:").replace('"ROLE', '"').replace("SECRETS", "")
    assert plan_of(text, environ={}).steps["role"].region == "cn-northwest-1"


def test_a_profile_has_a_region() -> None:
    """A store that names a profile uses the region of that profile before AWS_REGION."""
    profile = LONG_TERM._replace(region="ap-south-1")
    plan = plan_of(
        """
secretStores: {s: {type: aws.ssm, profile: dev}, t: {type: aws.ssm}}
envs: {e: {A: {from: {store: s, key: a}}, B: {from: {store: t, key: a}}}}
""",
        ambient=lambda name: profile if name == "dev" else LONG_TERM,
    )
    assert (plan.steps["s"].region, plan.steps["t"].region) == ("ap-south-1", "us-east-1")


def test_a_secret_store_without_any_region_is_an_error() -> None:
    """A secret store without any region is an error; the hint names `region` and AWS_REGION."""
    text = "secretStores: {s: {type: aws.ssm}}\nenvs: {e: {A: {from: {store: s, key: a}}}}"
    with pytest.raises(ConfigError) as caught:
        plan_of(text, environ={})
    (problem,) = caught.value.problems
    assert (problem.path, problem.message) == ("secretStores.s", "no region is known for this store")
    assert problem.hint == "write `region: us-east-1` (or another) into it, or set AWS_REGION"


def test_secrets_named_by_arn_need_no_other_region() -> None:
    """A secret given by ARN is read in the ARN's region; a secret given by plain name needs a region."""
    arn = "arn:aws:secretsmanager:eu-central-1:222222222222:secret:db-AbCdEf"
    text = f"""
secretStores: {{s: {{type: aws.secretsmanager}}}}
envs:
  e: {{A: {{from: {{store: s, key: "{arn}#.user"}}}}}}
  f: {{A: {{from: {{store: s, key: "{arn}"}}}}, B: {{from: {{store: s, key: plain}}}}}}
"""
    assert plan_of(text, "e", environ={}).steps["s"].region == "eu-central-1"
    with pytest.raises(ConfigError, match="environment `f`"):
        plan_of(text, "f", environ={})


@pytest.mark.parametrize("region", ["us-east-1/", "evil.example.com#", "US EAST"])
def test_a_region_that_is_no_name_is_refused(region: str) -> None:
    """A malformed region is refused, even from the environment, because it becomes part of a host name."""
    with pytest.raises(ConfigError):
        regions({"AWS_REGION": region})


# --- the chain ----------------------------------------------------------------------------------------------


def test_a_role_assumed_with_another_role_is_chained() -> None:
    """A role assumed with another role is chained; a role assumed with a long-term key is not."""
    steps = plan_of(CHAIN).steps
    assert (steps["jump"].is_chained, steps["target"].is_chained) == (False, True)


def test_temporary_base_credentials_make_the_first_hop_a_chained_one() -> None:
    """A role assumed with temporary base credentials is chained."""
    assert plan_of(CHAIN, ambient=TEMPORARY).steps["jump"].is_chained is True


def test_the_result_of_the_default_chain_is_unknown_in_the_plan() -> None:
    """Whether a role is chained is unknown before the default credential chain is read."""
    unknown = LONG_TERM._replace(is_temporary=None)
    assert plan_of(CHAIN, ambient=unknown).steps["jump"].is_chained is None


def test_defaults_of_a_role_stand_in_the_plan() -> None:
    """The plan contains a role's defaults: one hour, and a session name that AWS accepts."""
    settings = plan_of(CHAIN, user="DOMAIN\\ada b").steps["jump"].settings
    assert settings["duration_seconds"] == 3600
    assert settings["role_session_name"] == "dsops-DOMAIN-ada-b-20261124T120000Z"


@pytest.mark.parametrize("user", ["", "x" * 200, "añó/:", "root"])
@pytest.mark.parametrize("environ", [{}, {"TIMESTAMP": "2026-11-24 12:00:00+00:00"}, {"TIMESTAMP": "t" * 90}])
def test_a_default_session_name_is_always_one_that_aws_takes(user: str, environ: dict[str, str]) -> None:
    """A default session name is always valid, whatever the user's name and the time are."""
    import re

    settings = plan_of(CHAIN, store="jump", user=user, environ=environ).steps["jump"].settings
    assert re.fullmatch(r"[A-Za-z0-9_+=,.@-]{2,64}", str(settings["role_session_name"]))


# --- permissions --------------------------------------------------------------------------------------------


def test_a_found_configuration_is_planned_and_its_plan_is_not_carried_out() -> None:
    """If a configuration was discovered and the user has not allowed it, its plan contains the file's name."""
    assert [FILE, ""] == [plan_of(CHAIN, is_allowed=is_allowed).unallowed for is_allowed in (False, True)]


def test_an_endpoint_of_the_users_own_environment_is_encrypted_or_on_this_machine() -> None:
    """An endpoint in the user's environment must be https or on loopback."""
    environ = {"AWS_ENDPOINT_URL": "https://aws.corp.example", "AWS_REGION": "us-east-1"}
    assert plan_of(CHAIN, environ=environ).steps
    with pytest.raises(VariableInvalid, match="AWS_ENDPOINT_URL would send credentials unencrypted") as caught:
        plan_of(CHAIN, environ={**environ, "AWS_ENDPOINT_URL": "http://aws.corp.example"})
    assert caught.value.problems == ()


def test_an_external_id_is_in_no_text_of_the_plan() -> None:
    """An external ID is a Secret in the plan, and no repr shows it."""
    text = """
secretStores:
  r: {type: aws.sts, role_arn: "arn:aws:iam::111111111111:role/R", external_id: unique-customer-id-12345}
"""
    plan = plan_of(text, store="r")
    assert plan.steps["r"].settings["external_id"] == Secret("unique-customer-id-12345")
    assert "unique-customer-id-12345" not in repr(plan)


def test_a_store_may_be_planned_besides_an_environment() -> None:
    """One store can be planned in addition to an environment (`exec --credentials`); shared steps appear once."""
    text = """
secretStores:
  jump: {type: aws.sts, role_arn: "arn:aws:iam::111111111111:role/Jump"}
  target: {type: aws.sts, role_arn: "arn:aws:iam::111111111111:role/Target", credentials_from: jump}
  secrets: {type: aws.ssm, credentials_from: jump}
envs:
  e: {A: {from: {store: secrets, key: a}}}
"""
    assert list(plan_of(text).steps) == ["jump", "secrets"]
    assert list(plan_of(text, also="target").steps) == ["jump", "secrets", "target"]
    with pytest.raises(StoreUnknown, match="no store `targets`"):
        plan_of(text, also="targets")

"""`session_policy: auto` for generated environments: by dsops' policy evaluation it allows exactly their reads."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from dsops.document import parse_json
from dsops.errors import LimitExceeded
from dsops.policy import Policies, Policy, Principal, Request, check_policy, evaluate
from tests.plans import plan_of

if TYPE_CHECKING:
    from dsops.plan import Plan

ROLE_ACCOUNT = "222222222222"
STORES = """
secretStores:
  role: {type: aws.sts, role_arn: "arn:aws:iam::222222222222:role/Power", session_policy: auto}
  us: {type: aws.secretsmanager, region: us-east-1, credentials_from: role}
  eu: {type: aws.secretsmanager, region: eu-west-1, credentials_from: role}
  parameters: {type: aws.ssm, region: us-east-1, credentials_from: role}
"""
REGIONS = {"us": "us-east-1", "eu": "eu-west-1"}

# Names that are prefixes, suffixes or neighbours of each other, with and without the suffix that AWS adds.
names = st.sampled_from(["a", "a-b", "a-bcdefg", "a-bcdefg-hijklm", "a/b", "b", "prod/a", "prod/a-b", "A"])
versions = st.sampled_from(["", "", "AWSCURRENT", "AWSPREVIOUS", "11111111-2222-3333-4444-555555555555"])
reads = st.lists(
    st.tuples(st.sampled_from(["us", "eu", "parameters"]), names, versions), min_size=1, max_size=6, unique=True
)

Read = tuple[str, str, str]


def planned(wanted: list[Read]) -> Plan:
    """The plan of an environment with these reads."""
    lines = [
        f"    V{n}: {{from: {{store: {store}, key: {key}, version: '{version if store != 'parameters' else ''}'}}, "
        f"optional: {'true' if n % 2 else 'false'}}}\n"
        for n, (store, key, version) in enumerate(wanted)
    ]
    return plan_of(f"{STORES}envs:\n  e:\n{''.join(lines)}")


def policy_of(plan: Plan) -> Policy:
    """The session policy of the role."""
    text = str(plan.steps["role"].settings["session_policy"])
    checked = check_policy(parse_json(text, "auto"), "session", name="auto")
    assert checked.policy is not None, checked.problems
    return checked.policy


EVERYTHING = check_policy(
    parse_json('{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}', "all"),
    "identity",
    name="all",
).policy
SESSION = Principal(
    "role-session",
    ROLE_ACCOUNT,
    f"arn:aws:sts::{ROLE_ACCOUNT}:assumed-role/Power/ada",
    issuer_arn=f"arn:aws:iam::{ROLE_ACCOUNT}:role/Power",
)


def may(policy: Policy, action: str, resource: str, account: str = ROLE_ACCOUNT, **context: str) -> bool:
    """Whether this is allowed to the session of a role that itself may do everything."""
    assert EVERYTHING is not None
    found = {key.replace("__", ":"): (value,) for key, value in context.items()}
    request = Request(SESSION, action, resource, account, found)
    return evaluate(request, Policies(identity=(EVERYTHING,), session=((policy,),))).is_allowed


def secret_context(version: str) -> dict[str, str]:
    """The context keys of a request for this version."""
    if version.count("-") == 4:
        return {"secretsmanager__VersionId": version}
    return {"secretsmanager__VersionStage": version} if version else {}


def meaning(version: str) -> str:
    """Replace a missing version by the version that AWS then reads: AWSCURRENT."""
    return version or "AWSCURRENT"


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    wanted=reads,
    asked=st.tuples(st.sampled_from(["us", "eu"]), names, versions),
    suffix=st.from_regex(r"\A[A-Za-z0-9]{6}\Z"),
)
def test_a_secret_is_allowed_when_and_only_when_the_environment_reads_it(
    wanted: list[Read], asked: Read, suffix: str
) -> None:
    """The policy allows a secret if and only if the environment reads its region, name and version.

    The ARN's random suffix can be any.
    """
    policy = policy_of(planned(wanted))
    store, name, version = asked
    arn = f"arn:aws:secretsmanager:{REGIONS[store]}:{ROLE_ACCOUNT}:secret:{name}-{suffix}"
    # A request without a version is equivalent to a request for AWSCURRENT.
    is_read = any((s, n, meaning(v)) == (store, name, meaning(version)) for s, n, v in wanted)
    # For a policy, a version requested by its id differs from the current version.
    assert may(policy, "secretsmanager:GetSecretValue", arn, **secret_context(version)) == is_read
    other = arn.replace(ROLE_ACCOUNT, "333333333333")
    assert not may(policy, "secretsmanager:GetSecretValue", other, "333333333333", **secret_context(version))


@settings(deadline=None)
@given(wanted=reads, asked=names, region=st.sampled_from(["us-east-1", "eu-west-1"]))
def test_a_parameter_is_allowed_when_and_only_when_the_environment_reads_it(
    wanted: list[Read], asked: str, region: str
) -> None:
    """The policy allows a parameter if and only if the environment reads that whole name in that region."""
    policy = policy_of(planned(wanted))
    arn = f"arn:aws:ssm:{region}:{ROLE_ACCOUNT}:parameter/{asked}"
    is_read = region == "us-east-1" and any((s, n) == ("parameters", asked) for s, n, _ in wanted)
    assert may(policy, "ssm:GetParameters", arn) == is_read


@settings(deadline=None)
@given(
    wanted=reads,
    service=st.sampled_from(["secretsmanager", "ssm", "s3"]),
    region=st.sampled_from(["us-east-1", "eu-west-1", "eu-central-1"]),
)
def test_keys_decrypt_for_the_services_that_are_read_from_only(wanted: list[Read], service: str, region: str) -> None:
    """The policy allows `kms:Decrypt` only through services that the environment reads, and never directly."""
    policy = policy_of(planned(wanted))
    key = f"arn:aws:kms:{region}:{ROLE_ACCOUNT}:key/1234"
    used = {("ssm", "us-east-1") if s == "parameters" else ("secretsmanager", REGIONS[s]) for s, _, _ in wanted}
    via = {"kms__ViaService": f"{service}.{region}.amazonaws.com"}
    assert may(policy, "kms:Decrypt", key, **via) == ((service, region) in used)
    assert not may(policy, "kms:Decrypt", key)
    assert not may(policy, "kms:Encrypt", key, **via)


@settings(deadline=None)
@given(
    wanted=reads,
    action=st.sampled_from(
        [
            "secretsmanager:DescribeSecret",
            "secretsmanager:PutSecretValue",
            "secretsmanager:BatchGetSecretValue",
            "secretsmanager:ListSecrets",
            "ssm:GetParameter",
            "ssm:GetParameterHistory",
            "ssm:PutParameter",
            "sts:AssumeRole",
            "iam:PassRole",
            "s3:GetObject",
        ]
    ),
)
def test_no_other_action_is_allowed_on_anything(wanted: list[Read], action: str) -> None:
    """The policy allows no other action on any resource."""
    policy = policy_of(planned(wanted))
    resources = [resource for statement in json.loads(str(_text(wanted)))["Statement"] for resource in _list(statement)]
    assert not any(may(policy, action, str(resource).replace("?", "x")) for resource in [*resources, "*"])


@settings(deadline=None)
@given(count=st.integers(1, 45), length=st.integers(1, 60))
def test_it_fits_or_is_refused(count: int, length: int) -> None:
    """The policy either fits AWS's size limit and names each secret, or is refused."""
    expected_values = [("us", f"{'x' * length}{n}", "") for n in range(count)]
    try:
        text = str(planned(expected_values).steps["role"].settings["session_policy"])
    except LimitExceeded:
        reject()
    assert len(text) <= 2048
    assert all(f":secret:{name}-??????" in text for _, name, _ in expected_values)


def _text(wanted: list[Read]) -> str:
    return str(planned(wanted).steps["role"].settings["session_policy"])


def _list(statement: dict[str, object]) -> list[object]:
    found = statement["Resource"]
    return found if isinstance(found, list) else [found]

"""Fingerprints of sessions: they change with what changes the session's identity, and with nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsops.plan import Fingerprint
from dsops.schema import BUILTIN_TYPES, StoreKey, StoreType
from tests.plans import LONG_TERM, plan_of

ROLE = "arn:aws:iam::222222222222:role/R"
BASE = {
    "role_arn": f'"{ROLE}"',
    "role_session_name": "session",
    "duration_seconds": "1800",
    "external_id": "an-external-id",
    "serial_number": "arn:aws:iam::111111111111:mfa/ada",
    "session_policy": '{Version: "2012-10-17", Statement: {Effect: Allow, Action: "*", Resource: "*"}}',
    "policy_arns": '["arn:aws:iam::aws:policy/A", "arn:aws:iam::aws:policy/B"]',
    "tags": "{team: a, project: b}",
    "transitive_tag_keys": "[team, project]",
    "source_identity": "ada",
}


def fingerprint(fields: dict[str, str], *, name: str = "r", **options: object) -> Fingerprint:
    """The fingerprint of a role with these fields in this order."""
    lines = "".join(f"    {key}: {value}\n" for key, value in fields.items())
    text = f"secretStores:\n  {name}:\n    type: aws.sts\n{lines}"
    return plan_of(text, store=name, **options).steps[name].fingerprint  # type: ignore[arg-type]


CHANGED = {
    "role_arn": '"arn:aws:iam::222222222222:role/Other"',
    "role_session_name": "other",
    "duration_seconds": "1801",
    "external_id": "another-external-id",
    "serial_number": "arn:aws:iam::111111111111:mfa/bob",
    "session_policy": '{Version: "2012-10-17", Statement: {Effect: Allow, Action: "s3:*", Resource: "*"}}',
    "policy_arns": '["arn:aws:iam::aws:policy/A"]',
    "tags": "{team: a, project: c}",
    "transitive_tag_keys": "[team]",
    "source_identity": "bob",
}


@pytest.mark.parametrize("key", sorted(BASE))
def test_each_identity_field_makes_another_session(key: str) -> None:
    """Changing or removing an identity field changes the fingerprint."""
    assert fingerprint({**BASE, key: CHANGED[key]}) != fingerprint(BASE)
    without = {name: value for name, value in BASE.items() if name not in {key, "transitive_tag_keys"}}
    if key != "role_arn":
        assert fingerprint(without) != fingerprint(BASE)


@given(st.permutations(sorted(BASE)))
def test_the_order_of_keys_is_nothing(order: list[str]) -> None:
    """The order of keys does not change the fingerprint."""
    assert fingerprint({key: BASE[key] for key in order}) == fingerprint(BASE)


@pytest.mark.parametrize(
    "same",
    [
        {"tags": "{project: b, team: a}"},
        {"policy_arns": '["arn:aws:iam::aws:policy/B", "arn:aws:iam::aws:policy/A"]'},
        {"transitive_tag_keys": "[project, team]"},
        {"session_policy": '{Statement: {Resource: "*", Action: "*", Effect: Allow}, Version: "2012-10-17"}'},
        {
            "session_policy": """'{ "Version":"2012-10-17",
      "Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}'"""
        },
        {"duration_seconds": '"1800"'},
        {"region": "eu-west-1"},
        {"timeout_ms": "5000"},
        {"token_code": "'012345'"},
        {"mfa_process": "ykman oath"},
    ],
)
def test_what_decides_nothing_makes_no_other_session(same: dict[str, str]) -> None:
    """White space, region, timeouts and the source of the MFA code do not change the fingerprint."""
    assert fingerprint({**BASE, **same}) == fingerprint(BASE)


def test_the_stores_name_is_nothing() -> None:
    """The store's name does not change the fingerprint: stores of the same role share a session."""
    assert fingerprint(BASE, name="other") == fingerprint(BASE)


def test_an_explicit_default_is_the_default() -> None:
    """A store with the explicit default duration (one hour) has the same fingerprint as one without a duration."""
    fields = {"role_arn": BASE["role_arn"], "role_session_name": "s1"}
    assert fingerprint({**fields, "duration_seconds": "3600"}) == fingerprint(fields)


def test_variables_count_by_what_they_hold() -> None:
    """A variable enters the fingerprint with its value, not its name."""
    fields = {**BASE, "external_id": "${E}"}
    assert fingerprint(fields, environ={"E": "an-external-id"}) == fingerprint(BASE)
    assert fingerprint(fields, environ={"E": "other"}) != fingerprint(BASE)


def test_the_caller_below_counts() -> None:
    """The fingerprint covers the base identity and every hop."""
    chain = f"""
secretStores:
  jump: {{type: aws.sts, role_arn: "{ROLE}", role_session_name: j1}}
  r: {{type: aws.sts, role_arn: "{ROLE}", role_session_name: r1, credentials_from: jump}}
"""
    ada = plan_of(chain, store="r").steps["r"].fingerprint
    bob = plan_of(chain, store="r", ambient=LONG_TERM._replace(digest="bob")).steps["r"].fingerprint
    other_jump = plan_of(chain.replace("j1", "j2"), store="r").steps["r"].fingerprint
    unchained = plan_of(chain.replace(", credentials_from: jump", ""), store="r").steps["r"].fingerprint
    assert len({ada, bob, other_jump, unchained}) == 4


def test_a_generated_timestamp_stays_a_symbol() -> None:
    """A generated timestamp enters the fingerprint as a placeholder, so that a later run finds the session.

    A timestamp that the user sets is expanded.
    """
    fields = {"role_arn": BASE["role_arn"], "role_session_name": "dsops-${USER}-${TIMESTAMP}"}
    assert fingerprint(fields, timestamp="1") == fingerprint(fields, timestamp="2")
    assert fingerprint(fields, environ={"TIMESTAMP": "1"}) != fingerprint(fields, environ={"TIMESTAMP": "2"})
    assert fingerprint(fields, user="ada") != fingerprint(fields, user="bob")


def test_a_default_session_name_makes_one_session() -> None:
    """The default session name, which contains the time, gives the same fingerprint in each run of a user."""
    fields = {"role_arn": BASE["role_arn"]}
    assert fingerprint(fields, timestamp="1") == fingerprint(fields, timestamp="2")
    assert fingerprint(fields, user="ada") != fingerprint(fields, user="bob")


def test_an_endpoint_counts_and_aws_own_does_not() -> None:
    """A custom endpoint (a sandbox) is part of the fingerprint; AWS's own endpoint is not."""
    local = fingerprint({**BASE, "endpoint_url": "http://127.0.0.1:5000"})
    assert local == fingerprint(BASE, environ={"AWS_ENDPOINT_URL": "http://127.0.0.1:5000"})
    assert local != fingerprint(BASE, environ={"AWS_ENDPOINT_URL_STS": "http://127.0.0.1:5001"})
    assert local != fingerprint(BASE)
    aws = fingerprint({**BASE, "endpoint_url": "https://sts.eu-west-1.amazonaws.com"})
    assert aws == fingerprint(BASE)


def test_a_secret_store_reads_with_its_sources_session() -> None:
    """A secret store has the fingerprint of the session that it reads with."""
    steps = plan_of(
        f"""
secretStores:
  r: {{type: aws.sts, role_arn: "{ROLE}"}}
  s: {{type: aws.secretsmanager, credentials_from: r, region: eu-west-1}}
  t: {{type: aws.ssm, region: eu-west-1}}
  u: {{type: aws.ssm, region: eu-west-2}}
  v: {{type: literal, values: {{}}}}
envs:
  e:
    A: {{from: {{store: s, key: a}}}}
    B: {{from: {{store: t, key: a}}}}
    C: {{from: {{store: u, key: a}}}}
    D: {{from: {{store: v, key: a}}}}
"""
    ).steps
    assert steps["s"].fingerprint == steps["r"].fingerprint
    assert steps["t"].fingerprint == steps["u"].fingerprint != steps["r"].fingerprint
    assert steps["v"].fingerprint == ""


def test_partitions_are_worlds_apart() -> None:
    """Sessions in two partitions have different fingerprints even if all their fields are equal.

    For example, the serial number of a hardware MFA device does not contain the partition.
    """
    text = """
secretStores:
  a: {type: aws.sts, role_arn: "arn:PARTITION:iam::111111111111:role/A", serial_number: GAHT12345678}
  b: {type: aws.sts, role_arn: "arn:PARTITION:iam::111111111111:role/B", serial_number: GAHT12345678}
envs: {e: {A: {from: {store: a, key: all}}, B: {from: {store: b, key: all}}}}
"""
    sessions = [
        plan_of(text.replace("PARTITION", partition), environ={}).steps["MFA session of GAHT12345678"].fingerprint
        for partition in ("aws", "aws-cn")
    ]
    assert sessions[0] != sessions[1]


def test_stores_of_a_plugin_that_start_from_nobody_are_told_apart() -> None:
    """The fingerprint of a plugin store without AWS credentials is computed from the store's own fields.

    The fingerprints of roles assumed from different plugin stores differ, too.
    """
    vault = StoreType(
        "acme.vault",
        "Keys of Acme.",
        (StoreKey("user", "text", "Whose."),),
        gives_credentials=True,
        gives_secrets=False,
    )
    text = f"""
secretStores:
  a: {{type: acme.vault, user: ada}}
  b: {{type: acme.vault, user: bob}}
  r: {{type: aws.sts, role_arn: "{ROLE}", role_session_name: same, credentials_from: a}}
  q: {{type: aws.sts, role_arn: "{ROLE}", role_session_name: same, credentials_from: b}}
envs: {{e: {{R: {{from: {{store: r, key: all}}}}, Q: {{from: {{store: q, key: all}}}}}}}}
"""
    steps = plan_of(text, store_types={**BUILTIN_TYPES, "acme.vault": vault}).steps
    assert len({step.fingerprint for step in steps.values()}) == 4

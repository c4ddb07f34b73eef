"""The audit trail's acts of a run: each session and secret once, with its outcome, and no secret value."""

from __future__ import annotations

import json

import pytest

from dsops.audit.record import origin_here, record_of
from dsops.errors import DsopsError
from dsops.resolve.acts import is_of_sandbox
from dsops.runtime import Act
from dsops.schema import BUILTIN_TYPES, StoreType
from tests.aws_in_memory import DENIED, Call, Refusal
from tests.fakes import NOON, make_runtime
from tests.pipeline import ADA, Pipeline
from tests.plans import plan_of

CHAIN = """
secretStores:
  jump:
    type: aws.sts
    role_arn: arn:aws:iam::111111111111:role/Jump
    role_session_name: ada
    external_id: the-external-id
    source_identity: ada
    duration_seconds: 1800
    tags: {team: blue}
  target: {type: aws.sts, role_arn: "arn:aws:iam::222222222222:role/Target", credentials_from: jump}
  secrets: {type: aws.secretsmanager, credentials_from: target}
  parameters: {type: aws.ssm, credentials_from: target, parameter_prefix: /app}
  values: {type: literal, values: {one: "1"}}
envs:
  e:
    DATABASE_URL: {from: {store: secrets, key: db}}
    PASSWORD: {from: {store: secrets, key: "json#.password"}}
    USER_NAME: {from: {store: secrets, key: json, field: user}}
    PARAMETER: {from: {store: parameters, key: /c}}
    VALUE: {from: {store: values, key: "one"}}
    SESSION: {from: {store: target, key: "access_key_id"}}
    GREETING: {literal: hello}
"""

TWENTY = ", ".join([f"V{number}: {{from: {{store: secrets, key: s{number}}}}}" for number in range(20)])
MANY = f"""
secretStores:
  secrets: {{type: aws.secretsmanager}}
envs:
  e: {{{TWENTY}}}
"""

KEPT = """
secretStores:
  secrets: {type: aws.secretsmanager, cache_seconds: 60}
envs:
  e: {A: {from: {store: secrets, key: "db"}}}
"""

CODE = """
secretStores:
  guarded:
    type: aws.sts
    role_arn: arn:aws:iam::111111111111:role/Guarded
    serial_number: arn:aws:iam::111111111111:mfa/ada
envs:
  e: {A: {from: {store: guarded, key: "access_key_id"}}}
"""


@pytest.fixture
def pipeline() -> Pipeline:
    """A process with Ada's key, and the secrets of these tests."""
    pipeline = Pipeline()
    pipeline.aws.secrets = {"db": "postgres://", "json": '{"user": "app", "password": "p4ss"}'}
    pipeline.aws.secrets |= {f"s{number}": "many" for number in range(20)}
    pipeline.aws.parameters = {"/app/c": "3"}
    return pipeline


def of(pipeline: Pipeline, name: str) -> Act:
    """Return the act about this store or secret."""
    [act] = [act for act in pipeline.journal.acts if act.facts.get("secret", act.facts["store"]) == name]
    return act


def fails(pipeline: Pipeline, text: str) -> None:
    """Resolve a configuration that must fail."""
    with pytest.raises(DsopsError):
        pipeline.resolve(text)


def test_each_session_and_each_secret_is_recorded_once(pipeline: Pipeline) -> None:
    """A run records each session and each secret once, however many variables use it.

    Secrets of every store type are recorded; literal variables are not.
    """
    pipeline.resolve(CHAIN)
    assert sorted(pipeline.journal.told) == [
        "AssumeRole jump sts ok",
        "AssumeRole target sts ok",
        "GetParameters /c ssm ok",
        "GetSecretValue db secretsmanager ok",
        "GetSecretValue json secretsmanager ok",
        "ReadSecret access_key_id - ok",
        "ReadSecret one - ok",
    ]
    assert of(pipeline, "json").facts["variables"] == ["PASSWORD", "USER_NAME"]


def test_a_hop_has_caller_parameters_and_result(pipeline: Pipeline) -> None:
    """The act of a hop uses CloudTrail's names, hides the external ID and omits parameters that are not set."""
    pipeline.resolve(CHAIN)
    jump, target = of(pipeline, "jump"), of(pipeline, "target")

    assert jump.asked == {
        "roleArn": "arn:aws:iam::111111111111:role/Jump",
        "roleSessionName": "ada",
        "durationSeconds": 1800,
        "externalId": "HIDDEN_DUE_TO_SECURITY_REASONS",
        "sourceIdentity": "ada",
        "tags": [{"key": "team", "value": "blue"}],
    }
    assert jump.answer == {
        "credentials": {
            "accessKeyId": "ASIA0000000000000001",
            "sessionToken": "HIDDEN_DUE_TO_SECURITY_REASONS",
            "expiration": "Nov 24, 2026, 12:30:00 PM",
        },
        "assumedRoleUser": {"arn": "arn:aws:sts::111111111111:assumed-role/Jump/ada"},
    }
    assert (jump.key, jump.request_id, jump.facts["hop"]) == (ADA["AWS_ACCESS_KEY_ID"], "r-1", 1)
    assert (target.key, target.caller) == ("ASIA0000000000000001", "arn:aws:sts::111111111111:assumed-role/Jump/ada")
    assert (target.facts["hop"], target.facts["credentialsFrom"], target.facts["source"]) == (2, "jump", "environment")
    assert "externalId" not in target.asked


def test_a_secret_has_its_reader_version_and_request(pipeline: Pipeline) -> None:
    """The act of a secret has the reader, the version, the request ID, the configured name and the ARN."""
    pipeline.resolve(CHAIN)
    read = of(pipeline, "db")
    assert read.caller.startswith("arn:aws:sts::222222222222:assumed-role/Target/")
    assert (read.facts["version"], read.request_id, read.asked) == ("v", "r-1", {"secretId": "db"})
    assert read.facts["arn"] == "arn:aws:secretsmanager:us-east-1:222222222222:secret:db-AbCdEf"
    assert of(pipeline, "/c").asked == {"names": ["/app/c"], "withDecryption": True}
    assert of(pipeline, "/c").facts["version"] == "1"


def test_a_held_session_is_marked_as_held(pipeline: Pipeline) -> None:
    """If a run uses a cached session, its act is marked as `held` and names no service; reads are recorded as usual."""
    pipeline.resolve(CHAIN)
    pipeline.journal.acts.clear()
    pipeline.resolve(CHAIN)

    assert "AssumeRole target - held" in pipeline.journal.told
    held_act = of(pipeline, "target")
    assert (held_act.request_id, held_act.facts["cached"]) == ("", True)
    assert "arn:aws:sts::222222222222:assumed-role/Target/" in str(held_act.answer["assumedRoleUser"])
    assert "GetSecretValue db secretsmanager ok" in pipeline.journal.told


def test_a_held_value_is_marked_as_held(pipeline: Pipeline) -> None:
    """If a run uses a cached value (`cache_seconds`), its act is marked as `held` and names no service."""
    pipeline.resolve(KEPT)
    pipeline.resolve(KEPT)
    assert pipeline.journal.told == ["GetSecretValue db secretsmanager ok", "GetSecretValue db - held"]


def test_a_batch_is_recorded_secret_by_secret(pipeline: Pipeline) -> None:
    """A batch of twenty secrets is recorded as twenty audit records with one request ID; each names the batch call."""
    pipeline.resolve(MANY)
    assert pipeline.aws.actions == ["BatchGetSecretValue"]
    acts = pipeline.journal.acts
    assert {act.name for act in acts} == {"GetSecretValue"}
    assert {act.facts["operation"] for act in acts} == {"BatchGetSecretValue"}
    assert [act.facts["variables"] for act in acts] == [[f"V{number}"] for number in range(20)]
    assert {act.request_id for act in acts} == {"r-1"}


def test_a_refusal_is_recorded_in_awss_words(pipeline: Pipeline) -> None:
    """The act of a denied hop or secret has AWS's error code; steps that did not run are not recorded."""
    pipeline.aws.rule = lambda call: DENIED if str(call) == "GetSecretValue db" else None
    fails(pipeline, CHAIN)
    assert "GetSecretValue db secretsmanager secret.access-denied" in pipeline.journal.told
    assert "GetSecretValue json secretsmanager ok" in pipeline.journal.told

    pipeline.journal.acts.clear()
    pipeline.cache.clear()
    pipeline.aws.rule = lambda call: Refusal("AccessDenied", "User: SESSION may not", 403) if _is(call) else None
    fails(pipeline, CHAIN)
    assert "AssumeRole target sts sts.access-denied" in pipeline.journal.told
    assert not any(line.startswith("GetSecretValue") for line in pipeline.journal.told)


def _is(call: Call) -> bool:
    return str(call) == "AssumeRole Target"


def test_what_fails_before_a_call_names_no_service(pipeline: Pipeline) -> None:
    """If the MFA code cannot be asked for, the role's act names no service, because STS was not called."""
    fails(pipeline, CODE)
    assert pipeline.aws.actions == []
    assert pipeline.journal.told == ["AssumeRole guarded - mfa.required"]


def test_a_secret_whose_field_is_missing_was_read(pipeline: Pipeline) -> None:
    """If a secret lacks the requested field, its act records a successful read, and the run fails."""
    text = 'secretStores: {s: {type: aws.secretsmanager}}\nenvs: {e: {A: {from: {store: s, key: "json#.no"}}}}'
    fails(pipeline, text)
    assert [(act.facts["version"], act.request_id) for act in pipeline.journal.acts] == [("v", "r-1")]


def test_an_address_other_than_awss_is_recorded(pipeline: Pipeline) -> None:
    """An act records the endpoint of a sandbox or another host, but not AWS's own endpoint."""
    pipeline.resolve(KEPT)
    assert "endpoint" not in of(pipeline, "db").facts
    pipeline.journal.acts.clear()
    pipeline.environ = {**ADA, "AWS_ENDPOINT_URL": "http://127.0.0.1:4566"}
    pipeline.resolve(KEPT)
    assert of(pipeline, "db").facts["endpoint"] == "http://127.0.0.1:4566"


@pytest.mark.parametrize(
    ("store_type", "expected"),
    [("aws.sts", True), ("aws.ssm", True), ("literal", None), ("env", None), ("aws.keys", False), ("acme.it", False)],
)
def test_only_calls_of_aws_can_be_a_sandboxs(store_type: str, expected: bool | None) -> None:  # noqa: FBT001
    """Only calls of AWS stores can be marked as a sandbox's; calls of a keyring or a plugin cannot.

    For a literal or a variable the result is None: the run's other calls decide.
    """
    step = plan_of(
        "secretStores: {a: {type: aws.sts, role_arn: 'arn:aws:iam::111111111111:role/R'}}\n"
        "envs: {e: {A: {from: {store: a, key: access_key_id}}}}"
    ).steps["a"]
    runtime = make_runtime({"AWS_ENDPOINT_URL": "http://127.0.0.1:4566"})
    found = is_of_sandbox(
        step._replace(type=BUILTIN_TYPES.get(store_type, StoreType(store_type, "", ()))),
        runtime,
        {"http://127.0.0.1:4566"},
    )
    assert (found, is_of_sandbox(step, runtime, {"http://127.0.0.1:4567"})) == (expected, False)


def test_no_secret_is_recorded(pipeline: Pipeline) -> None:
    """The records of successful and denied runs contain no secret value."""
    pipeline.resolve(CHAIN)
    pipeline.resolve(MANY)
    pipeline.aws.rule = lambda call: DENIED if call.action == "GetSecretValue" else None
    fails(pipeline, KEPT)
    origin = origin_here("run", 1, "/project")
    text = b"".join(record_of(act, origin, {}, NOON) for act in pipeline.journal.acts).decode()
    for secret in (
        "postgres://",
        "p4ss",
        "many",
        "the-external-id",
        ADA["AWS_SECRET_ACCESS_KEY"],
        "secret-ASIA",
        "token-ASIA",
    ):
        assert secret not in text
    assert json.dumps("HIDDEN_DUE_TO_SECURITY_REASONS") in text

"""Read secrets from Secrets Manager: each secret once, in batches where that saves calls and is allowed."""

from __future__ import annotations

import pytest

from dsops.errors import FieldMissing, SecretAccessDenied, SecretNotFound, ServiceError
from tests.aws_in_memory import DENIED, Call, Refusal
from tests.pipeline import ADA, Pipeline, words

ARN = "arn:aws:secretsmanager:us-east-1:222222222222:secret:db-AbCdEf"
VERSION = "01234567-89ab-cdef-0123-456789abcdef"


@pytest.fixture
def pipeline() -> Pipeline:
    """A process with Ada's key and a few secrets."""
    pipeline = Pipeline()
    pipeline.aws.secrets = {"db": '{"user": "app", "port": 5432, "list": ["a", {"b.c": 1.50}]}', ARN: "by-arn"}
    return pipeline


def config(*sources: str, more: str = "") -> str:
    """Return a configuration of variables V0, V1, ... with these `from` mappings."""
    lines = "".join(f"    V{index}: {{from: {{store: s, {source}}}}}\n" for index, source in enumerate(sources))
    return f"secretStores:\n  s: {{type: aws.secretsmanager{more}}}\nenvs:\n  e:\n{lines}"


def many(pipeline: Pipeline, count: int) -> list[str]:
    """Create this many secrets and return their sources."""
    pipeline.aws.secrets |= {f"k{number}": f"v{number}" for number in range(count)}
    return [f"key: k{number}" for number in range(count)]


def denied_batch(call: Call) -> Refusal | None:
    """Deny batch reads, as for a role that may only call GetSecretValue (AWS STS page)."""
    return DENIED if call.action == "BatchGetSecretValue" else None


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("key: 'db#.user'", "app"),
        ("key: db, field: user", "app"),
        ("key: db, field: .port", "5432"),
        ("key: 'db#.list[1].\"b.c\"'", "1.50"),
        ("key: 'db#.list[1]'", '{"b.c":1.50}'),
        (f"key: '{ARN}'", "by-arn"),
    ],
)
def test_names_arns_and_fields(pipeline: Pipeline, source: str, value: str) -> None:
    """Secrets are read by name or ARN; a field may be an array item or a dotted key.

    A number is returned as it is written in the secret.
    """
    assert pipeline.resolve(config(source)) == {"V0": value}


def test_versions_are_ids_or_stages(pipeline: Pipeline) -> None:
    """A version that is a UUID is sent as VersionId, any other as VersionStage, and `latest` is not sent."""
    pipeline.aws.secrets |= {f"db@{VERSION}": "by-id", "db@AWSPREVIOUS": "old"}
    sources = (f"key: db, version: {VERSION}", "key: db, version: AWSPREVIOUS", "key: 'db#.user', version: latest")
    assert pipeline.resolve(config(*sources)) == {"V0": "by-id", "V1": "old", "V2": "app"}
    assert [call.parameters for call in pipeline.aws.calls] == [
        {"SecretId": "db", "VersionId": VERSION},
        {"SecretId": "db", "VersionStage": "AWSPREVIOUS"},
        {"SecretId": "db"},
    ]


def test_binary_secrets_keep_their_bytes(pipeline: Pipeline) -> None:
    """Binary secrets keep their bytes, whether or not these are UTF-8."""
    pipeline.aws.secrets["db"] = b"\x00\xff\xfe"
    assert pipeline.resolve(config("key: db"))["V0"].encode("utf-8", "surrogateescape") == b"\x00\xff\xfe"


def test_a_secret_in_another_region_is_read_there(pipeline: Pipeline) -> None:
    """A secret ARN of another region is read in that region, and the request is signed for it."""
    elsewhere = ARN.replace("us-east-1", "eu-central-1")
    pipeline.aws.secrets[elsewhere] = "far"
    assert pipeline.resolve(config(f"key: '{elsewhere}'", "key: 'db#.user'")) == {"V0": "far", "V1": "app"}
    assert {(call.region, call.host) for call in pipeline.aws.calls} == {
        ("eu-central-1", "secretsmanager.eu-central-1.amazonaws.com"),
        ("us-east-1", "secretsmanager.us-east-1.amazonaws.com"),
    }


def test_an_endpoint_of_its_own(pipeline: Pipeline) -> None:
    """A store's own endpoint takes precedence over the endpoint in environment variables."""
    pipeline.environ = {**ADA, "AWS_ENDPOINT_URL_SECRETS_MANAGER": "https://other.example"}
    pipeline.resolve(config("key: db", more=", endpoint_url: 'http://127.0.0.1:4566'"))
    assert pipeline.aws.calls[0].host == "127.0.0.1"
    pipeline.resolve(config("key: db"))
    assert pipeline.aws.calls[1].host == "other.example"


# --- batches ------------------------------------------------------------------------------------------------


def test_ten_secrets_are_read_one_by_one_at_once(pipeline: Pipeline) -> None:
    """Up to ten secrets are read one by one, in one round of concurrent calls."""
    assert len(pipeline.resolve(config(*many(pipeline, 10)))) == 10
    assert [len(calls) for calls in pipeline.aws.rounds] == [10]
    assert {call.action for call in pipeline.aws.calls} == {"GetSecretValue"}


def test_a_hundred_secrets_are_five_requests_at_once(pipeline: Pipeline) -> None:
    """A hundred secrets are read in five concurrent batches of twenty."""
    values = pipeline.resolve(config(*many(pipeline, 100)))
    assert values == {f"V{number}": f"v{number}" for number in range(100)}
    assert pipeline.aws.rounds == [["BatchGetSecretValue"] * 5]


def test_versions_are_read_beside_the_batches(pipeline: Pipeline) -> None:
    """Secrets with a version are read one by one, in the same round as the batches of current versions."""
    pipeline.aws.secrets["k0@AWSPREVIOUS"] = "old"
    values = pipeline.resolve(config(*many(pipeline, 11), "key: k0, version: AWSPREVIOUS"))
    assert values["V11"] == "old"
    assert [sorted(calls) for calls in pipeline.aws.rounds] == [["BatchGetSecretValue", "GetSecretValue k0"]]


def test_a_denied_batch_falls_back_to_single_reads(pipeline: Pipeline) -> None:
    """If AWS denies the batch, all secrets are read one by one; one note names the missing permission."""
    pipeline.aws.rule = denied_batch
    assert len(pipeline.resolve(config(*many(pipeline, 100)))) == 100
    assert [len(calls) for calls in pipeline.aws.rounds] == [5, 100]
    (told_once,) = pipeline.reports.facts("secrets.batch-denied")
    assert '"Action": "secretsmanager:BatchGetSecretValue"' in told_once["hint"]
    assert "`batch: never`" in told_once["hint"]


def test_a_denied_batch_is_remembered(pipeline: Pipeline) -> None:
    """A denied batch is remembered for the session for an hour, because each denial is an event in CloudTrail."""
    pipeline.aws.rule = denied_batch
    text = config(*many(pipeline, 11))
    pipeline.resolve(text)
    pipeline.aws.calls.clear()
    pipeline.resolve(text)
    assert {call.action for call in pipeline.aws.calls} == {"GetSecretValue"}
    pipeline.environ = {**ADA, "AWS_SECRET_ACCESS_KEY": "another-key"}
    pipeline.resolve(text)
    assert [call.action for call in pipeline.aws.calls].count("BatchGetSecretValue") == 1
    pipeline.environ = ADA
    pipeline.clock.advance(3600)
    pipeline.resolve(text)
    assert [call.action for call in pipeline.aws.calls].count("BatchGetSecretValue") == 2


def test_a_server_that_has_no_batches_is_read_one_by_one(pipeline: Pipeline) -> None:
    """If the server does not know batch reads (another implementation of AWS), secrets are read one by one."""
    unknown = Refusal("UnknownOperationException", "")
    pipeline.aws.rule = lambda call: unknown if call.action == "BatchGetSecretValue" else None
    assert len(pipeline.resolve(config(*many(pipeline, 11)))) == 11


def test_batch_never_makes_no_batch(pipeline: Pipeline) -> None:
    """With `batch: never` secrets are never read in batches."""
    pipeline.resolve(config(*many(pipeline, 30), more=", batch: never"))
    assert [len(calls) for calls in pipeline.aws.rounds] == [30]


def test_members_of_a_batch_have_their_own_errors(pipeline: Pipeline) -> None:
    """A denied or missing secret in a batch is an error for its own variables only."""
    sources = [*many(pipeline, 20), "key: missing"]
    pipeline.aws.rule = lambda call: DENIED if str(call) == "GetSecretValue k3" else None
    errors = pipeline.errors(config(*sources))
    assert [type(error) for error in errors] == [SecretAccessDenied, SecretNotFound]
    assert [error.message.endswith(end) for error, end in zip(errors, ("(for V3)", "(for V20)"), strict=True)] == [
        True,
        True,
    ]
    assert {call.action for call in pipeline.aws.calls} == {"BatchGetSecretValue"}


def test_a_batch_that_fails_otherwise_is_an_error(pipeline: Pipeline) -> None:
    """If a batch fails for another reason, its error is raised and its secrets are not read one by one.

    The results of other batches are used.
    """
    sources = many(pipeline, 40)

    def rule(call: Call) -> Refusal | None:
        ids = call.parameters.get("SecretIdList")
        return Refusal("InternalServiceError", "", 500) if isinstance(ids, list) and "k0" in ids else None

    pipeline.aws.rule = rule
    (error,) = pipeline.errors(config(*sources))
    assert isinstance(error, ServiceError)
    assert error.message.endswith("(for V0, V1, V2, V3, V4 and 15 more)")
    assert {call.action for call in pipeline.aws.calls} == {"BatchGetSecretValue"}


# --- errors -------------------------------------------------------------------------------------------------


def test_a_missing_secret_names_it_and_where_it_was_looked_for(pipeline: Pipeline) -> None:
    """If a secret does not exist, all its fields give one error, which names the region."""
    (error,) = pipeline.errors(config("key: 'missing#.a'", "key: 'missing#.b'"))
    assert isinstance(error, SecretNotFound)
    assert "`missing`" in error.message
    assert "secretsmanager.us-east-1" in error.message
    assert error.message.endswith("(for V0, V1)")


def test_a_missing_field_names_the_fields_there_are(pipeline: Pipeline) -> None:
    """If a field does not exist, the error lists the existing field names without values."""
    (error,) = pipeline.errors(config("key: 'db#.usr'"))
    assert isinstance(error, FieldMissing)
    assert error.message == "secret `db` of store `s`: there is no field `.usr` (for V0)"
    assert error.hint == "did you mean `user`?"
    assert "5432" not in words(error)

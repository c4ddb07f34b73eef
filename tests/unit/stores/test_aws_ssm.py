"""Read Parameter Store: ten parameters per call; if one is denied, the others are still read."""

from __future__ import annotations

import pytest

from dsops.errors import SecretAccessDenied, SecretNotFound, Unreachable
from tests.aws_in_memory import DENIED, Call, Refusal
from tests.pipeline import Pipeline

ARN = "arn:aws:ssm:eu-west-1:222222222222:parameter/shared/key"


@pytest.fixture
def pipeline() -> Pipeline:
    """A process with Ada's key and a few parameters."""
    pipeline = Pipeline()
    pipeline.aws.parameters = {
        "/prod/db": '{"user": "app"}',
        "/prod/db:3": "third",
        "/prod/db:stable": "labelled",
        ARN: "shared",
        "plain": "p",
    }
    return pipeline


def config(*sources: str, more: str = "") -> str:
    """Return a configuration of variables V0, V1, ... with these `from` mappings."""
    lines = "".join(f"    V{index}: {{from: {{store: s, {source}}}}}\n" for index, source in enumerate(sources))
    return f"secretStores:\n  s: {{type: aws.ssm{more}}}\nenvs:\n  e:\n{lines}"


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("key: /prod/db", '{"user": "app"}'),
        ("key: '/prod/db#.user'", "app"),
        ("key: '/prod/db:3'", "third"),
        ("key: /prod/db, version: '3'", "third"),
        ("key: /prod/db, version: stable", "labelled"),
        (f"key: '{ARN}'", "shared"),
        ("key: plain", "p"),
    ],
)
def test_names_versions_labels_and_arns(pipeline: Pipeline, source: str, value: str) -> None:
    """Parameters are read decrypted by name, version, label or ARN."""
    assert pipeline.resolve(config(source)) == {"V0": value}
    assert pipeline.aws.calls[0].parameters["WithDecryption"] is True


def test_an_arn_of_another_region_is_read_there(pipeline: Pipeline) -> None:
    """A parameter ARN of another region is read in that region."""
    pipeline.resolve(config(f"key: '{ARN}'"))
    assert pipeline.aws.calls[0].host == "ssm.eu-west-1.amazonaws.com"


def test_a_prefix_stands_before_names_and_not_before_arns(pipeline: Pipeline) -> None:
    """`parameter_prefix` is put before names, but not before ARNs."""
    values = pipeline.resolve(config("key: db", f"key: '{ARN}'", more=", parameter_prefix: /prod/"))
    assert values == {"V0": '{"user": "app"}', "V1": "shared"}


def test_decryption_can_be_switched_off(pipeline: Pipeline) -> None:
    """With `with_decryption: false` a SecureString is returned encrypted, which shows that it exists."""
    pipeline.resolve(config("key: plain", more=", with_decryption: false"))
    assert pipeline.aws.calls[0].parameters["WithDecryption"] is False


def test_ten_parameters_a_call_side_by_side(pipeline: Pipeline) -> None:
    """A hundred parameters are read in ten concurrent calls, each parameter once."""
    pipeline.aws.parameters |= {f"/k{number}": f"v{number}" for number in range(100)}
    sources = [f"key: /k{number}" for number in range(100)]
    values = pipeline.resolve(config(*sources, "key: /k0"))
    assert len(values) == 101
    assert pipeline.aws.rounds == [["GetParameters"] * 10]


def test_missing_parameters_are_named_each(pipeline: Pipeline) -> None:
    """Each missing parameter has its own error; the error for a path without leading slash has a hint."""
    errors = pipeline.errors(config("key: plain", "key: /nowhere", "key: prod/db"))
    assert [type(error) for error in errors] == [SecretNotFound, SecretNotFound]
    assert errors[0].message == "ssm.us-east-1 has no parameter `/nowhere` (store `s`) (for V1)"
    assert errors[1].hint == "a path begins with `/`: /prod/db"


def test_one_denied_parameter_leaves_the_others_alone(pipeline: Pipeline) -> None:
    """If AWS denies a call because of one parameter, each parameter is read alone; the error names the denied one."""

    def rule(call: Call) -> Refusal | None:
        names = call.parameters["Names"]
        return DENIED if isinstance(names, list) and "/prod/db" in names else None

    pipeline.aws.rule = rule
    (error,) = pipeline.errors(config("key: plain", "key: /prod/db"))
    assert isinstance(error, SecretAccessDenied)
    assert "`/prod/db`" in error.message
    assert "`plain`" not in error.message
    assert error.message.endswith("(for V1)")
    assert "ssm:GetParameters" in error.hint
    assert [len(calls) for calls in pipeline.aws.rounds] == [1, 2]


def test_an_unreachable_store_is_not_asked_ten_times(pipeline: Pipeline) -> None:
    """If the store is unreachable, one error reports it for all parameters."""
    from dsops.aws.http.wire import WireRequest, unreachable

    pipeline.aws.rule = lambda _call: unreachable(
        WireRequest("POST", "https://ssm.us-east-1.amazonaws.com/"), "no route"
    )
    (error,) = pipeline.errors(config("key: plain", "key: /prod/db"))
    assert isinstance(error, Unreachable)
    assert error.message.endswith("(for V0, V1)")

"""The stores that make no calls: `literal` and `env`."""

from __future__ import annotations

import pytest

from dsops.errors import FieldMissing, SecretNotFound
from tests.pipeline import Pipeline

TEXT = """
secretStores:
  values: {type: literal, values: {a: one, empty: "", number: 007, json: '{"x": 1}'}}
  env: {type: env, prefix: APP_}
envs:
  e:
    A: {from: {store: values, key: a}}
    B: {from: {store: values, key: empty}}
    C: {from: {store: values, key: number}}
    D: {from: {store: values, key: json, field: x}}
    E: {from: {store: env, key: TOKEN}}
    F: {from: {store: env, key: EMPTY}}
  wrong:
    A: {from: {store: values, key: aa}}
    B: {from: {store: values, key: a, field: x}}
    C: {from: {store: env, key: MISSING}}
    D: {from: {store: env, key: MISSING}, default: d}
"""


@pytest.fixture
def pipeline() -> Pipeline:
    """A process without any credentials."""
    pipeline = Pipeline()
    pipeline.environ = {"APP_TOKEN": "t", "APP_EMPTY": "", "TOKEN": "not this one"}
    return pipeline


def test_values_and_variables(pipeline: Pipeline) -> None:
    """Values and environment variables are returned unchanged, even if empty, and no call is made."""
    assert pipeline.resolve(TEXT, "e") == {"A": "one", "B": "", "C": "007", "D": "1", "E": "t", "F": ""}
    assert pipeline.aws.calls == []


def test_what_is_missing_is_named(pipeline: Pipeline) -> None:
    """The error for a missing value has a suggestion, and the error for a missing variable has its full name."""
    errors = pipeline.errors(TEXT, "wrong")
    assert [type(error) for error in errors] == [SecretNotFound, FieldMissing, SecretNotFound]
    assert errors[0].message == "store `values` has no value `aa` (for A)"
    assert errors[0].hint == "did you mean `a`?"
    assert errors[1].message.startswith("value `a` of store `values`: there is no field `x`")
    assert errors[2].message == "the environment variable APP_MISSING is not set (store `env`) (for C)"

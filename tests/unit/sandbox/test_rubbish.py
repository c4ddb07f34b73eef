"""Fuzzing signed requests: each gets an answer that AWS could give, and the server keeps serving."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dsops.request.wire.models import operation_model, operation_names, service_model
from tests.groups import examples
from tests.sandboxes import ACCOUNT, Lab, Person, sign
from tests.unit.sandbox.conftest import SEED

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
def admin() -> Person:
    """An administrator, whose policies allow every request, so that the operation itself is reached."""
    return Lab.of(SEED).user("admin")


def status(person: Person, service: str, headers: dict[str, str], body: bytes) -> int:
    """Send the request; return the status of the response, which must be well-formed."""
    request = sign(person.keys, service, "us-east-1", "POST", "/", headers, body)
    answer = person.lab.sandbox.handle(request).answer
    if "xml" in dict(answer.headers).get("Content-Type", ""):
        ET.fromstring(answer.body)  # noqa: S314 - our own answer
    elif answer.body:
        json.loads(answer.body)
    # A moto failure is reported as such; a failure of the sandbox would have raised above.
    return 400 if answer.status == 500 and b"which failed at" in answer.body else answer.status


@pytest.mark.parametrize(
    "body",
    [
        b'{"MaxResults": NaN}',
        b'{"MaxResults": 1e999}',
        b'{"MaxResults": -Infinity}',
        b'{"MaxResults": 1.5}',
        b'{"MaxResults": true}',
        b'{"MaxResults": "5"}',
        b'{"Filters": {}}',
        b'{"Filters": [1]}',
        b"null",
        b'{"a": "\\ud800"}',
        b'{"NextToken": "\\ud800"}',
        b'{"MaxResults": ' + b"9" * 5000 + b"}",
        b'{"NextToken": "\\u0000"}',
    ],
)
def test_odd_json(admin: Person, body: bytes) -> None:
    """Unusual JSON gets status 400 or 200, never an internal error."""
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "secretsmanager.ListSecrets"}

    assert status(admin, "secretsmanager", headers, body) in {200, 400}


@pytest.mark.parametrize(
    "more",
    [
        "Tags.member." + "9" * 5000 + ".Key=a",
        "Tags" + ".member" * 5000 + "=a",
        "Tags.member.1=a",
        "Tags=a",
        "Tags.member.-1.Key=a",
        "PolicyArns.member.1=a",
        "Policy=" + "%7B" * 3000,
        "ExternalId=%00%01",
        "%FF=%FE",
    ],
)
def test_odd_forms(admin: Person, more: str) -> None:
    """Unusual form fields are ignored, or refused by the schema."""
    body = f"Action=AssumeRole&Version=2011-06-15&RoleArn=arn:aws:iam::{ACCOUNT}:role/team/Jump&RoleSessionName=s1"

    assert status(admin, "sts", FORM, f"{body}&{more}".encode()) in {200, 400}


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_json_for_any_operation(admin: Person, data: st.DataObject) -> None:
    """Random JSON values for any operation's parameters never cause an internal failure."""
    operation = data.draw(st.sampled_from(sorted(operation_names("secretsmanager"))))
    shape = operation_model("secretsmanager", operation).input_shape
    names = sorted(shape.members) or ["Nothing"]
    body = json.dumps(data.draw(st.dictionaries(st.sampled_from(names), values, max_size=4))).encode()
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"secretsmanager.{operation}"}

    assert status(admin, "secretsmanager", headers, body) in {200, 400, 501}


@settings(max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_form_for_any_operation(admin: Person, data: st.DataObject) -> None:
    """Random form fields for STS and IAM never cause an internal failure."""
    service = data.draw(st.sampled_from(["sts", "iam"]))
    operation = data.draw(st.sampled_from(sorted(operation_names(service))))
    shape = operation_model(service, operation).input_shape
    names = sorted(shape.members) if shape is not None and shape.members else ["Nothing"]
    suffixes = st.sampled_from(["", ".member.1", ".member.1.Key", ".member.x", ".1.2", ".entry.1.key"])
    field = st.builds(lambda name, suffix: name + suffix, st.sampled_from(names), suffixes)
    fields = data.draw(st.lists(st.tuples(field, st.text(max_size=30)), max_size=6))
    version = service_model(service).api_version
    body = urlencode([("Action", operation), ("Version", version), *fields], errors="surrogatepass").encode()

    assert status(admin, service, FORM, body) in {200, 400, 403, 404, 409, 410, 501}

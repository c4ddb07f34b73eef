"""A KMS key's state and policy."""

from __future__ import annotations

import json

import pytest
from botocore.session import Session

from dsops.aws.apis import kms as api
from dsops.errors import AccessDenied, AnswerInvalid, EntityNotFound
from tests.stubs.aws import json_answer, signature_is_right
from tests.stubs.iam import ACCOUNT, StubIam
from tests.stubs.server import StubServer
from tests.unit.aws.test_iam import POLICY, Asking

KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"


def test_state_and_policy_are_read_and_nothing_else() -> None:
    """A key's state and policy are read by key id or ARN, and nothing is encrypted or decrypted."""
    with StubServer(StubIam(keys={KEY: POLICY})) as server:
        asking = Asking(server)
        described = asking.run(api.describe_key(asking.kms, KEY.rpartition("/")[2]))
        policy = asking.run(api.get_key_policy(asking.kms, KEY))

    assert described == api.KeyDescription(KEY, "Enabled")
    assert json.loads(policy) == POLICY
    assert signature_is_right(server.seen[0], server.url, "session/secret", service="kms")
    model = Session().get_service_model("kms")
    for seen in server.seen:
        prefix, _, action = seen.header("X-Amz-Target").partition(".")
        assert prefix == model.metadata["targetPrefix"]
        assert set(json.loads(seen.body)) <= set(model.operation_model(action).input_shape.members)


def test_missing_and_denied_are_two_errors() -> None:
    """A missing key and a denied read raise two different errors."""
    with StubServer(StubIam(keys={KEY: POLICY}, denied=["GetKeyPolicy"])) as server:
        asking = Asking(server)
        with pytest.raises(AccessDenied) as denied:
            asking.run(api.get_key_policy(asking.kms, KEY))
        with pytest.raises(EntityNotFound) as missing:
            asking.run(api.describe_key(asking.kms, f"{KEY}x"))

    assert denied.value.message == f"not allowed to read the policy of the key {KEY}"
    assert missing.value.message == f"could not look up the key {KEY}x: not found in KMS"


def test_an_answer_without_a_key_is_invalid() -> None:
    """A response without a key raises AnswerInvalid, instead of being read as a key without a state."""
    with StubServer(lambda _: json_answer({})) as server:
        asking = Asking(server)
        with pytest.raises(AnswerInvalid):
            asking.run(api.describe_key(asking.kms, KEY))

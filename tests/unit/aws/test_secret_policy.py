"""A secret's policy and tags, read without its value."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.session import Session

from dsops.aws.apis import secret_policy as api
from dsops.errors import AccessDenied, AnswerInvalid, EntityNotFound
from tests.stubs.aws import json_answer, signature_is_right
from tests.stubs.iam import StubIam
from tests.stubs.server import StubServer
from tests.unit.aws.test_iam import POLICY, Asking
from tests.unit.policy.policies import SECRET


def stub(policy: Any, *denied: str) -> StubIam:
    """An account with one secret."""
    return StubIam(secrets={SECRET: policy}, denied=denied)


def test_policy_and_tags_are_read_and_nothing_else() -> None:
    """The client reads a secret's policy (or None) and tags and never calls GetSecretValue."""
    with StubServer(stub(POLICY)) as server, StubServer(stub(None)) as bare:
        asking, other = Asking(server), Asking(bare)
        policy_read = asking.run(api.get_resource_policy(asking.secrets, SECRET))
        tags = asking.run(api.get_secret_tags(asking.secrets, SECRET))
        none = other.run(api.get_resource_policy(other.secrets, SECRET))

    assert (policy_read.arn, json.loads(policy_read.text)) == (SECRET, POLICY)
    assert none == api.SecretPolicy(SECRET, "")
    assert tags == {"team": "core"}
    assert signature_is_right(server.seen[0], server.url, "session/secret", service="secretsmanager")
    model = Session().get_service_model("secretsmanager")
    for seen in server.seen:
        prefix, _, action = seen.header("X-Amz-Target").partition(".")
        assert prefix == model.metadata["targetPrefix"]
        assert set(json.loads(seen.body)) <= set(model.operation_model(action).input_shape.members)
        assert action in ("GetResourcePolicy", "DescribeSecret")


def test_missing_and_denied_are_two_errors() -> None:
    """A missing secret and a denied read raise two different errors."""
    with StubServer(stub(None, "GetResourcePolicy")) as server:
        asking = Asking(server)
        with pytest.raises(AccessDenied) as denied:
            asking.run(api.get_resource_policy(asking.secrets, SECRET))
        with pytest.raises(EntityNotFound) as missing:
            asking.run(api.get_secret_tags(asking.secrets, f"{SECRET}x"))

    assert denied.value.message == f"not allowed to read the policy of {SECRET}"
    assert missing.value.message == f"could not read the tags of {SECRET}x: not found in Secrets Manager"


def test_an_answer_without_a_secret_is_invalid() -> None:
    """A response without a secret raises AnswerInvalid, instead of being read as a secret without a policy."""
    with StubServer(lambda _: json_answer({})) as server:
        asking = Asking(server)
        for work in (api.get_resource_policy, api.get_secret_tags):
            with pytest.raises(AnswerInvalid):
                asking.run(work(asking.secrets, SECRET))

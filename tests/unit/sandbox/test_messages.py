"""DecodeAuthorizationMessage: permitted callers can decode the reason of a denial."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from dsops.request.messages import HttpRequest
from dsops.sandbox.control.endpoints import Control
from tests.sandboxes import ACCOUNT, HOST, OTHER, Lab
from tests.unit.sandbox.conftest import LabFactory

TARGET = f"arn:aws:iam::{OTHER}:role/Target"
DENYING = f"""
accounts:
  "{ACCOUNT}":
    users:
      chain-user:
        policies:
        - Version: "2012-10-17"
          Statement:
          - {{Sid: NoSecrets, Effect: Deny, Action: "secretsmanager:*", Resource: "*",
             Condition: {{StringEquals: {{"aws:RequestedRegion": us-east-1}}}}}}
          - {{Effect: Allow, Action: "*", Resource: "*"}}
"""


def last_message(lab: Lab) -> str:
    """Return the encoded message of the latest decision, from `/_sandbox/decisions`."""
    request = HttpRequest("GET", "/_sandbox/decisions", "last=1", {"host": HOST}, b"", "127.0.0.1")
    record: dict[str, str] = json.loads(Control(lab.sandbox).handle(request).body)["decisions"][0]
    return record.get("encoded_message", "")


def decoded(lab: Lab, message: str, name: str = "admin", account: str = ACCOUNT) -> dict[str, Any]:
    """Decode the message as that user; return the parsed JSON."""
    answer = lab.user(name, account).call("sts", "DecodeAuthorizationMessage", EncodedMessage=message)
    found: dict[str, Any] = json.loads(answer["DecodedMessage"])
    return found


def test_a_message_has_aws_form(make_lab: LabFactory) -> None:
    """A decoded message has AWS's format, with the denying statement, caller, action, resource and conditions."""
    lab = make_lab(DENYING)
    person = lab.user("chain-user")
    person.refused("secretsmanager", "ListSecrets")

    found = decoded(lab, last_message(lab))

    assert (found["allowed"], found["explicitDeny"], found["failures"]) == (False, True, {"items": []})
    [statement] = found["matchedStatements"]["items"]
    user = lab.sandbox.world.user_named(ACCOUNT, "chain-user")
    assert user is not None
    assert statement == {
        "statementId": "NoSecrets",
        "effect": "DENY",
        "principals": {"items": [{"value": user.unique_id}]},
        "principalGroups": {"items": []},
        "actions": {"items": [{"value": "secretsmanager:*"}]},
        "resources": {"items": [{"value": "*"}]},
        "conditions": {"items": [{"key": "aws:RequestedRegion", "values": {"items": [{"value": "us-east-1"}]}}]},
    }
    context = found["context"]
    assert context["principal"] == {"id": user.unique_id, "name": "chain-user", "arn": person.arn}
    assert (context["action"], context["resource"]) == ("secretsmanager:ListSecrets", "*")
    region = {"key": "aws:RequestedRegion", "values": {"items": [{"value": "us-east-1"}]}}
    assert region in context["conditions"]["items"]


def test_an_implicit_denial_matches_no_statement(lab: Lab) -> None:
    """The message of an implicit denial lists no statement.

    It has the principal's name only if the principal is a user, not a role.
    """
    jump = lab.user("alice").assume(f"arn:aws:iam::{ACCOUNT}:role/team/Jump")
    jump.refused("secretsmanager", "ListSecrets")

    found = decoded(lab, last_message(lab))

    assert (found["explicitDeny"], found["matchedStatements"]) == (False, {"items": []})
    assert "name" not in found["context"]["principal"]


def test_an_allowed_request_has_no_message(lab: Lab) -> None:
    """An allowed request has no message."""
    lab.user("admin").call("secretsmanager", "ListSecrets")

    assert last_message(lab) == ""


def test_messages_contain_no_external_id(lab: Lab) -> None:
    """No decoded message contains the external ID."""
    jump = lab.user("alice").assume(f"arn:aws:iam::{ACCOUNT}:role/team/Jump")
    jump.refused_role(TARGET, ExternalId="guessed-external-id")

    text = json.dumps(decoded(lab, last_message(lab)))

    assert "guessed-external-id" not in text
    assert "unique-customer-id-12345" not in text


def test_decoding_needs_a_permission(lab: Lab) -> None:
    """Decoding needs sts:DecodeAuthorizationMessage."""
    lab.user("nobody").refused("secretsmanager", "ListSecrets")
    message = last_message(lab)

    refused = lab.user("nobody").refused("sts", "DecodeAuthorizationMessage", EncodedMessage=message)

    assert refused.code == "AccessDenied"
    assert "sts:DecodeAuthorizationMessage" in refused.message


def test_another_accounts_message_is_not_decoded(lab: Lab) -> None:
    """Another account's administrator can't decode a message."""
    lab.user("nobody").refused("secretsmanager", "ListSecrets")
    message = last_message(lab)

    refused = lab.user("admin", OTHER).refused("sts", "DecodeAuthorizationMessage", EncodedMessage=message)

    assert (refused.code, refused.status) == ("InvalidAuthorizationMessageException", 400)


@pytest.mark.parametrize("message", ["x", "gAAAAA", "é" * 20, "A" * 10_240])
def test_an_invalid_message_is_refused(lab: Lab, message: str) -> None:
    """A text that is no encoded message gets InvalidAuthorizationMessageException."""
    refused = lab.user("admin").refused("sts", "DecodeAuthorizationMessage", EncodedMessage=message)

    assert refused.code == "InvalidAuthorizationMessageException"


def test_a_changed_message_is_not_decoded(lab: Lab) -> None:
    """A changed message can't be decoded, because it is authenticated."""
    lab.user("nobody").refused("secretsmanager", "ListSecrets")
    message = last_message(lab)
    changed = message[:40] + ("A" if message[40] != "A" else "B") + message[41:]

    refused = lab.user("admin").refused("sts", "DecodeAuthorizationMessage", EncodedMessage=changed)

    assert refused.code == "InvalidAuthorizationMessageException"


def test_a_message_is_never_too_long_to_be_decoded(lab: Lab) -> None:
    """If the encoded message would be too long to be decoded, it omits the request's conditions."""
    lab.user("nobody").refused("secretsmanager", "ListSecrets")
    lab.sandbox.judge.decisions.append(_swollen(lab))

    found = decoded(lab, last_message(lab))

    assert found["context"]["conditions"] == {"items": []}
    assert found["context"]["action"] == "secretsmanager:ListSecrets"


def _swollen(lab: Lab) -> Any:  # the latest decision, with incompressible conditions
    kept = lab.sandbox.judge.decisions[-1]
    request = kept.decision.request
    noise = {f"aws:PrincipalTag/{i}": (os.urandom(128).hex(),) for i in range(200)}
    context = {**request.context, **noise}
    return kept._replace(decision=kept.decision._replace(request=request._replace(context=context)))

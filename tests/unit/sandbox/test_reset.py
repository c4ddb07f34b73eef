"""The sandbox is taken back to its seed while it runs: keys stay valid, and everything else is as at the start."""

from __future__ import annotations

import pytest

from dsops import totp
from dsops.sandbox.control.endpoints import Control
from tests.sandboxes import ACCOUNT, Lab
from tests.unit.sandbox.conftest import LabFactory
from tests.unit.sandbox.test_page import ask

SEED = """
accounts:
  "111111111111":
    users:
      alice:
        mfa: {name: phone}
        policies: [{Version: "2012-10-17", Statement: {Effect: Allow, Resource: "*",
                    Action: ["sts:*", "secretsmanager:*"]}}]
    roles:
      Reader:
        trust: {Version: "2012-10-17", Statement: {Effect: Allow, Action: "sts:AssumeRole",
                Principal: {AWS: "arn:aws:iam::111111111111:user/alice"},
                Condition: {Bool: {"aws:MultiFactorAuthPresent": "true"}}}}
        policies: [{Version: "2012-10-17", Statement: {Effect: Allow, Action: "secretsmanager:*", Resource: "*"}}]
    secrets: {prod/token: invented}
identity_center:
  start_url: https://d-1234567890.awsapps.com/start
  users: {alice: {}}
"""
ROLE, PHONE = f"arn:aws:iam::{ACCOUNT}:role/Reader", f"arn:aws:iam::{ACCOUNT}:mfa/phone"


@pytest.fixture
def world(make_lab: LabFactory) -> Lab:
    """A sandbox with a user, a device, a role and a secret."""
    return make_lab(SEED)


@pytest.fixture
def control(world: Lab) -> Control:
    """The control endpoints."""
    return Control(world.sandbox)


def code(control: Control) -> str:
    """The current code of the device."""
    return str(ask(control, f"totp?serial={PHONE}")["code"])


def test_everything_is_as_at_the_start(control: Control, world: Lab) -> None:
    """Changed policies, new users and secrets are gone; keys, ids and devices of the seed's users work as before."""
    alice, admin = world.user("alice"), world.user("admin")
    before = {name: ask(control, f"identity?as={name}") for name in ("alice", "admin")}
    session = alice.assume(ROLE, SerialNumber=PHONE, TokenCode=code(control))
    seed_of_phone = world.sandbox.world.virtual_mfa_device(PHONE)
    admin.call("iam", "CreateUser", UserName="mallory")
    admin.call("iam", "DeleteUserPolicy", UserName="alice", PolicyName="policy-1")
    admin.call("sqs", "CreateQueue", QueueName="shop")
    admin.call("secretsmanager", "PutSecretValue", SecretId="prod/token", SecretString="changed")
    alice.refused("secretsmanager", "GetSecretValue", SecretId="prod/token")
    ask(control, "reset", {})

    assert {name: ask(control, f"identity?as={name}") for name in ("alice", "admin")} == before
    assert world.sandbox.world.virtual_mfa_device(PHONE) == seed_of_phone
    assert alice.call("secretsmanager", "GetSecretValue", SecretId="prod/token")["SecretString"] == "invented"
    assert {user["UserName"] for user in admin.call("iam", "ListUsers")["Users"]} == {"admin", "alice"}
    assert not admin.call("sqs", "ListQueues").get("QueueUrls")
    assert world.sandbox.sessions.get(session.keys.access_key_id) is None
    world.sandbox.move_clock(world.sandbox.clock.now() + totp.STEP_SECONDS)
    alice.assume(ROLE, SerialNumber=PHONE, TokenCode=code(control))


def test_calls_events_and_questions_are_dropped(control: Control, world: Lab) -> None:
    """After a reset there are no decisions and events, and the control API serves the new state."""
    world.user("alice").refused("sqs", "ListQueues")
    question = {"caller": f"arn:aws:iam::{ACCOUNT}:user/alice", "action": "sqs:ListQueues", "resource": "*"}
    ask(control, "ask", question)
    token, now = control.page_token, ask(control, "clock")["now"]
    assert ask(control, "reset", {})["now"] >= now

    assert (control.page_token, ask(control, "decisions")["decisions"], ask(control, "events")["Records"]) == (
        token,
        [],
        [],
    )
    assert ask(control, "logins")["waiting"] == []
    assert ask(control, "ask", question)["number"] == -2
    world.user("alice").refused("sqs", "ListQueues")
    assert ask(control, "decisions?rows=yes")["next"] == 1
    accounts = ask(control, "world")["accounts"]
    assert [principal["name"] for account in accounts for principal in account["principals"]].count("alice") == 1


def test_a_second_reset_is_the_same(control: Control, world: Lab) -> None:
    """Keys stay the same however often the sandbox is reset."""
    before = ask(control, "identity?as=alice")
    for _ in range(3):
        ask(control, "reset", {})
    assert ask(control, "identity?as=alice") == before
    world.user("alice").call("sts", "GetCallerIdentity")

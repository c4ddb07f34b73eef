"""The policies of a user or role, and what could not be read of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dsops.errors import EntityNotFound, ServiceError
from dsops.explain.evidence.attached import AttachedReader
from dsops.policy.simulation.facts import Attached, PolicyText
from dsops.tasks import gather
from tests.stubs.aws import sts_error
from tests.stubs.iam import ACCOUNT, Entity, StubIam
from tests.stubs.server import StubServer
from tests.unit.aws.test_iam import Asking
from tests.unit.policy.policies import text

SHARED = f"arn:aws:iam::{ACCOUNT}:policy/Shared"
LIMIT = f"arn:aws:iam::{ACCOUNT}:policy/Limit"


def document(action: str) -> dict[str, Any]:
    """A policy that allows one action."""
    record_read: dict[str, Any] = json.loads(text({"Effect": "Allow", "Action": action, "Resource": "*"}))
    return record_read


def stub(**more: Any) -> StubIam:
    """A user in a group, and a role with a boundary."""
    return StubIam(
        users={"alice": Entity(policies={"own": document("s3:a")}, attached=[SHARED], groups=["dev"])},
        groups={"dev": Entity(policies={"groups": document("s3:b")}, attached=[SHARED])},
        roles={
            "App": Entity(policies={"own": document("s3:c")}, attached=[SHARED], boundary=LIMIT, trust=document("s3:t"))
        },
        managed={SHARED: document("s3:m"), LIMIT: document("s3:l")},
        **more,
    )


def read(iam: StubIam, kind: str, name: str) -> Attached:
    """Return the policies that a reader finds for this user or role."""
    with StubServer(iam) as server:
        asking = Asking(server)
        reader = AttachedReader(asking.iam)
        return asking.run(reader.user(name) if kind == "user" else reader.role(name))


def names(found: Attached) -> list[str]:
    """Return the names of the identity policies."""
    return sorted(policy.name for policy in found.identity)


def test_a_user_has_its_own_policies_and_its_groups() -> None:
    """A user's policies are the inline, attached and group policies, each with its displayed name."""
    parsed = read(stub(), "user", "alice")

    assert names(parsed) == [SHARED, SHARED, "groups of group dev", "own of user alice"]
    own, *_ = parsed.identity
    assert isinstance(own, PolicyText)
    assert json.loads(own.text) == document("s3:a")
    assert (parsed.boundary, parsed.unread_entity, parsed.unread_identity, parsed.unread_boundary) == (None, "", (), "")


def test_a_role_has_policies_and_a_boundary() -> None:
    """A role's policies are returned as identity policies and, separately, the permissions boundary."""
    parsed = read(stub(), "role", "App")

    assert names(parsed) == [SHARED, "own of role App"]
    assert isinstance(parsed.boundary, PolicyText)
    assert (parsed.boundary.name, json.loads(parsed.boundary.text)) == (LIMIT, document("s3:l"))


@pytest.mark.parametrize(
    ("denied", "left", "unread"),
    [
        ("GetRolePolicy", [SHARED], ("not allowed to read the policy own of the role App",)),
        ("ListRolePolicies", [SHARED], ("not allowed to list the policies of the role App",)),
        (
            "ListAttachedRolePolicies",
            ["own of role App"],
            ("not allowed to list the managed policies of the role App",),
        ),
        ("GetPolicyVersion", ["own of role App"], (f"not allowed to read v2 of {SHARED}",)),
        ("GetRole", [SHARED, "own of role App"], ()),
    ],
)
def test_what_may_not_be_read_is_named_and_the_rest_is_read(
    denied: str, left: list[str], unread: tuple[str, ...]
) -> None:
    """If IAM denies one read, the result names that read and contains everything else."""
    parsed = read(stub(denied=[denied]), "role", "App")

    assert names(parsed) == left
    assert parsed.unread_identity == unread
    assert bool(parsed.unread_entity) == (denied == "GetRole")
    assert bool(parsed.unread_boundary) == (denied in ("GetRole", "GetPolicyVersion"))
    assert parsed.boundary is None or denied not in ("GetRole", "GetPolicyVersion")


def test_the_groups_of_a_user_may_be_hidden() -> None:
    """If IAM denies listing a user's groups or a group's policies, the result names the denied read."""
    assert read(stub(denied=["ListGroupsForUser"]), "user", "alice").unread_identity == (
        "not allowed to list the groups of the user alice",
    )
    assert read(stub(denied=["ListGroupPolicies"]), "user", "alice").unread_identity == (
        "not allowed to list the policies of the group dev",
    )


def test_a_managed_policy_that_many_have_is_read_once() -> None:
    """A managed policy attached to several roles is read once, also concurrently."""
    iam = stub()
    with StubServer(iam) as server:
        asking = Asking(server)
        reader = AttachedReader(asking.iam)
        found = asking.run(gather(reader.user("alice"), reader.role("App")))

    assert [SHARED in names(entry) for entry in found] == [True, True]
    assert iam.calls.count(f"GetPolicy {SHARED}") == 1


def test_who_does_not_exist_is_an_error() -> None:
    """Reading the policies of an unknown role is an error, not a role without policies."""
    with pytest.raises(EntityNotFound, match="could not read the role Ap: not found in IAM"):
        read(stub(), "role", "Ap")


def test_a_failure_that_is_no_denial_ends_the_reading() -> None:
    """A failure other than a denial raises an error, because it says nothing about permissions."""
    with StubServer(lambda _: sts_error("LimitExceeded", "too much", 400)) as server:
        asking = Asking(server)
        with pytest.raises(ServiceError):
            asking.run(AttachedReader(asking.iam).role("App"))


def test_a_policys_text_is_what_iam_sent() -> None:
    """The text of a policy is IAM's document after percent-decoding."""
    assert PolicyText("own of role App", json.dumps(document("s3:c"), indent=2)) in read(stub(), "role", "App").identity

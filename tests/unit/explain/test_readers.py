"""Combine several keys and policy files as readers; a failing reader does not end the search."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dsops.errors import EntityNotFound, PolicyInvalid, Unreachable
from dsops.explain.evidence.readers import SeveralReaders, read_details
from dsops.policy.simulation.facts import ANY_ACCOUNT, Attached, Entity, PolicyText
from tests.loop import Time
from tests.stubs.iam import ACCOUNT
from tests.unit.policy.policies import allow, policy

NOTHING = Attached(None, (), None, "denied", ("denied",), "denied")
OWN = PolicyText("own of role App", "{}")


class Told:
    """A stub reader that returns or raises a fixed outcome."""

    def __init__(self, outcome: Attached | Exception) -> None:
        self.outcome = outcome
        self.asked = 0

    async def role(self, name: str) -> Attached:
        """Return or raise the fixed outcome."""
        del name
        self.asked += 1
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    user = role


def read(*readers: Told, given: Any = None) -> Attached:
    """Return the role App as these readers together read it."""
    several = SeveralReaders(ACCOUNT, readers, given or {})  # type: ignore[arg-type]  # they read no managed policy
    return Time().run(several.role("App"))


def test_each_part_is_of_who_may_read_it() -> None:
    """Each part of a role comes from the first reader that may read it."""
    lists = NOTHING._replace(identity=(OWN,), unread_identity=())
    sees = NOTHING._replace(unread_entity="", unread_boundary="")

    parsed = read(Told(lists), Told(sees))

    assert Attached(None, (OWN,), None, "", (), "") == parsed


def test_no_reader_is_asked_once_everything_is_known() -> None:
    """Once a reader has returned everything, no further reader is called."""
    whole, second = Attached(None, (OWN,), None, "", (), ""), Told(NOTHING)

    assert whole == read(Told(whole), second)
    assert second.asked == 0


def test_what_goes_wrong_is_not_read() -> None:
    """If a reader fails (no network), its parts are listed as unread."""
    assert ("down",) == read(Told(Unreachable("down"))).unread_identity


def test_a_role_that_is_not_there_is_told() -> None:
    """If the role does not exist, reading it raises an error."""
    with pytest.raises(EntityNotFound):
        read(Told(EntityNotFound("no such role")))


def planned(account: str = ANY_ACCOUNT, **more: Any) -> dict[tuple[str, str, str], Attached]:
    """Return the role App from a template that names no account."""
    entity = Entity(f"arn:aws:iam::{account}:role/App", "", "", {}, "")
    own = (policy("identity", allow("s3:a")),)
    attached = Attached(entity, own, None, "", ("others may attach more",), "", is_template=True, **more)
    return {(account, "role", "App"): attached}


@pytest.mark.parametrize("account", [ANY_ACCOUNT, ACCOUNT], ids=["of no account", "of that one"])
def test_a_template_replaces_unreadable_policies(account: str) -> None:
    """Unread parts of a role come from a template, if the template's account matches the question's."""
    parsed = read(Told(NOTHING), given=planned(account, unread_trust="left open"))

    assert parsed.entity is not None
    assert (f"arn:aws:iam::{ACCOUNT}:role/App", 1) == (parsed.entity.arn, len(parsed.identity))
    assert ("", ("others may attach more",), "left open") == (
        parsed.unread_entity,
        parsed.unread_identity,
        parsed.unread_trust,
    )


def test_what_is_there_counts_more_than_a_template() -> None:
    """The deployed state takes precedence over a template; a role that is only in the template does not exist."""
    whole = Attached(Entity(f"arn:aws:iam::{ACCOUNT}:role/App", "AROA", "", {}, "{}"), (OWN,), None, "", (), "")

    assert whole == read(Told(whole), given=planned())
    with pytest.raises(EntityNotFound):
        read(Told(EntityNotFound("no such role")), given=planned())


def test_an_account_without_keys_says_so() -> None:
    """If there are no keys for an account, its role is unread, not missing."""
    assert f"no keys here are of account {ACCOUNT}" == read().unread_entity


# --- files --------------------------------------------------------------------------------------------------

ALLOW = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}
SHARED = f"arn:aws:iam::{ACCOUNT}:policy/Shared"
DETAILS: dict[str, Any] = {
    "UserDetailList": [
        {
            "UserName": "ada",
            "UserId": "AIDAEXAMPLE",
            "Arn": f"arn:aws:iam::{ACCOUNT}:user/team/ada",
            "UserPolicyList": [{"PolicyName": "own", "PolicyDocument": ALLOW}],
            "GroupList": ["dev"],
            "AttachedManagedPolicies": [{"PolicyArn": SHARED}],
            "PermissionsBoundary": {"PermissionsBoundaryArn": SHARED},
            "Tags": [{"Key": "team", "Value": "core"}],
        }
    ],
    "GroupDetailList": [{"GroupName": "dev", "GroupPolicyList": [{"PolicyName": "g", "PolicyDocument": ALLOW}]}],
    "RoleDetailList": [
        {
            "RoleName": "App",
            "RoleId": "AROAEXAMPLE",
            "Arn": f"arn:aws:iam::{ACCOUNT}:role/App",
            "AssumeRolePolicyDocument": "%7B%22Version%22%3A%222012-10-17%22%7D",
            "AttachedManagedPolicies": [{"PolicyArn": "arn:aws:iam::aws:policy/Elsewhere"}],
        }
    ],
    "Policies": [
        {
            "Arn": SHARED,
            "PolicyVersionList": [
                {"VersionId": "v1", "IsDefaultVersion": False, "Document": {}},
                {"VersionId": "v2", "IsDefaultVersion": True, "Document": ALLOW},
            ],
        }
    ],
}


def test_an_accounts_details_have_all_of_a_user() -> None:
    """A file of account authorization details gives a user's own, group and managed policies, boundary and tags."""
    given_policies = read_details(json.dumps(DETAILS), "iam.json").given

    found = given_policies[ACCOUNT, "user", "ada"]

    assert ["own of user ada", SHARED, "g of group dev"] == [entry.name for entry in found.identity]
    assert {json.dumps(ALLOW)} == {entry.text for entry in found.identity if isinstance(entry, PolicyText)}
    assert found.boundary is not None
    assert found.entity is not None
    assert (SHARED, "AIDAEXAMPLE", {"team": "core"}) == (
        found.boundary.name,
        found.entity.unique_id,
        dict(found.entity.tags),
    )


def test_a_policy_that_is_not_in_the_file_is_not_read() -> None:
    """A managed policy that is not in the details file is unread; a percent-encoded trust policy is decoded."""
    entity_read = read_details(json.dumps(DETAILS), "iam.json").given[ACCOUNT, "role", "App"]

    assert ("arn:aws:iam::aws:policy/Elsewhere is not in the file",) == entity_read.unread_identity
    assert entity_read.entity is not None
    assert entity_read.entity.trust_policy == '{"Version":"2012-10-17"}'


def test_a_file_is_asked_before_aws() -> None:
    """A file that the user passes takes precedence over AWS."""
    given_policies = read_details(json.dumps(DETAILS), "iam.json").given
    reader = Told(NOTHING)

    assert given_policies[ACCOUNT, "role", "App"] == read(reader, given=given_policies)
    assert reader.asked == 0


def test_details_that_are_cut_are_told_as_that() -> None:
    """A truncated details file is an error with the position."""
    text = '{"UserDetailList": [\n  {"UserName": "ada", '
    with pytest.raises(PolicyInvalid) as caught:
        read_details(text, "iam.json")

    assert caught.value.why.startswith("it is not JSON: line 2, ")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"UserDetailList": 3}', "[" * 100_000, "Version: 2"])
def test_what_is_something_else_is_refused(text: str) -> None:
    """If the file does not contain account details, the error names the command that prints them."""
    with pytest.raises(PolicyInvalid, match="get-account-authorization-details"):
        read_details(text, "iam.json")


def test_what_has_no_shape_is_left_out() -> None:
    """Malformed entries in the file are ignored."""
    odd = {"UserDetailList": [None, 3, {"Arn": 5}, {"Arn": f"arn:aws:iam::{ACCOUNT}:user/x", "UserPolicyList": [None]}]}

    assert [(ACCOUNT, "user", "x")] == list(read_details(json.dumps(odd), "iam.json").given)

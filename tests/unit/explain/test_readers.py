"""Several keys and files: what one may not see another may; and nothing that goes wrong ends the search."""

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
    """A reader that tells what a test wants it to."""

    def __init__(self, outcome: Attached | Exception) -> None:
        self.outcome = outcome
        self.asked = 0

    async def role(self, name: str) -> Attached:
        """What it was given."""
        del name
        self.asked += 1
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    user = role


def read(*readers: Told, given: Any = None) -> Attached:
    """The role App, as these readers tell together."""
    several = SeveralReaders(ACCOUNT, readers, given or {})  # type: ignore[arg-type]  # they read no managed policy
    return Time().run(several.role("App"))


def test_each_part_is_of_who_may_read_it() -> None:
    """One may list the policies, another may read the role."""
    lists = NOTHING._replace(identity=(OWN,), unread_identity=())
    sees = NOTHING._replace(unread_entity="", unread_boundary="")

    found = read(Told(lists), Told(sees))

    assert Attached(None, (OWN,), None, "", (), "") == found


def test_nobody_is_asked_once_everything_is_known() -> None:
    """Each question costs several calls."""
    whole, second = Attached(None, (OWN,), None, "", (), ""), Told(NOTHING)

    assert whole == read(Told(whole), second)
    assert second.asked == 0


def test_what_goes_wrong_is_not_read() -> None:
    """A network that is down, for one."""
    assert ("down",) == read(Told(Unreachable("down"))).unread_identity


def test_a_role_that_is_not_there_is_told() -> None:
    """That is a finding of its own."""
    with pytest.raises(EntityNotFound):
        read(Told(EntityNotFound("no such role")))


def planned(account: str = ANY_ACCOUNT, **more: Any) -> dict[tuple[str, str, str], Attached]:
    """The role App of a template, which does not say whose account it will be in."""
    entity = Entity(f"arn:aws:iam::{account}:role/App", "", "", {}, "")
    own = (policy("identity", allow("s3:a")),)
    found = Attached(entity, own, None, "", ("others may attach more",), "", is_template=True, **more)
    return {(account, "role", "App"): found}


@pytest.mark.parametrize("account", [ANY_ACCOUNT, ACCOUNT], ids=["of no account", "of that one"])
def test_a_template_tells_what_nobody_may_read(account: str) -> None:
    """It is of the account that is asked about."""
    found = read(Told(NOTHING), given=planned(account, unread_trust="left open"))

    assert found.entity is not None
    assert (f"arn:aws:iam::{ACCOUNT}:role/App", 1) == (found.entity.arn, len(found.identity))
    assert ("", ("others may attach more",), "left open") == (
        found.unread_entity,
        found.unread_identity,
        found.unread_trust,
    )


def test_what_is_there_counts_more_than_a_template() -> None:
    """A role that IAM tells all of is read there; one that is not there is not there."""
    whole = Attached(Entity(f"arn:aws:iam::{ACCOUNT}:role/App", "AROA", "", {}, "{}"), (OWN,), None, "", (), "")

    assert whole == read(Told(whole), given=planned())
    with pytest.raises(EntityNotFound):
        read(Told(EntityNotFound("no such role")), given=planned())


def test_an_account_without_keys_says_so() -> None:
    """Nothing is taken for absent there."""
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
    """Its own policies, its groups', the managed ones in the version that counts, boundary and tags."""
    given = read_details(json.dumps(DETAILS), "iam.json").given

    found = given[ACCOUNT, "user", "ada"]

    assert ["own of user ada", SHARED, "g of group dev"] == [each.name for each in found.identity]
    assert {json.dumps(ALLOW)} == {each.text for each in found.identity if isinstance(each, PolicyText)}
    assert found.boundary is not None
    assert found.entity is not None
    assert (SHARED, "AIDAEXAMPLE", {"team": "core"}) == (
        found.boundary.name,
        found.entity.unique_id,
        dict(found.entity.tags),
    )


def test_a_policy_that_is_not_in_the_file_is_not_read() -> None:
    """The file may have been cut. A trust policy may be encoded, as the API has it."""
    found = read_details(json.dumps(DETAILS), "iam.json").given[ACCOUNT, "role", "App"]

    assert ("arn:aws:iam::aws:policy/Elsewhere is not in the file",) == found.unread_identity
    assert found.entity is not None
    assert found.entity.trust_policy == '{"Version":"2012-10-17"}'


def test_a_file_is_asked_before_aws() -> None:
    """Whoever gives one knows more."""
    given = read_details(json.dumps(DETAILS), "iam.json").given
    reader = Told(NOTHING)

    assert given[ACCOUNT, "role", "App"] == read(reader, given=given)
    assert reader.asked == 0


def test_details_that_are_cut_are_told_as_that() -> None:
    """With the place, and not as something else than what the file begins with."""
    text = '{"UserDetailList": [\n  {"UserName": "ada", '
    with pytest.raises(PolicyInvalid) as caught:
        read_details(text, "iam.json")

    assert caught.value.why.startswith("it is no JSON: line 2, ")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"UserDetailList": 3}', "[" * 100_000, "Version: 2"])
def test_what_is_something_else_is_refused(text: str) -> None:
    """With the command that prints the right thing."""
    with pytest.raises(PolicyInvalid, match="get-account-authorization-details"):
        read_details(text, "iam.json")


def test_what_has_no_shape_is_left_out() -> None:
    """Nulls and numbers where there should be names."""
    odd = {"UserDetailList": [None, 3, {"Arn": 5}, {"Arn": f"arn:aws:iam::{ACCOUNT}:user/x", "UserPolicyList": [None]}]}

    assert [(ACCOUNT, "user", "x")] == list(read_details(json.dumps(odd), "iam.json").given)

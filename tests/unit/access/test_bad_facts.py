"""Files with facts that are incomplete, contradict themselves, or name nothing are an error or a gap."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from dsops.access.facts.files import read_facts
from dsops.access.facts.world import OrganizationFacts
from dsops.access.questions.assuming import Assumptions
from dsops.access.questions.evaluator import Evaluator
from dsops.access.questions.outside import external_uses, public_uses
from dsops.errors import PolicyInvalid
from tests.unit.access.worlds import ACCOUNT, FOREIGN, NOW, policy, trust

MANY = 100


def dump(*roles: dict[str, Any], **lists: Any) -> OrganizationFacts:
    """Return a world of the output of `aws iam get-account-authorization-details`."""
    details = {"UserDetailList": [], "GroupDetailList": [], "Policies": [], "RoleDetailList": [*roles], **lists}
    return read_facts(json.dumps(details), "details.json", lambda _: "")


def role(name: str, **more: Any) -> dict[str, Any]:
    """Return an entry of a role that everyone may assume."""
    arn = f"arn:aws:iam::{ACCOUNT}:role/{name}"
    return {"Arn": arn, "RoleId": "AROAABCDEFGHIJKLMNOP", "AssumeRolePolicyDocument": trust("*"), **more}


@pytest.mark.parametrize("arn", [None, 5, "x", f"arn:aws:iam::{ACCOUNT}:role/", f"arn:aws:iam::{ACCOUNT}:role/a/"])
def test_a_role_without_a_valid_arn_is_an_error(arn: object) -> None:
    """The message names the file, and what it has in place of an ARN."""
    with pytest.raises(PolicyInvalid, match=r"details\.json has a user or role without a valid ARN"):
        dump(role("x") | {"Arn": arn})


def test_two_versions_of_a_role_in_one_file_are_an_error() -> None:
    """The file does not say which one is right. The same entry twice is fine."""
    assert 1 == len(dump(role("x"), role("x")).identities)
    with pytest.raises(PolicyInvalid, match="is described twice, with differences"):
        dump(role("x"), role("x", AssumeRolePolicyDocument=trust({"AWS": FOREIGN})))


TEMPLATE = {"Resources": {"Open": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": trust("*")}}}}
PLAN = {
    "format_version": "1.2",
    "prior_state": {"values": {"root_module": {"resources": []}}},
    "planned_values": {
        "root_module": {
            "resources": [
                {"type": "aws_iam_role", "values": {"name_prefix": "x", "assume_role_policy": json.dumps(trust("*"))}}
            ]
        }
    },
}


@pytest.mark.parametrize("content", [TEMPLATE, PLAN])
def test_a_role_without_a_name_is_found(content: dict[str, Any]) -> None:
    """The deployment chooses the name of the role, and everyone may assume it nevertheless."""
    evaluator = Evaluator(read_facts(json.dumps(content), "new.json", lambda _: ""), NOW)

    assert 1 == len(public_uses(evaluator, Assumptions(evaluator)))


def test_roles_that_trust_everyone_are_found_in_linear_time() -> None:
    """Who may assume a role from outside does not depend on the roles of the same account."""
    grant = [{"PolicyName": "p", "PolicyDocument": policy({"Action": "sts:AssumeRole"})}]
    seconds = []
    for count in (MANY, 4 * MANY):
        world = dump(
            *(role(f"r{number}", RoleId=f"AROA{number:016d}", RolePolicyList=grant) for number in range(count))
        )
        evaluator = Evaluator(world, NOW)
        begin = time.process_time()
        assert count == len(public_uses(evaluator, Assumptions(evaluator)))
        assert () == external_uses(evaluator, Assumptions(evaluator))
        seconds.append(time.process_time() - begin)

    assert seconds[1] < 10 * seconds[0]

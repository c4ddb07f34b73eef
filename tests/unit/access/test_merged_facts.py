"""Several sources about the same account: what one lacks comes from the other, and a disagreement is named."""

from __future__ import annotations

import json
from itertools import permutations
from typing import TYPE_CHECKING, Any

import pytest

from dsops.access.facts.files import read_facts
from dsops.access.facts.folder import read_folder
from dsops.access.facts.world import OrganizationFacts, merge_worlds
from dsops.errors import PolicyInvalid
from tests.unit.access.facts_folder import FULL, MEMBER, ROLE, FactsFolder, account, details, organization
from tests.unit.access.worlds import trust

if TYPE_CHECKING:
    from pathlib import Path


def dump(content: dict[str, Any]) -> OrganizationFacts:
    """The facts in the output of `aws iam get-account-authorization-details`."""
    return read_facts(json.dumps(content), "details.json", lambda _: "")


def test_a_folder_and_a_dump_of_the_same_account(tmp_path: Path) -> None:
    """The dump adds nothing, in either order: the folder knows the organization, and its control policies count."""
    folder = read_folder(FactsFolder(tmp_path).name)
    of_dump = dump(details())

    assert of_dump.accounts[MEMBER].organization_id is None
    for worlds in permutations([folder, of_dump]):
        merged = merge_worlds(worlds)
        assert folder.accounts == merged.accounts
        assert folder.identities == merged.identities
        assert set(folder.gaps) == set(merged.gaps)


def test_two_dumps_lack_the_control_policies(tmp_path: Path) -> None:
    """If no source has the control policies, the gap stays."""
    of_dump = dump(details())
    folder = FactsFolder(tmp_path)
    folder.remove("organization.json")

    assert {"scp", "rcp"} == {gap.place for gap in merge_worlds([of_dump, of_dump]).gaps}
    assert {"scp", "rcp"} <= {gap.place for gap in merge_worlds([read_folder(folder.name), of_dump]).gaps}


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("AssumeRolePolicyDocument", trust("*"), "trust"),
        ("RolePolicyList", [{"PolicyName": "own", "PolicyDocument": FULL}], "policies"),
        ("Tags", [{"Key": "team", "Value": "red"}], "tags"),
        ("RoleId", "AROAY", "unique id"),
    ],
)
def test_two_versions_of_a_role_are_refused_with_what_differs(
    tmp_path: Path, field: str, value: object, words: str
) -> None:
    """The error names the role, the source and what the two disagree on."""
    content = details()
    content["RoleDetailList"][0][field] = value
    folder = read_folder(FactsFolder(tmp_path).name)

    with pytest.raises(PolicyInvalid) as refused:
        merge_worlds([folder, dump(content)])
    assert f"{ROLE} is described twice, with differences" == refused.value.message
    assert f"details.json and an earlier description differ in: {words}" == refused.value.why


def test_two_folders_that_place_an_account_differently_are_refused(tmp_path: Path) -> None:
    """Two positions of an account in its organization are a disagreement; a folder without the organization is none."""
    one = FactsFolder(tmp_path / "one")
    other = FactsFolder(tmp_path / "other")
    moved = organization()
    moved["Accounts"][1]["ParentId"] = "ou-ab12-1"
    other.write("organization.json", moved)
    other.write(f"accounts/{MEMBER}/account.json", account(MEMBER))

    with pytest.raises(PolicyInvalid, match=MEMBER) as refused:
        merge_worlds([read_folder(one.name), read_folder(other.name)])
    assert "path" in refused.value.why
    other.remove("organization.json")
    merged = merge_worlds([read_folder(one.name), read_folder(other.name)])
    assert read_folder(one.name).accounts == merged.accounts

"""The folder of facts: what a reader makes of its files, and of files that are missing, cut off or hostile."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

import pytest

from dsops.access.facts import json_files
from dsops.access.facts.folder import read_folder
from dsops.access.facts.world import Gap, Resource
from dsops.errors import PolicyInvalid, PolicyUnreadable
from tests.unit.access.facts_folder import (
    FULL,
    GROUP,
    MANAGEMENT,
    MEMBER,
    READ,
    READ_ONLY,
    ROLE,
    SECRET,
    USER,
    FactsFolder,
    Json,
    details,
    organization,
)

DETAILS = f"accounts/{MEMBER}/authorization-details.json"
SECRETS = f"accounts/{MEMBER}/resources/secretsmanager.eu-west-1.json"
TAGS = f"accounts/{MEMBER}/resources/tags.eu-west-1.json"


@pytest.fixture
def folder(tmp_path: Path) -> FactsFolder:
    """A complete folder of two accounts."""
    return FactsFolder(tmp_path)


def gaps_in(folder: FactsFolder) -> tuple[Gap, ...]:
    """The gaps of the folder, without the one about services that are never collected."""
    return tuple(gap for gap in read_folder(folder.name).gaps if "sqs" not in gap.known_services)


def places(gaps: tuple[Gap, ...]) -> set[tuple[str, str]]:
    """The account and place of each gap."""
    return {(gap.account, gap.place) for gap in gaps}


def test_a_complete_folder_has_no_gap(folder: FactsFolder) -> None:
    """A complete folder is read with its accounts and identities, and without a gap."""
    world = read_folder(folder.name)

    assert list(world.accounts) == [MANAGEMENT, MEMBER]
    assert set(world.identities) == {ROLE, USER}
    assert (gaps_in(folder), world.sources) == ((), (folder.name,))


def test_a_role_has_its_policies_boundary_and_trust(folder: FactsFolder) -> None:
    """A role has inline and managed policies (the default version), its boundary, trust policy, tags and profiles."""
    role = read_folder(folder.name).identities[ROLE]

    assert [policy.name for policy in role.policies] == [f"own of {ROLE}", READ_ONLY]
    assert json.loads(role.policies[1].text) == READ
    assert role.boundary is not None
    assert (role.boundary.name, role.boundary.kind) == (READ_ONLY, "boundary")
    assert role.trust is not None
    assert role.trust.policy is not None
    assert (role.unique_id, role.tags, role.name) == ("AROAX", {"team": "blue"}, "Deploy")
    assert role.instance_profiles == (f"arn:aws:iam::{MEMBER}:instance-profile/Deploy",)


def test_a_user_has_the_policies_of_its_groups(folder: FactsFolder) -> None:
    """The policies of a group count for its users."""
    world = read_folder(folder.name)

    assert world.identities[USER].groups == ("people",)
    assert [policy.name for policy in world.identities[USER].policies] == [f"read of {GROUP}"]
    assert world.groups[GROUP].policies == world.identities[USER].policies


def test_policies_of_the_api_are_decoded(folder: FactsFolder) -> None:
    """A percent-encoded policy, as the API returns it, is the same policy as its JSON object."""
    content = details()
    content["RoleDetailList"][0]["RolePolicyList"][0]["PolicyDocument"] = quote(json.dumps(READ))
    folder.write(DETAILS, content)

    policy = read_folder(folder.name).identities[ROLE].policies[0]

    assert json.loads(policy.text) == READ
    assert policy.problem == ""


def test_equal_policies_are_one_document(folder: FactsFolder) -> None:
    """A managed policy that several roles have is kept only once."""
    content = details()
    content["RoleDetailList"].append({**content["RoleDetailList"][0], "Arn": f"{ROLE}2"})
    folder.write(DETAILS, content)

    identities = read_folder(folder.name).identities

    assert identities[ROLE].policies[1] is identities[f"{ROLE}2"].policies[1]
    assert identities[ROLE].policies[0] is not identities[f"{ROLE}2"].policies[0]


def test_levels_go_from_the_root_to_the_account(folder: FactsFolder) -> None:
    """A policy counts only where it is attached; a level without a policy stays, since it allows nothing."""
    account = read_folder(folder.name).accounts[MEMBER]

    assert account.path == "o-exampleorg1/r-ab12/ou-ab12-1/ou-ab12-2/"
    names = [[policy.name for policy in level] for level in account.service_control]
    full = "FullAWSAccess (p-FullAWSAccess)"
    assert names == [[full], [full], [], [full]]


def test_a_policy_type_that_is_off_has_no_effect(folder: FactsFolder) -> None:
    """Resource control policies have no effect until the root enables their type."""
    assert read_folder(folder.name).accounts[MEMBER].resource_control == ()
    content = organization()
    content["Roots"][0]["PolicyTypes"].append({"Type": "RESOURCE_CONTROL_POLICY", "Status": "ENABLED"})
    folder.write("organization.json", content)

    levels = read_folder(folder.name).accounts[MEMBER].resource_control

    assert [len(level) for level in levels] == [1, 0, 0, 0]


def test_no_control_policy_applies_to_the_management_account(folder: FactsFolder) -> None:
    """The management account has a path, and no levels."""
    account = read_folder(folder.name).accounts[MANAGEMENT]

    assert (account.path, account.is_management, account.service_control) == ("o-exampleorg1/r-ab12/", True, ())


def test_an_organization_for_bills_only_has_no_policies(folder: FactsFolder) -> None:
    """Without all features, policies have no effect."""
    content = organization()
    content["Organization"]["FeatureSet"] = "CONSOLIDATED_BILLING"
    folder.write("organization.json", content)

    assert read_folder(folder.name).accounts[MEMBER].service_control == ()


def test_resources_have_policies_tags_and_roles(folder: FactsFolder) -> None:
    """A resource has its policy, its own tags or those of the file of tags, and the role of its code."""
    folder.write(SECRETS, {"Resources": [{"Arn": SECRET, "Policy": FULL}]})
    folder.write(TAGS, {"Resources": [{"Arn": SECRET, "Tags": [{"Key": "stage", "Value": "prod"}]}]})
    function = f"arn:aws:lambda:eu-west-1:{MEMBER}:function:f"
    lambdas = {"Resources": [{"Arn": function, "Policy": None, "Tags": {"a": "b"}, "Role": ROLE}]}
    folder.write(f"accounts/{MEMBER}/resources/lambda.eu-west-1.json", lambdas)

    resources = read_folder(folder.name).resources

    policy = resources[SECRET].policy
    assert policy is not None
    assert policy.name == f"the policy of {SECRET}"
    assert resources[SECRET].tags == {"stage": "prod"}
    assert resources[function] == Resource(function, MEMBER, None, {"a": "b"}, ROLE)


def test_assignments_name_people_and_groups(folder: FactsFolder) -> None:
    """An assignment has the principal's name, or its id if the name could not be read."""
    entries = [
        {"PrincipalType": "GROUP", "PrincipalName": "admins", "PermissionSetName": "Admin", "AccountId": MEMBER},
        {"PrincipalType": "USER", "PrincipalId": "u-1", "PermissionSetName": "Reader", "AccountId": MEMBER},
    ]
    folder.write("identity-center.json", {"Assignments": entries})

    assignments = read_folder(folder.name).assignments

    assert [(each.kind, each.name, each.permission_set) for each in assignments] == [
        ("GROUP", "admins", "Admin"),
        ("USER", "u-1", "Reader"),
    ]


def test_roles_of_identity_center_without_assignments_are_a_gap(folder: FactsFolder) -> None:
    """Identity Center may be in a region that was not collected; its roles then show that assignments are missing."""
    content = details()
    role = f"arn:aws:iam::{MEMBER}:role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_Admin_0123456789abcdef"
    content["RoleDetailList"].append({**content["RoleDetailList"][0], "Arn": role})
    folder.write(DETAILS, content)

    (gap,) = gaps_in(folder)

    assert (gap.account, gap.place) == ("", "identities")


def test_identity_providers_are_read(folder: FactsFolder) -> None:
    """OIDC and SAML providers are one set of ARNs."""
    oidc, saml = (f"arn:aws:iam::{MEMBER}:{kind}" for kind in ("oidc-provider/example.com", "saml-provider/ad"))
    lists = {"OpenIDConnectProviderList": [{"Arn": oidc}], "SAMLProviderList": [{"Arn": saml}]}
    folder.write(f"accounts/{MEMBER}/identity-providers.json", lists)

    assert read_folder(folder.name).providers == {oidc, saml}


@pytest.mark.parametrize(
    ("name", "place"),
    [
        (DETAILS, "identities"),
        (SECRETS, "resources"),
        (f"accounts/{MEMBER}/resources/s3.json", "resources"),
        (TAGS, "context"),
        (f"accounts/{MEMBER}/identity-providers.json", "identities"),
    ],
)
def test_a_missing_file_is_a_gap(folder: FactsFolder, name: str, place: str) -> None:
    """A file that the account should have, and has not, is a gap of the account that names the file."""
    folder.remove(name)

    gaps = gaps_in(folder)

    assert places(gaps) == {(MEMBER, place)}
    assert name in gaps[0].why


@pytest.mark.parametrize("name", [DETAILS, SECRETS, TAGS])
def test_a_file_that_is_cut_off_is_a_gap(folder: FactsFolder, name: str) -> None:
    """A half-written file is a gap, not an empty list."""
    folder.write(name, '{"Resources": [{"Arn": "arn')

    gaps = gaps_in(folder)

    assert [gap.account for gap in gaps] == [MEMBER]
    assert "not valid JSON" in gaps[0].why


def test_an_account_without_a_folder_is_a_gap(folder: FactsFolder) -> None:
    """An account of the organization without a folder is unknown; a closed account can't matter."""
    content = organization()
    more = [{"Id": "333333333333", "Status": "ACTIVE", "ParentId": "r-ab12"}]
    more += [{"Id": "444444444444", "Status": "SUSPENDED", "ParentId": "r-ab12"}]
    content["Accounts"] += more
    folder.write("organization.json", content)

    gaps = gaps_in(folder)

    assert places(gaps) == {("333333333333", "identities"), ("333333333333", "resources")}


def test_a_missing_organization_leaves_its_policies_unknown(folder: FactsFolder) -> None:
    """Without organization.json, the control policies and the condition keys of the organization are unknown."""
    folder.remove("organization.json")

    world = read_folder(folder.name)

    assert set(world.accounts) == {MANAGEMENT, MEMBER}
    assert places(gaps_in(folder)) == {
        (account, place) for account in (MANAGEMENT, MEMBER) for place in ("scp", "rcp", "context")
    }
    assert "aws:principalorgid" in next(gap.keys for gap in world.gaps if gap.place == "context")
    assert {account.organization_id for account in world.accounts.values()} == {None}


def test_a_dump_of_one_account_is_enough(tmp_path: Path) -> None:
    """A folder with nothing but authorization-details.json of an account is read; the rest is unknown."""
    folder = tmp_path / f"accounts/{MEMBER}"
    folder.mkdir(parents=True)
    (folder / "authorization-details.json").write_text(json.dumps(details()))

    world = read_folder(str(tmp_path))

    assert set(world.identities) == {ROLE, USER}
    assert {place for _, place in places(world.gaps)} == {"resources", "scp", "rcp", "context"}


def test_gaps_in_files_are_kept(folder: FactsFolder) -> None:
    """What `collect` could not read is a gap with its reason, service and ARN."""
    gap = {"Place": "resources", "Why": "AccessDenied: kms:ListKeys", "Service": "kms"}
    folder.write(f"accounts/{MEMBER}/resources/kms.eu-west-1.json", {"Resources": [], "Gaps": [gap]})
    folder.write("organization.json", {**organization(), "Gaps": [{"Place": "rcp", "Why": "denied"}]})

    gaps = gaps_in(folder)

    expected = {Gap("", "rcp", "denied"), Gap(MEMBER, "resources", "AccessDenied: kms:ListKeys", service="kms")}
    assert set(gaps) == expected


def test_a_gap_of_an_unknown_kind_counts_for_everything(folder: FactsFolder) -> None:
    """A gap that this version does not know makes all lists of its account unknown."""
    content = {"Resources": [], "Gaps": [{"Place": "moon", "Why": "newer dsops"}]}
    folder.write(SECRETS, content)

    assert places(gaps_in(folder)) == {(MEMBER, "identities"), (MEMBER, "resources")}


def test_missing_parts_of_identities_are_gaps(folder: FactsFolder) -> None:
    """A managed policy, boundary, group or trust policy that the file lacks is a gap of its user or role."""
    content = details()
    content["Policies"], content["GroupDetailList"] = [], []
    del content["RoleDetailList"][0]["AssumeRolePolicyDocument"]
    folder.write(DETAILS, content)

    gaps = gaps_in(folder)

    assert {(gap.place, gap.arn) for gap in gaps} == {
        ("identity", USER),
        ("identity", ROLE),
        ("boundary", ROLE),
        ("trust", ROLE),
    }


def test_an_answer_that_a_filter_has_shortened_is_a_gap(folder: FactsFolder) -> None:
    """An answer with `--filter Role`, or with its first page only, does not have all identities."""
    content = details()
    del content["UserDetailList"]
    folder.write(DETAILS, {**content, "IsTruncated": True})

    gaps = gaps_in(folder)

    assert [gap.place for gap in gaps] == ["identities", "identities"]


def test_other_regions_are_a_gap(folder: FactsFolder) -> None:
    """If not all regions were collected, the resources of the account are incomplete."""
    about = json.loads((folder.path / f"accounts/{MEMBER}/account.json").read_text())
    folder.write(f"accounts/{MEMBER}/account.json", {**about, "HasAllRegions": False})

    (gap,) = gaps_in(folder)

    assert (gap.place, gap.why) == ("resources", "only the resources in eu-west-1 were collected")


def test_a_gap_of_every_account_is_one_gap(folder: FactsFolder) -> None:
    """What is missing in each account is told once; what is missing in one account is told for that account."""
    for account in (MANAGEMENT, MEMBER):
        about = json.loads((folder.path / f"accounts/{account}/account.json").read_text())
        folder.write(f"accounts/{account}/account.json", {**about, "HasAllRegions": False})
    folder.remove(SECRETS)

    assert places(gaps_in(folder)) == {("", "resources"), (MEMBER, "resources")}
    assert len(gaps_in(folder)) == 2


def test_a_broken_policy_is_unknown_and_not_absent(folder: FactsFolder) -> None:
    """A policy that AWS would refuse stays, with its problem."""
    content = details()
    content["RoleDetailList"][0]["RolePolicyList"][0]["PolicyDocument"] = {"Statement": "x"}
    folder.write(DETAILS, content)

    assert "can't be used" in read_folder(folder.name).identities[ROLE].policies[0].problem


def test_two_versions_of_a_role_are_an_error(folder: FactsFolder) -> None:
    """The same role twice is fine; two versions of it are an error that names the role."""
    content = details()
    content["RoleDetailList"] *= 2
    folder.write(DETAILS, content)
    assert set(read_folder(folder.name).identities) == {ROLE, USER}
    content["RoleDetailList"][1] = {**content["RoleDetailList"][1], "RoleId": "AROAY"}
    folder.write(DETAILS, content)

    with pytest.raises(PolicyInvalid, match="described twice") as caught:
        read_folder(folder.name)

    assert ROLE in caught.value.message


def test_an_account_twice_is_an_error_if_the_two_differ(folder: FactsFolder) -> None:
    """Two entries for one account in different units are an error."""
    content = organization()
    content["Accounts"].append({**content["Accounts"][1], "ParentId": "r-ab12"})
    folder.write("organization.json", content)

    with pytest.raises(PolicyInvalid, match="described twice"):
        read_folder(folder.name)


def test_identities_of_another_account_are_an_error(folder: FactsFolder) -> None:
    """A dump in the folder of another account is an error that says where it belongs."""
    folder.write(f"accounts/{MANAGEMENT}/authorization-details.json", details())

    with pytest.raises(PolicyInvalid, match=f"folder of account {MANAGEMENT}") as caught:
        read_folder(folder.name)

    assert MEMBER in caught.value.hint


@pytest.mark.parametrize("content", ["[]", "3", '"x"', "null", "true"])
def test_json_that_is_no_object_names_the_file(folder: FactsFolder, content: str) -> None:
    """A file with another JSON value is an error that names the file."""
    folder.write(DETAILS, content)

    with pytest.raises(PolicyInvalid, match=r"authorization-details\.json is not a JSON object"):
        read_folder(folder.name)


def test_a_symbolic_link_is_refused(folder: FactsFolder) -> None:
    """Files and account folders that are symbolic links are refused: they may lead anywhere."""
    (folder.path / DETAILS).rename(folder.path / "elsewhere.json")
    (folder.path / DETAILS).symlink_to(folder.path / "elsewhere.json")
    with pytest.raises(PolicyUnreadable) as file:
        read_folder(folder.name)
    (folder.path / DETAILS).unlink()
    (folder.path / "accounts/333333333333").symlink_to(folder.path / f"accounts/{MEMBER}")
    with pytest.raises(PolicyUnreadable) as link:
        read_folder(folder.name)

    assert file.value.why == link.value.why == "it is a symbolic link"


def test_a_huge_file_is_refused(folder: FactsFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file above the limit is refused before it is parsed."""
    monkeypatch.setattr(json_files, "MOST_BYTES", 100)

    with pytest.raises(PolicyUnreadable, match=r"organization\.json can't be read") as caught:
        read_folder(folder.name)

    assert "more than 100 bytes" in caught.value.why


@pytest.mark.parametrize("name", ["evil\x1b[2J", "<b>x", "12345678901", "1" * 13])
def test_a_folder_that_is_no_account_is_refused(folder: FactsFolder, name: str) -> None:
    """A folder with another name is an error, in which the name has no terminal codes."""
    (folder.path / "accounts" / name).mkdir()

    with pytest.raises(PolicyInvalid) as caught:
        read_folder(folder.name)

    assert "\x1b" not in caught.value.message


def test_terminal_codes_in_names_are_never_in_errors_and_gaps(folder: FactsFolder) -> None:
    """Names with terminal codes are escaped in reasons and errors."""
    content: Json = details()
    content["UserDetailList"][0]["GroupList"] = ["\x1b]0;x\x07"]
    folder.write(DETAILS, content)
    gaps = gaps_in(folder)
    content["UserDetailList"][0]["Arn"] = "arn:\x1b[2J"
    folder.write(DETAILS, content)
    with pytest.raises(PolicyInvalid) as caught:
        read_folder(folder.name)

    assert all(text.isprintable() for text in (gaps[0].why, caught.value.message))
    assert "\\x1b" in gaps[0].why


@pytest.mark.parametrize(
    ("change", "gap"),
    [
        ({"Accounts": [{"Id": MEMBER, "ParentId": MEMBER}]}, (MEMBER, "scp")),
        (
            {
                "Accounts": [{"Id": MEMBER, "ParentId": "ou-loop"}],
                "OrganizationalUnits": [{"Id": "ou-loop", "ParentId": "ou-loop"}],
            },
            (MEMBER, "scp"),
        ),
        ({"Accounts": {"Id": MEMBER}}, ("", "identities")),
        ({"Policies": ["x", {"Summary": 1, "Targets": 2}], "Roots": "x"}, (MEMBER, "rcp")),
        ({"Policies": None}, ("", "scp")),
        ({"Organization": []}, ("", "context")),
        ({"Policies": [{"Summary": {"Id": "p-1", "Type": "SERVICE_CONTROL_POLICY"}}]}, ("", "scp")),
    ],
)
def test_an_odd_organization_has_gaps(folder: FactsFolder, change: Json, gap: tuple[str, str]) -> None:
    """An organization with loops, or with values of other types, never counts as one without policies."""
    folder.write("organization.json", {**organization(), **change})

    assert gap in places(gaps_in(folder))


def test_an_account_id_in_the_organization_is_checked(folder: FactsFolder) -> None:
    """An account id that is none is an error that names the file."""
    folder.write("organization.json", {**organization(), "Accounts": [{"Id": "12"}]})

    with pytest.raises(PolicyInvalid, match=r"organization\.json has an account with the invalid id `12`"):
        read_folder(folder.name)


def test_a_folder_without_accounts_is_an_error(tmp_path: Path) -> None:
    """A folder of something else is an error that says what was expected."""
    with pytest.raises(PolicyUnreadable, match="has no files about accounts"):
        read_folder(str(tmp_path))


def test_a_written_file_is_private_and_complete(tmp_path: Path) -> None:
    """A file is written with mode 600 in folders with mode 700, and no part of a file remains."""
    path = tmp_path / "a/b.json"

    json_files.write_object(str(path), {"x": "\ud800 é"})
    json_files.write_object(str(path), {"x": 1})

    assert json.loads(path.read_text()) == {"x": 1}
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert [each.name for each in path.parent.iterdir()] == ["b.json"]

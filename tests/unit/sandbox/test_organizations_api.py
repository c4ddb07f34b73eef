"""The Organizations API reads and changes the organization that the seed has created."""

from __future__ import annotations

import json

import pytest

from tests.sandboxes import ACCOUNT, OTHER, Lab
from tests.unit.sandbox.conftest import LabFactory
from tests.unit.sandbox.test_organizations import OWNER, STRANGER, read, seed, workloads

DENY = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "secretsmanager:*", "Resource": "*"}]}
)


@pytest.fixture
def lab(make_lab: LabFactory) -> Lab:
    """A sandbox with an organization that has no policies except AWS's."""
    return make_lab(seed(workloads("")))


def test_the_organization_of_the_seed_exists(lab: Lab) -> None:
    """The API returns the seed's organization, root, units and accounts."""
    owner = lab.user("admin", OWNER)
    organization = owner.call("organizations", "DescribeOrganization")["Organization"]
    (root,) = owner.call("organizations", "ListRoots")["Roots"]
    units = owner.call("organizations", "ListOrganizationalUnitsForParent", ParentId=root["Id"])
    (unit,) = units["OrganizationalUnits"]
    members = owner.call("organizations", "ListAccountsForParent", ParentId=unit["Id"])["Accounts"]

    assert (organization["Id"], organization["MasterAccountId"]) == ("o-exampleorg1", OWNER)
    assert {kind["Type"] for kind in root["PolicyTypes"]} == {"SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY"}
    assert unit["Name"] == "Workloads"
    assert sorted(member["Id"] for member in members) == [ACCOUNT, OTHER]


def test_an_attached_policy_applies_at_once(lab: Lab) -> None:
    """An attached policy takes effect at once, and a detached policy no longer applies."""
    owner = lab.user("admin", OWNER)
    created = owner.call(
        "organizations", "CreatePolicy", Name="NoSecrets", Description="x", Type="SERVICE_CONTROL_POLICY", Content=DENY
    )["Policy"]["PolicySummary"]
    assert read(lab) == "ok"
    owner.call("organizations", "AttachPolicy", PolicyId=created["Id"], TargetId=ACCOUNT)

    assert f"service control policy: {created['Arn']}" in read(lab)
    assert read(lab, OTHER) == "ok"
    owner.call("organizations", "DetachPolicy", PolicyId=created["Id"], TargetId=ACCOUNT)
    assert read(lab) == "ok"


def test_a_moved_account_has_the_policies_of_its_new_unit(make_lab: LabFactory) -> None:
    """If an account is moved to another organizational unit, the policies of the old unit no longer apply to it."""
    lab = make_lab(seed(workloads(f"service_control_policies: [{json.dumps(json.loads(DENY))}]")))
    owner = lab.user("admin", OWNER)
    root = owner.call("organizations", "ListRoots")["Roots"][0]["Id"]
    unit = owner.call("organizations", "ListParents", ChildId=ACCOUNT)["Parents"][0]["Id"]

    assert "service control policy" in read(lab)
    owner.call("organizations", "MoveAccount", AccountId=ACCOUNT, SourceParentId=unit, DestinationParentId=root)
    assert read(lab) == "ok"
    assert "service control policy" in read(lab, OTHER)


def test_a_created_account_works_in_the_sandbox(lab: Lab) -> None:
    """A created account works, and its OrganizationAccountAccessRole trusts the management account."""
    owner = lab.user("admin", OWNER)
    status = owner.call("organizations", "CreateAccount", AccountName="new", Email="new@example.com")
    account = status["CreateAccountStatus"]["AccountId"]
    session = owner.assume(f"arn:aws:iam::{account}:role/OrganizationAccountAccessRole")

    assert session.arn.startswith(f"arn:aws:sts::{account}:assumed-role/")
    context = lab.sandbox.judge.decisions[-1].decision.request.context
    assert context["aws:ResourceOrgID"] == ("o-exampleorg1",)


def test_an_organization_can_be_made_in_a_sandbox_without_one(make_lab: LabFactory) -> None:
    """The API can create an organization in a sandbox without one, and its policies take effect."""
    lab = make_lab(f'accounts: {{"{OWNER}": {{}}}}')
    owner = lab.user("admin", OWNER)
    owner.call("organizations", "CreateOrganization", FeatureSet="ALL")
    root = owner.call("organizations", "ListRoots")["Roots"][0]["Id"]
    owner.call("organizations", "EnablePolicyType", RootId=root, PolicyType="SERVICE_CONTROL_POLICY")
    status = owner.call("organizations", "CreateAccount", AccountName="new", Email="new@example.com")
    account = status["CreateAccountStatus"]["AccountId"]
    full = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
    created = owner.call(
        "organizations", "CreatePolicy", Name="D", Description="x", Type="SERVICE_CONTROL_POLICY", Content=DENY
    )["Policy"]["PolicySummary"]["Id"]
    owner.call("organizations", "AttachPolicy", PolicyId=created, TargetId=account)
    role = f"arn:aws:iam::{account}:role/OrganizationAccountAccessRole"
    lab.sandbox.world.backend(account).put_role_policy(role.rpartition("/")[2], "full", full)

    session = owner.assume(role)
    assert session.call("iam", "ListRoles")["Roles"]
    message = session.refused("secretsmanager", "ListSecrets").message
    assert "with an explicit deny in a service control policy" in message


def test_only_the_management_account_may_make_changes(make_lab: LabFactory) -> None:
    """Only the management account can change the organization; a delegated administrator can read it."""
    administrator = f'  delegated_administrators: {{"{OTHER}": [iam.amazonaws.com]}}'
    lab = make_lab(seed(f"{administrator}{workloads('')}"))
    policy = {"Name": "x", "Description": "x", "Type": "SERVICE_CONTROL_POLICY", "Content": DENY}
    member, reader, stranger = (lab.user("admin", account) for account in (ACCOUNT, OTHER, STRANGER))

    for person in (member, reader):
        assert person.call("organizations", "DescribeOrganization")["Organization"]["Id"] == "o-exampleorg1"
        assert person.refused("organizations", "CreatePolicy", **policy).code == "AccessDeniedException"
    assert member.refused("organizations", "ListPolicies", Filter="SERVICE_CONTROL_POLICY").code == (
        "AccessDeniedException"
    )
    for operation in ("DescribeOrganization", "ListRoots"):
        assert stranger.refused("organizations", operation).code == "AWSOrganizationsNotInUseException"


def test_a_malformed_policy_is_refused(lab: Lab) -> None:
    """A malformed policy is refused on creation and update, by the rules of its type."""
    owner = lab.user("admin", OWNER)
    common = {"Description": "x", "Type": "SERVICE_CONTROL_POLICY"}
    allowing = DENY.replace("Deny", "Allow")
    rcp = allowing.replace('"Action"', '"Principal": "*", "Action"')
    policy = owner.call("organizations", "CreatePolicy", Name="A", Content=DENY, **common)["Policy"]
    created = policy["PolicySummary"]["Id"]

    for call, parameters in (
        ("CreatePolicy", {"Name": "B", "Content": "{}", **common}),
        ("CreatePolicy", {"Name": "B", "Content": rcp, **common}),
        ("CreatePolicy", {"Name": "B", "Content": rcp, **common, "Type": "RESOURCE_CONTROL_POLICY"}),
        ("UpdatePolicy", {"PolicyId": created, "Content": "{}"}),
    ):
        error = owner.refused("organizations", call, **parameters)
        assert error.code == "MalformedPolicyDocumentException", parameters
    assert owner.call("organizations", "UpdatePolicy", PolicyId=created, Content=allowing)

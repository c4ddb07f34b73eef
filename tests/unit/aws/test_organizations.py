"""Organizations' answers: an account's parents and the policies attached to them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.session import Session

from dsops.aws.apis import organizations as api
from dsops.errors import AccessDenied, AnswerInvalid
from tests.stubs.aws import json_answer, json_error, signature_is_right
from tests.stubs.organizations import FULL, ID, ROOT, TYPES, StubOrganizations
from tests.stubs.server import Answer, Seen, StubServer
from tests.unit.aws.test_iam import Asking

ACCOUNT = "111122223333"
DENY = {"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}}


def stub(**more: Any) -> StubOrganizations:
    """An account in a unit, with two policies on the unit."""
    return StubOrganizations(
        parents={ACCOUNT: "ou-1", "ou-1": ROOT}, policies={"ou-1": {**FULL, "p-deny": DENY}}, **more
    )


def test_an_account_is_found_on_its_way_up() -> None:
    """The client reads an account's organization, unit and root; for other accounts the parent is None."""
    with StubServer(stub()) as server:
        asking = Asking(server)
        run, organizations = asking.run, asking.organizations
        organization = run(api.describe_organization(organizations))
        unit = run(api.list_parents(organizations, ACCOUNT))
        root = run(api.list_parents(organizations, "ou-1"))
        stranger = run(api.list_parents(organizations, "444455556666"))

    assert organization == api.Organization(ID, "999999999999", True)
    assert (unit, root, stranger) == (api.Parent("ou-1", False), api.Parent(ROOT, True), None)
    assert signature_is_right(server.seen[0], server.url, "session/secret", service="organizations")


def test_policies_are_read_to_the_last_page() -> None:
    """Policies of all pages are read with their ARN, and a policy's document is JSON."""
    organizations = stub()
    with StubServer(organizations) as server:
        asking = Asking(server)
        listed = asking.run(api.list_policies_for_target(asking.organizations, "ou-1", TYPES[0]))
        others = asking.run(api.list_policies_for_target(asking.organizations, "ou-1", TYPES[1]))
        text = asking.run(api.describe_policy(asking.organizations, "p-deny"))

    assert listed == [(name, f"arn:aws:organizations::aws:policy/{name}") for name in ("p-FullAWSAccess", "p-deny")]
    assert others == []
    assert json.loads(text) == DENY


def test_only_types_that_are_switched_on_are_named() -> None:
    """Only policy types enabled on the root are listed, because policies of other types have no effect."""
    with StubServer(stub(enabled=[TYPES[1]])) as server:
        asking = Asking(server)
        assert asking.run(api.list_enabled_policy_types(asking.organizations)) == {TYPES[1]}


def test_no_organization_and_a_denied_call_differ() -> None:
    """For an account in no organization the client returns that fact; a denied call raises an error."""
    with StubServer(lambda _: json_error("AWSOrganizationsNotInUseException", "none")) as server:
        asking = Asking(server)
        assert asking.run(api.describe_organization(asking.organizations)) is None
    with StubServer(stub(denied=["DescribeOrganization"])) as server:
        asking = Asking(server)
        with pytest.raises(AccessDenied) as denied:
            asking.run(api.describe_organization(asking.organizations))

    assert denied.value.message == "not allowed to ask for the organization"


@pytest.mark.parametrize("content", [{}, {"Organization": []}, {"Organization": {"Id": ID}}, {"Parents": {}}])
def test_an_answer_without_a_required_field_is_invalid(content: dict[str, object]) -> None:
    """A response without a required field raises AnswerInvalid, instead of being read as no organization."""
    with StubServer(lambda _: json_answer(content)) as server:
        asking = Asking(server)
        for work in (
            api.describe_organization(asking.organizations),
            api.list_parents(asking.organizations, ACCOUNT),
            api.describe_policy(asking.organizations, "p-1"),
            api.list_enabled_policy_types(asking.organizations),
        ):
            with pytest.raises(AnswerInvalid):
                asking.run(work)


def test_every_parameter_is_one_that_botocore_knows() -> None:
    """Every request of every Organizations action is valid by botocore's model."""
    seen: list[Seen] = []

    def refuse(request: Seen) -> Answer:
        seen.append(request)
        return json_error("AccessDeniedException", "no")

    with StubServer(refuse) as server:
        asking = Asking(server)
        organizations = asking.organizations
        for work in (
            api.describe_organization(organizations),
            api.list_parents(organizations, ACCOUNT),
            api.list_enabled_policy_types(organizations),
            api.describe_policy(organizations, "p-1"),
            api.list_policies_for_target(organizations, ACCOUNT, TYPES[0]),
        ):
            with pytest.raises(AccessDenied):
                asking.run(work)

    model = Session().get_service_model("organizations")
    for request in seen:
        prefix, _, action = request.header("X-Amz-Target").partition(".")
        operation = model.operation_model(action)
        model_values = operation.input_shape.members if operation.input_shape is not None else {}
        assert prefix == model.metadata["targetPrefix"]
        assert set(json.loads(request.body)) <= set(model_values)
    assert len(seen) == 5

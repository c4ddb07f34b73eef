"""IAM's answers about users, roles and policies, read page by page."""

from __future__ import annotations

import json
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
from botocore.session import Session

from dsops.aws.apis import iam as api
from dsops.aws.apis.kms import Kms
from dsops.aws.apis.organizations import OrganizationsClient
from dsops.aws.apis.secret_policy import SecretsManagerClient
from dsops.errors import AccessDenied, AnswerInvalid, EntityNotFound
from dsops.policy.simulation.facts import Entity
from tests.stubs.aws import signature_is_right, sts_error
from tests.stubs.iam import ACCOUNT, StubIam
from tests.stubs.iam import Entity as StubEntity
from tests.stubs.server import Answer, Seen, StubServer
from tests.unit.aws.scene import SESSION, Scene, endpoint_at

T = TypeVar("T")

POLICY = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Sid": "100%"}}
ARN = f"arn:aws:iam::{ACCOUNT}:policy/Shared"


class Asking:
    """A stub server, and clients that call it."""

    def __init__(self, server: StubServer) -> None:
        self.scene = Scene()
        self.server = server
        self.iam = api.Iam(self.scene.client, SESSION, endpoint_at(server, "iam"))
        self.secrets = SecretsManagerClient(self.scene.client, SESSION, endpoint_at(server, "secretsmanager"))
        self.kms = Kms(self.scene.client, SESSION, endpoint_at(server, "kms"))
        self.organizations = OrganizationsClient(self.scene.client, SESSION, endpoint_at(server, "organizations"))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine; return its result."""
        return self.scene.run(work)


def stub(**more: Any) -> StubIam:
    """An account with one user, role, group and managed policy."""
    return StubIam(
        users={"alice": StubEntity(policies={"own": POLICY}, attached=[ARN], groups=["dev"], tags={"team": "a & b"})},
        roles={"App": StubEntity(trust=POLICY, policies={"own": POLICY}, attached=[ARN], boundary=ARN, path="/ci/")},
        groups={"dev": StubEntity(policies={"own": POLICY}, attached=[ARN])},
        managed={ARN: POLICY},
        **more,
    )


def test_a_user_is_read_with_id_and_tags() -> None:
    """A user is read with its ID and tags, with or without a permissions boundary."""
    with StubServer(stub()) as server:
        asking = Asking(server)
        user = asking.run(api.get_user(asking.iam, "alice"))

    alice = Entity(f"arn:aws:iam::{ACCOUNT}:user/alice", "AIDAALICE000000000000", "", {"team": "a & b"}, "")
    assert user == alice
    assert signature_is_right(server.seen[0], server.url, "session/secret", service="iam")


def test_a_role_is_read_with_path_boundary_and_trust_policy() -> None:
    """A role's trust policy is read as percent-decoded JSON, and its path and boundary are read."""
    with StubServer(stub()) as server:
        asking = Asking(server)
        role = asking.run(api.get_role(asking.iam, "App"))

    assert (role.arn, role.boundary_arn) == (f"arn:aws:iam::{ACCOUNT}:role/ci/App", ARN)
    assert json.loads(role.trust_policy) == POLICY


def test_policies_of_all_kinds_are_read() -> None:
    """Inline and attached policies of users, roles and groups are read."""
    with StubServer(stub()) as server:
        asking = Asking(server)
        run, iam = asking.run, asking.iam
        inline = [
            run(api.get_user_policy(iam, "alice", "own")),
            run(api.get_role_policy(iam, "App", "own")),
            run(api.get_group_policy(iam, "dev", "own")),
            run(api.get_policy_version(iam, ARN, run(api.get_policy(iam, ARN)))),
        ]
        names = [
            run(api.list_user_policies(iam, "alice")),
            run(api.list_role_policies(iam, "App")),
            run(api.list_group_policies(iam, "dev")),
        ]
        attached = [
            run(api.list_attached_user_policies(iam, "alice")),
            run(api.list_attached_role_policies(iam, "App")),
            run(api.list_attached_group_policies(iam, "dev")),
        ]
        groups = run(api.list_groups_for_user(iam, "alice"))

    assert [json.loads(text) for text in inline] == [POLICY] * 4
    assert names == [["own"]] * 3
    assert attached == [[api.AttachedPolicy("Shared", ARN)]] * 3
    assert groups == ["dev"]


def test_a_list_is_read_to_its_last_page() -> None:
    """Lists are read to their last page in order, whatever the page size."""
    names = [f"policy-{number}" for number in range(7)]
    roles = {"App": StubEntity(policies=dict.fromkeys(names, POLICY), trust=POLICY), "None": StubEntity(trust=POLICY)}
    iam = StubIam(roles=roles, page=3)
    with StubServer(iam) as server:
        asking = Asking(server)
        names_read = asking.run(api.list_role_policies(asking.iam, "App"))
        nothing = asking.run(api.list_role_policies(asking.iam, "None"))

    assert (names_read, nothing) == (names, [])
    assert iam.calls == ["ListRolePolicies App"] * 3 + ["ListRolePolicies None"]


def test_a_list_without_end_is_given_up() -> None:
    """Reading a list that never ends stops with an error after 100 pages."""
    body = b"<ListRolePoliciesResponse><ListRolePoliciesResult><PolicyNames/><IsTruncated>true</IsTruncated>"
    body += b"<Marker>on</Marker></ListRolePoliciesResult></ListRolePoliciesResponse>"
    with StubServer(lambda _: Answer(body=body)) as server:
        asking = Asking(server)
        with pytest.raises(AnswerInvalid, match="an invalid response"):
            asking.run(api.list_role_policies(asking.iam, "App"))

    assert len(server.seen) == 100


def test_unknown_entities_and_denied_reads_differ() -> None:
    """An unknown entity is a usage error (exit code 2), and a denied read is a permission error."""
    with StubServer(stub(denied=["GetRole"])) as server:
        asking = Asking(server)
        with pytest.raises(EntityNotFound) as unknown:
            asking.run(api.get_user(asking.iam, "alic"))
        with pytest.raises(AccessDenied) as denied:
            asking.run(api.get_role(asking.iam, "App"))

    assert unknown.value.message == "could not read the user alic: not found in IAM"
    assert unknown.value.exit_code == 2
    assert denied.value.message == "not allowed to read the role App"


@pytest.mark.parametrize("result", ["", "<Role/>", "<Role><Arn>arn:aws:iam::111122223333:role/App</Arn></Role>"])
def test_an_answer_without_a_required_field_is_invalid(result: str) -> None:
    """A response without a required field raises AnswerInvalid and is not read as a role without trust policy."""
    body = f"<GetRoleResponse><GetRoleResult>{result}</GetRoleResult></GetRoleResponse>".encode()
    with StubServer(lambda _: Answer(body=body)) as server:
        asking = Asking(server)
        with pytest.raises(AnswerInvalid):
            asking.run(api.get_role(asking.iam, "App"))


def test_every_parameter_is_one_that_botocore_knows() -> None:
    """Every request of every IAM action is valid by botocore's model."""
    seen: list[Seen] = []

    def refuse(request: Seen) -> Answer:
        seen.append(request)
        return sts_error("AccessDenied", "no")

    with StubServer(refuse) as server:
        asking = Asking(server)
        iam = asking.iam
        for work in (
            api.get_user(iam, "a"),
            api.list_user_policies(iam, "a"),
            api.get_user_policy(iam, "a", "p"),
            api.list_attached_user_policies(iam, "a"),
            api.list_groups_for_user(iam, "a"),
            api.list_group_policies(iam, "a"),
            api.get_group_policy(iam, "a", "p"),
            api.list_attached_group_policies(iam, "a"),
            api.get_role(iam, "a"),
            api.list_role_policies(iam, "a"),
            api.get_role_policy(iam, "a", "p"),
            api.list_attached_role_policies(iam, "a"),
            api.put_role_policy(iam, "a", "p", "{}"),
            api.get_policy(iam, ARN),
            api.get_policy_version(iam, ARN, "v1"),
        ):
            with pytest.raises(AccessDenied):
                asking.run(work)

    model = Session().get_service_model("iam")
    for request in seen:
        form = dict(pair.split("=") for pair in request.body.decode().split("&"))
        operation = model.operation_model(form.pop("Action"))
        assert form.pop("Version") == model.api_version
        assert set(form) <= set(operation.input_shape.members)
        assert set(operation.input_shape.required_members) <= set(form)
    assert len(seen) == 15


def test_an_action_without_a_result_is_done_when_it_is_answered() -> None:
    """PutRolePolicy succeeds if the response is an empty PutRolePolicyResponse; any other body raises AnswerInvalid."""
    answers = ["<PutRolePolicyResponse><ResponseMetadata/></PutRolePolicyResponse>", "<html/>"]
    with StubServer(lambda _: Answer(body=answers.pop(0).encode())) as server:
        asking = Asking(server)
        asking.run(api.put_role_policy(asking.iam, "App", "own", "{}"))
        with pytest.raises(AnswerInvalid):
            asking.run(api.put_role_policy(asking.iam, "App", "own", "{}"))

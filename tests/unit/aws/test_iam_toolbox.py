"""IAM's authorization details (IAM Toolbox), read page by page; parts of unknown form are left out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from dsops.aws.apis import iam_toolbox as api
from dsops.errors import AccessDenied, AnswerInvalid, EntityNotFound
from tests.stubs.aws import signature_is_right
from tests.stubs.server import Answer, Seen, StubServer
from tests.unit.aws.scene import SESSION, Scene, endpoint_at

if TYPE_CHECKING:
    from collections.abc import Coroutine

ID = "5arhuwacg4o48yxyin4kcrony"
DETAILS: dict[str, Any] = {
    "requestContext": {"aws:PrincipalAccount": "111122223333"},
    "evaluations": [
        {
            "action": "iam:GetUser",
            "resource": "arn:aws:iam::111122223333:user/ExampleUser",
            "context": {},
            "evaluatedEffect": "EXPLICIT_DENY",
            "matchedPolicies": [],
            "checks": [
                {
                    "checkType": "PRINCIPAL",
                    "evaluatedEffect": "EXPLICIT_DENY",
                    "relevantPolicyTypes": ["IDENTITY_BASED_POLICY"],
                    "matchedPolicies": [
                        {
                            "uri": "arn:aws:iam::aws:policy/AWSDenyAll",
                            "matchedStatements": [{"sid": "DenyAll", "evaluatedEffect": "DENY"}],
                        }
                    ],
                }
            ],
        }
    ],
    "policies": [
        {
            "type": "IDENTITY_BASED_POLICY",
            "inline": False,
            "uri": "arn:aws:iam::aws:policy/AWSDenyAll",
            "attachedTo": [{"arn": "arn:aws:iam::111122223333:role/ExplicitDeny"}],
        }
    ],
}


def asked(server: StubServer, work: Any, *arguments: str) -> Any:
    """The result of a call to that server."""
    scene = Scene()
    coroutine: Coroutine[Any, Any, Any] = work(
        api.IamToolbox(scene.client, SESSION, endpoint_at(server, "iam-toolbox")), ID, *arguments
    )
    return scene.run(coroutine)


def details(*pages: object) -> tuple[api.AuthorizationDetails, list[Seen]]:
    """The details in these pages, and the requests for them."""
    left = list(pages)
    with StubServer(lambda _: Answer(body=json.dumps(left.pop(0)).encode())) as server:
        return asked(server, api.get_request_authorization_details), server.seen


def test_a_record_is_read_with_a_signature_for_iam() -> None:
    """A record of a denial has checks, matched statements and policies; the request is signed for `iam`."""
    record, [request] = details(DETAILS)

    [evaluation] = record.evaluations
    assert evaluation.checks == (
        api.ToolboxCheck(
            "PRINCIPAL",
            "EXPLICIT_DENY",
            "",
            ("IDENTITY_BASED_POLICY",),
            (api.MatchedPolicy("arn:aws:iam::aws:policy/AWSDenyAll", (api.MatchedStatement("DenyAll", True),)),),
        ),
    )
    assert record.policies == (
        api.ListedPolicy(
            "IDENTITY_BASED_POLICY",
            False,
            "arn:aws:iam::aws:policy/AWSDenyAll",
            ("arn:aws:iam::111122223333:role/ExplicitDeny",),
        ),
    )
    assert record.context == {"aws:PrincipalAccount": "111122223333"}
    assert (request.method, request.target) == ("GET", f"/authorization-details/{ID}")


def test_evaluations_are_read_to_the_last_page() -> None:
    """Evaluations are read from all pages, context and policies from the first page."""
    second = {"requestContext": {}, "evaluations": DETAILS["evaluations"], "policies": []}
    record, requests = details({**DETAILS, "nextToken": "a/b"}, second)

    assert (len(record.evaluations), len(record.policies)) == (2, 1)
    assert requests[1].target == f"/authorization-details/{ID}?nextToken=a%2Fb"


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"evaluations": "none", "policies": None, "requestContext": []},
        {"evaluations": [7, {"checks": [None, {"matchedPolicies": {}, "relevantPolicyTypes": 7}]}], "policies": ["x"]},
    ],
)
def test_parts_of_unknown_form_are_left_out(odd: dict[str, Any]) -> None:
    """Parts of a record that have an unknown form are left out, and nothing is concluded from them."""
    record, _ = details(odd)

    assert record.policies == ()
    assert [check.effect for evaluation in record.evaluations for check in evaluation.checks or ()] in ([], [""])


def test_omitted_checks_are_none() -> None:
    """Checks that AWS omits (for another organization's policies) are None instead of an empty list."""
    without = {key: value for key, value in DETAILS["evaluations"][0].items() if key != "checks"}
    record, _ = details({**DETAILS, "evaluations": [without]})

    assert record.evaluations[0].checks is None


def test_a_policy_is_a_document() -> None:
    """A policy of a record is read as JSON text; any other content raises AnswerInvalid."""
    policy = {"Version": "2012-10-17", "Statement": []}
    with StubServer(lambda _: Answer(body=json.dumps({"policyDocument": policy}).encode())) as server:
        text = asked(server, api.get_request_authorization_policy, "inline:b6cf943c21a1966b")
    with StubServer(lambda _: Answer(body=b'{"policyDocument": "x"}')) as other, pytest.raises(AnswerInvalid):
        asked(other, api.get_request_authorization_policy, "inline:b6cf943c21a1966b")

    assert json.loads(text) == policy
    assert server.seen[0].target == f"/authorization-details/{ID}/policy?policyUri=inline%3Ab6cf943c21a1966b"
    assert signature_is_right(server.seen[0], server.url, "session/secret", service="iam")


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [(404, "ResourceNotFoundException", EntityNotFound), (403, "AccessDeniedException", AccessDenied)],
)
def test_missing_and_denied_are_two_errors(status: int, code: str, kind: type[Exception]) -> None:
    """An unknown authorization id and a denied read raise two different errors.

    The record of a new id may be found a second later.
    """
    answer = Answer(status, b'{"message": "no"}', (("x-amzn-ErrorType", code),))
    with StubServer(lambda _: answer) as server, pytest.raises(kind):
        asked(server, api.get_request_authorization_details)

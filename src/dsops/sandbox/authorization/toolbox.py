"""The IAM Toolbox (preview): what AWS weighed when it refused a request, for those who may ask.

botocore's service model `iam-toolbox` 2018-05-10, signed for `iam`. moto has no such service. A record is a region's,
and to be seen by the account, or the organization, of whoever was refused; by the resource's only as far as it is its.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Final

from dsops.extras import pip_install
from dsops.sandbox.authorization.authorization_details import (
    Json,
    MessageReader,
    document_of,
    policies,
    request_details,
)
from dsops.sandbox.authorization.authorization_records import AuthorizationRecords
from dsops.sandbox.authorization.authorize import AuthorizationQuestion, Judge
from dsops.sandbox.http.messages import HttpAnswer, HttpRequest
from dsops.sandbox.wire.errors import refusal
from dsops.sandbox.wire.models import TOOLBOX, operation_names, signing_name
from dsops.sandbox.wire.rest_routes import find_operation
from dsops.sandbox.wire.route import Route, query_pairs, signed_for

if TYPE_CHECKING:
    from dsops.errors import SandboxRefusal
    from dsops.sandbox.authorization.request import StsRequest

_PATH: Final = "/authorization-details/"
_PAGE: Final = 50
"""Evaluations in an answer; AWS does not say how many it gives."""
_JSON: Final = (("Content-Type", "application/json"),)


def find_toolbox_route(request: HttpRequest) -> Route | None:
    """The operation; None for a request that is for another service. IAM's own requests are all for `/`."""
    if not request.path.startswith(_PATH) or signed_for(request) != signing_name(TOOLBOX):
        return None
    if not operation_names(TOOLBOX):
        message = f"The dsops sandbox serves iam-toolbox when botocore knows it: {pip_install('-U', 'botocore')}"
        raise refusal("NotImplemented", message, 501)
    try:
        found = find_operation(TOOLBOX, request.method, request.path, query_pairs(request.query), request.headers)
    except ValueError as error:  # escapes that are no UTF-8
        raise refusal("MalformedInput", None) from error
    if found is None:
        return None
    return Route(
        TOOLBOX,
        found.operation,
        "rest-json",
        wants_json=False,
        fields={},
        document={},
        labels=found.labels,
        request=request,
    )


class Toolbox:
    """The service, over the records of one sandbox."""

    def __init__(self, records: AuthorizationRecords, judge: Judge) -> None:
        self._records = records
        self._judge = judge

    def perform(self, turn: StsRequest) -> HttpAnswer:
        """The answer. Raises SandboxRefusal."""
        account = turn.caller.account
        question = AuthorizationQuestion(f"iam:{turn.operation}", "*", account, turn.context)
        self._judge.require(turn.caller, question, turn.request_id, turn.now)
        authorization_id = turn.text("authorizationId")
        record = self._records.find(authorization_id, turn.caller.region, turn.now)
        reader = None if record is None else MessageReader(record, self._records.owner(account))
        if reader is None or not reader.sees_anything:
            raise _not_found("authorization details")
        if turn.operation == "GetRequestAuthorizationPolicy":
            return _answer({"policyDocument": _document(reader, turn.text("policyUri"))})
        return _answer(_page(request_details(reader), authorization_id, turn.text("nextToken")))


def _document(reader: MessageReader, uri: str) -> Json:
    """Policies are for the side of whoever was refused (the operation's own text)."""
    listed = policies(reader).get(uri) if reader.sees_caller else None
    document = None if listed is None else document_of(listed)
    if document is None:
        raise _not_found("policy")
    return document


def _page(details: Json, authorization_id: str, token: str) -> Json:
    """The evaluations from that token on, and the token of the next ones."""
    evaluations = details["evaluations"]
    starts = range(0, max(len(evaluations), 1), _PAGE)
    tokens = {_token(authorization_id, start): start for start in starts}
    if token and token not in tokens:
        raise refusal("ValidationException", "The pagination token is not valid.")
    start = tokens[token] if token else 0
    page = {**details, "evaluations": evaluations[start : start + _PAGE]}
    if start + _PAGE < len(evaluations):
        page["nextToken"] = _token(authorization_id, start + _PAGE)
    return page


def _token(authorization_id: str, start: int) -> str:
    return hashlib.sha256(f"{authorization_id} {start}".encode()).hexdigest()


def _not_found(what: str) -> SandboxRefusal:
    text = f"The requested {what} do{'es' if what == 'policy' else ''} not exist in this region or have expired."
    return refusal("ResourceNotFoundException", text, 404)


def _answer(content: Json) -> HttpAnswer:
    return HttpAnswer(200, _JSON, json.dumps(content).encode())

"""The IAM Toolbox service (preview): returns details of refused requests to permitted accounts.

The service follows botocore's model `iam-toolbox` 2018-05-10. Its requests are signed for `iam`. moto does not support
it. A record can be read only in its region. The refused caller's account or organization gets the whole record. The
resource owner gets only the part about its resource.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Final

from dsops.extras import install_packages
from dsops.request.messages import HttpAnswer, HttpRequest
from dsops.request.question import AuthorizationQuestion
from dsops.request.wire.errors import refusal
from dsops.request.wire.models import TOOLBOX, operation_names, signing_name
from dsops.request.wire.route import Route, rest_route, signed_for
from dsops.sandbox.authorization.authorization_details import (
    Json,
    MessageReader,
    document_of,
    policies,
    request_details,
)
from dsops.sandbox.authorization.authorization_records import AuthorizationRecords
from dsops.sandbox.authorization.authorizer import Authorizer

if TYPE_CHECKING:
    from dsops.errors import SandboxRefusal
    from dsops.sandbox.authorization.request import AuthenticatedRequest

_PATH: Final = "/authorization-details/"
_PAGE: Final = 50
"""The number of evaluations on one page of a response. AWS does not document its page size."""
_JSON: Final = (("Content-Type", "application/json"),)


def find_toolbox_route(request: HttpRequest) -> Route | None:
    """Return the route of a Toolbox operation; None for other services.

    IAM requests are signed for `iam` as well, but they all use the path `/`.
    """
    if not request.path.startswith(_PATH) or signed_for(request) != signing_name(TOOLBOX):
        return None
    if not operation_names(TOOLBOX):
        message = f"The dsops sandbox serves iam-toolbox when botocore knows it: {install_packages('-U', 'botocore')}"
        raise refusal("NotImplemented", message, 501)
    try:
        return rest_route(TOOLBOX, request, request.path)
    except ValueError as error:  # the path has escapes that are not valid UTF-8
        raise refusal("MalformedInput", None) from error


class Toolbox:
    """Answers Toolbox requests from the records of one sandbox."""

    def __init__(self, records: AuthorizationRecords, judge: Authorizer) -> None:
        self._records = records
        self._judge = judge

    def perform(self, turn: AuthenticatedRequest) -> HttpAnswer:
        """Perform a Toolbox operation. Raises SandboxRefusal if AWS would refuse the request."""
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
    """Return a policy document. Only the refused caller's account or organization may read it (AWS's model)."""
    listed = policies(reader).get(uri) if reader.sees_caller else None
    document = None if listed is None else document_of(listed)
    if document is None:
        raise _not_found("policy")
    return document


def _page(details: Json, authorization_id: str, token: str) -> Json:
    """Return the page of evaluations at which `token` points, and the token of the next page."""
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


def _not_found(noun: str) -> SandboxRefusal:
    text = f"The requested {noun} do{'es' if noun == 'policy' else ''} not exist in this region or have expired."
    return refusal("ResourceNotFoundException", text, 404)


def _answer(content: Json) -> HttpAnswer:
    return HttpAnswer(200, _JSON, json.dumps(content).encode())

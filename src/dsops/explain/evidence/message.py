"""Parses the refused call from an error message that any program printed.

EC2 and some other services return an encoded message, which contains every condition key of the call. A plain message
contains only caller, action and resource. If it has an authorization id and AWS's record with that id may be read, the
record provides the rest.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from dsops.arn import parse_arn, role_session_arn
from dsops.aws.apis.authorization_message import MAX_LENGTH
from dsops.aws.apis.sts import CallerIdentity
from dsops.aws.http.answer import text_in
from dsops.errors import UsageError
from dsops.explain.evidence.recorded import Recorded
from dsops.explain.questions.request import ChainCaller, base_caller
from dsops.explain.questions.sentence import RefusalMessage, one_line, read_refusal
from dsops.policy import SECRET_KEYS, CaseQuestion, Unread, lower_case

_ENCODED: Final = r"[Ee]ncoded authorization failure message: ?([A-Za-z0-9_=+/-]+)"
_ALONE: Final = r"[A-Za-z0-9_=+/-]{100,}"
_OWN_ERROR: Final = r"dsops: error\[([a-z.-]+)\]: "
_OWN_STEP: Final = r"(?m)^ +(?:next|hint): (.+)$"


class Refused(NamedTuple):
    """A call that AWS refused."""

    said: RefusalMessage
    caller: ChainCaller
    asked: CaseQuestion
    unread: tuple[Unread, ...]


def encoded_in(text: str) -> str:
    """Return the encoded message in a text; "" if there is none. Raises UsageError for a damaged message."""
    match = re.search(_ENCODED, text)
    words = match[1] if match is not None else "".join(text.split())
    if match is None and not re.fullmatch(_ALONE, words):
        return ""
    if len(words) > MAX_LENGTH:
        message = f"the encoded message has {len(words):,} characters, and AWS decodes {MAX_LENGTH:,} at most"
        raise UsageError(message, hint="pass only the output of one refusal")
    return words


def names_denial(text: str) -> bool:
    """Whether the text has a denial that dsops can explain: in plain words, encoded, or by the id of AWS's record."""
    refusal = read_refusal(one_line(text))
    return bool(refusal.action or refusal.authorization_id or encoded_in(text))


def read_sentence(text: str) -> Refused:
    """Read the call from AWS's plain error message. Raises UsageError if the text has no such message."""
    refusal = read_refusal(one_line(text))
    caller = _caller(refusal.caller, "")
    if caller is None or not refusal.action:
        own = re.search(_OWN_ERROR, text)
        if own is not None:
            step = re.search(_OWN_STEP, text)
            raise UsageError(
                f"the message is dsops's own error {own[1]}, without a denial by AWS",
                hint=step[1] if step is not None else f"docs/reference/errors.md explains {own[1]}",
            )
        raise UsageError(
            "the message names no principal and no action",
            why="the message has no `User: ARN is not authorized to perform: ACTION`, and no encoded message",
            hint="pass the whole output of the program, in English",
        )
    return _refused(refusal, caller, refusal.action, refusal.resource or "*", {}, caller.unread)


def read_decoded(text: str) -> Refused:
    """Read the call from a decoded message, which contains all condition keys.

    Raises UsageError if the message does not describe a call.
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        content = None
    context = _member(content, "context")
    principal = _member(context, "principal")
    caller = _caller(text_in(principal, "arn"), text_in(principal, "id"))
    action = text_in(context, "action")
    if caller is None or not action:
        raise UsageError("dsops can't read the decoded message", why="the message names no caller or no action")
    keys = {text_in(item, "key"): tuple(_values(item)) for item in _items(context.get("conditions"))}
    refusal = RefusalMessage(text_in(principal, "arn"), action, text_in(context, "resource"))
    hidden = Unread("context", "a decoded message leaves it out", tuple(SECRET_KEYS))
    unread = (*(entry for entry in caller.unread if entry.place != "context"), hidden)
    return _refused(refusal, caller, action, refusal.resource or "*", {k: v for k, v in keys.items() if k}, unread)


def read_recorded(recorded: Recorded) -> Refused:
    """Read the call from AWS's record, which does not depend on the message's language.

    Raises UsageError if the record does not describe a call.
    """
    values_by_key = {lower_case(key): values[0] for key, values in recorded.context.items() if values}
    user_id, refusal = values_by_key.get("aws:userid", ""), recorded.said
    caller = _caller(
        refusal.caller or _caller_arn(values_by_key.get("aws:principalarn", ""), user_id), user_id.partition(":")[0]
    )
    if caller is None or not refusal.action:
        why = "the record names no caller or no action"
        raise UsageError("dsops can't read the record of the denial", why=why)
    hidden = Unread("context", "AWS's record leaves it out", tuple(SECRET_KEYS))
    return _refused(
        refusal, caller, refusal.action, refusal.resource or "*", recorded.context, (*caller.unread, hidden)
    )


def _caller_arn(principal_arn: str, user_id: str) -> str:
    """Return the ARN of a role's session, with the session name from the user id. Other ARNs are returned unchanged."""
    arn, (_, _, session) = parse_arn(principal_arn), user_id.partition(":")
    return str(role_session_arn(arn, session)) if arn is not None and arn.resource_type == "role" else principal_arn


def _refused(
    refusal: RefusalMessage,
    caller: ChainCaller,
    action: str,
    resource: str,
    context: Mapping[str, tuple[str, ...]],
    unread: tuple[Unread, ...],
) -> Refused:
    arn = parse_arn(resource)
    account = arn.account if arn is not None and arn.account else caller.principal.account
    caller_context = {key: values for key, values in caller.context.items() if key not in context and not context}
    return Refused(
        refusal,
        caller,
        CaseQuestion(caller.principal, action, resource, account, {**caller_context, **context}),
        unread,
    )


def _caller(arn: str, user_id: str) -> ChainCaller | None:
    """Return the caller with that ARN; None for an invalid ARN.

    The caller's credentials are treated as temporary. A user's credentials may be temporary (GetSessionToken), and the
    credentials of every other caller are.
    """
    parsed = parse_arn(arn)
    return base_caller(CallerIdentity(parsed.account, arn, user_id), is_temporary=True) if parsed is not None else None


Object = Mapping[str, object]


def _member(content: object, name: str) -> Object:
    value = content.get(name) if isinstance(content, dict) else None
    return value if isinstance(value, dict) else {}


def _items(value: object) -> Iterator[Object]:
    """Yield the objects in an `items` list, which is the form of every list in the message."""
    items = value.get("items") if isinstance(value, dict) else None
    yield from (item for item in (items if isinstance(items, list) else ()) if isinstance(item, dict))


def _values(condition: Object) -> Iterator[str]:
    yield from (text_in(item, "value") for item in _items(condition.get("values")))

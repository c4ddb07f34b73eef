"""The control endpoint that decides a question: whether a principal may perform an action on a resource."""

from __future__ import annotations

import json
import re

from dsops.request.messages import HttpRequest
from dsops.sandbox.control.decision_endpoints import DecisionEndpoints, Said
from dsops.sandbox.control.service import Sandbox
from dsops.sandbox.page.calls import call_details
from dsops.sandbox.page.edits import findings_of_question
from dsops.sandbox.page.questions import PageQuestion, caller_at, decide

_FORM = (
    'send {"caller": ARN, "action": "s3:GetObject", "resource": ARN or "*", "context": {"aws:SourceIp": ["192.0.2.1"]}}'
)
_ACTION = re.compile(r"[A-Za-z0-9-]{1,60}:[A-Za-z0-9]{1,128}", re.ASCII)
_MOST_KEYS = 100
_LONGEST = 2048


class QuestionEndpoints:
    """The endpoint for questions to one sandbox."""

    def __init__(self, sandbox: Sandbox, decisions: DecisionEndpoints) -> None:
        self._sandbox = sandbox
        self._decisions = decisions

    def ask(self, request: HttpRequest) -> Said:
        """Return the decision with all details, and what the linter finds in the question."""
        try:
            asked = _read(json.loads(request.body))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return 400, {"error": _FORM}
        sandbox = self._sandbox
        with sandbox.world.lock:
            now = sandbox.clock.now()
            caller = caller_at(sandbox.world, sandbox.sessions, asked.caller, now)
            if caller is None:
                return 404, {"error": f"there is no user, role or live session {asked.caller}"}
            entry = decide(sandbox.world, sandbox.judge, caller, asked, request, now)
            number = self._decisions.keep_asked(entry)
            details = call_details(sandbox.world, number, entry)
        return 200, {**details, "findings": findings_of_question(asked.action, asked.resource, [*asked.context])}


def _read(fields: object) -> PageQuestion:
    """Return the question. Raises ValueError, TypeError, KeyError or AttributeError for another form."""
    if not isinstance(fields, dict) or not isinstance(fields.get("context", {}), dict):
        raise TypeError
    caller, action, resource = (fields[name] for name in ("caller", "action", "resource"))
    context = {key: tuple(_texts(values)) for key, values in fields.get("context", {}).items()}
    texts = [caller, action, resource, *context]
    if len(context) > _MOST_KEYS or not all(_is_text(each) for each in texts) or not _ACTION.fullmatch(action):
        raise ValueError
    return PageQuestion(caller, action, resource, context)


def _texts(values: object) -> list[str]:
    listed = values if isinstance(values, list) else [values]
    if not all(_is_text(each) or each == "" for each in listed):
        raise ValueError
    return [str(each) for each in listed]


def _is_text(value: object) -> bool:
    """Whether the value is a text that can be written as UTF-8, of a length that AWS accepts."""
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST:
        return False
    return not any("\ud800" <= letter <= "\udfff" for letter in value)

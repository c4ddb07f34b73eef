"""The control endpoint with which the page tries and saves an edited policy document."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import get_args

from dsops.errors import SandboxRefusal
from dsops.policy import PolicyKind
from dsops.request.messages import HttpRequest
from dsops.request.wire.errors import answer_of
from dsops.sandbox.control.decision_endpoints import DecisionEndpoints, Said
from dsops.sandbox.control.service import Sandbox
from dsops.sandbox.page.edits import Edit, calls_that_change, findings_of
from dsops.sandbox.page.places import place_of

_FORM = (
    'send {"decision": NUMBER, "kind": "trust", "name": "...", "text": "...", "save": false}: kind and name of a '
    "document of that decision; without a name, the text becomes a new inline policy of its caller"
)


class PolicyEndpoints:
    """The endpoint for edited policies of one sandbox."""

    def __init__(self, sandbox: Sandbox, decisions: DecisionEndpoints) -> None:
        self._sandbox = sandbox
        self._decisions = decisions

    def edit(self, request: HttpRequest) -> Said:
        """Check an edited document, tell which calls it changes, and with `save` store it as the root user does."""
        try:
            fields = json.loads(request.body)
            number, kind, name, text = (fields[key] for key in ("decision", "kind", "name", "text"))
            is_saved = fields.get("save", False)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return 400, {"error": _FORM}
        is_valid = isinstance(number, int) and isinstance(is_saved, bool) and kind in get_args(PolicyKind)
        if not is_valid or not isinstance(name, str) or not isinstance(text, str):
            return 400, {"error": _FORM}
        with self._sandbox.world.lock:
            return self._edit(request, number, (kind, name, text), is_saved=is_saved)

    def _edit(self, request: HttpRequest, number: int, written: tuple[PolicyKind, str, str], *, is_saved: bool) -> Said:
        entry = self._decisions.entry(number)
        if entry is None:
            return 404, {"error": f"decision {number} is not kept any more"}
        kind, name, text = written
        place = place_of(self._sandbox.world, entry.decision.request, kind, name)
        if place is None:
            return 400, {"error": f"{name or 'this policy'} can't be changed here"}
        edit = Edit(kind, name, text, place)
        findings = findings_of(edit)
        calls = calls_that_change(self._sandbox.world, self._decisions.newest_first(), edit)
        refused = self._save(request, edit) if is_saved else ""
        content: Mapping[str, object] = {"findings": findings, "calls": calls, "refused": refused}
        return 200, {**content, "is_saved": is_saved and not refused}

    def _save(self, request: HttpRequest, edit: Edit) -> str:
        """Store the document; return AWS's error, or "" if it was stored."""
        try:
            answer = self._sandbox.store_as_root(request, edit.place, edit.text)
        except SandboxRefusal as refused:
            error = answer_of(refused)
            return f"{error.code}: {error.message}"
        return "" if answer.status < 400 else answer.body.decode("utf-8", "replace")

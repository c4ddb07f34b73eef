"""The control endpoint with which the page tries and saves an edited policy document."""

from __future__ import annotations

import json
from typing import NamedTuple, get_args

from dsops.errors import SandboxRefusal
from dsops.policy import PolicyKind
from dsops.request.messages import HttpRequest
from dsops.request.wire.errors import answer_of
from dsops.sandbox.control.decision_endpoints import DecisionEndpoints, Said
from dsops.sandbox.control.service import Sandbox
from dsops.sandbox.page.edits import Edit, calls_that_change, findings_of
from dsops.sandbox.page.places import place_of

_FORM = (
    'send {"decision": NUMBER, "kind": "trust", "name": "...", "before": "...", "text": "...", "save": false}: '
    "the kind and name of a document of the decision, its text that is stored now, and its new text"
)


_CHANGED = "The stored document has changed since. Open the call again to edit the present one."


class _Form(NamedTuple):
    decision: int
    kind: PolicyKind
    name: str
    before: str
    text: str
    save: bool

    @property
    def is_valid(self) -> bool:
        """Whether each field has a value of its type, which JSON does not ensure."""
        types = (int, str, str, str, str, bool)
        is_typed = all(isinstance(value, kind) for value, kind in zip(self, types, strict=True))
        return is_typed and self.kind in get_args(PolicyKind)


class PolicyEndpoints:
    """The endpoint for edited policies of one sandbox."""

    def __init__(self, sandbox: Sandbox, decisions: DecisionEndpoints) -> None:
        self._sandbox = sandbox
        self._decisions = decisions

    def edit(self, request: HttpRequest) -> Said:
        """Check an edited document, tell which calls it changes, and with `save` store it as the root user does."""
        try:
            fields = json.loads(request.body)
            form = _Form(*(fields[key] for key in _Form._fields))
        except (ValueError, TypeError, KeyError, RecursionError):
            return 400, {"error": _FORM}
        if not form.is_valid:
            return 400, {"error": _FORM}
        with self._sandbox.world.lock:
            return self._edit(request, form)

    def _edit(self, request: HttpRequest, form: _Form) -> Said:
        entry = self._decisions.entry(form.decision)
        if entry is None:
            return 404, {"error": f"decision {form.decision} is not kept any more"}
        world = self._sandbox.world
        place = place_of(world, entry.decision.request, form.kind, form.name)
        if place is None:
            return 400, {"error": f"{form.name} can't be changed here"}
        edit = Edit(form.kind, form.name, form.text, place)
        calls = calls_that_change(world, self._decisions.newest_first(), edit)
        refused = ""
        if form.save:
            refused = _CHANGED if place.text != form.before else self._save(request, edit)
        is_saved = form.save and not refused
        return 200, {"findings": findings_of(edit), "calls": calls, "refused": refused, "is_saved": is_saved}

    def _save(self, request: HttpRequest, edit: Edit) -> str:
        """Store the document; return AWS's error, or "" if it was stored."""
        try:
            answer = self._sandbox.store_as_root(request, edit.place, edit.text)
        except SandboxRefusal as refused:
            error = answer_of(refused)
            return f"{error.code}: {error.message}"
        return "" if answer.status < 400 else answer.body.decode("utf-8", "replace")

"""The control endpoints for the page's view of the accounts: principals, sessions, and who can become which role."""

from __future__ import annotations

from urllib.parse import parse_qs

from dsops.request.messages import HttpRequest
from dsops.sandbox.control.decision_endpoints import Said
from dsops.sandbox.control.service import Sandbox
from dsops.sandbox.page.assuming import AssumeQuestions, links_of
from dsops.sandbox.page.picture import Wish, world_view
from dsops.sandbox.page.principals import subject_at
from dsops.sandbox.page.ways import way_view

_MOST_KEPT = 20


class WorldEndpoints:
    """The endpoints for the accounts of one sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def principals(self, request: HttpRequest) -> Said:
        """Return the principals to draw by account, with their sessions and the trust between them.

        `search` selects those whose ARN contains the text, `account` those of one account. `with`, which may occur
        several times, names a principal that is drawn in any case.
        """
        fields = parse_qs(request.query)
        wish = Wish(_value(request, "search"), _value(request, "account"), tuple(fields.get("with", ())[:_MOST_KEPT]))
        with self._sandbox.world.lock:
            return 200, world_view(self._questions(request), self._sandbox.sessions, wish)

    def links(self, request: HttpRequest) -> Said:
        """Return which roles the principal `arn` can assume, and who can assume it."""
        arn = _value(request, "arn")
        with self._sandbox.world.lock:
            chosen = subject_at(self._sandbox.world, arn)
            return _unknown(arn) if chosen is None else (200, links_of(self._questions(request), chosen))

    def way(self, request: HttpRequest) -> Said:
        """Return whether the principal `from` can become the role `to`, and by which steps."""
        ends = _value(request, "from"), _value(request, "to")
        with self._sandbox.world.lock:
            source, target = (subject_at(self._sandbox.world, arn) for arn in ends)
            if source is None or target is None:
                return _unknown(ends[0] if source is None else ends[1])
            return 200, way_view(self._questions(request), source, target)

    def _questions(self, request: HttpRequest) -> AssumeQuestions:
        sandbox = self._sandbox
        return AssumeQuestions(sandbox.world, sandbox.judge, request, sandbox.clock.now())


def _unknown(arn: str) -> Said:
    return 404, {"error": f"there is no user, role or other principal {arn}"}


def _value(request: HttpRequest, name: str) -> str:
    return parse_qs(request.query).get(name, [""])[0]

"""A pipeline whose IAM Roles Anywhere is the sandbox in this process, beside AWS in memory."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from dsops.aws.http.wire import Response, WireRequest, checked_headers
from dsops.request.messages import HttpRequest
from dsops.sandbox.clock import MovableClock
from tests.anywhere import ANCHOR, ANYWHERE_PROFILE, MACHINE, ROLE, seed
from tests.aws_in_memory import InMemoryAws
from tests.pipeline import Pipeline
from tests.sandboxes import PEER, Lab

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.certificates import Holder


class InMemoryAnywhere(InMemoryAws):
    """Sends requests for IAM Roles Anywhere to a sandbox; its sessions are known to AWS in memory."""

    def __init__(self, now: Callable[[], datetime], lab: Lab) -> None:
        super().__init__(now)
        self.lab = lab
        self.ahead_seconds = 0.0
        """By how much the clock of AWS is ahead of the client's."""
        self.requests: list[WireRequest] = []
        """The requests for IAM Roles Anywhere."""

    def start(self, request: object, token: object) -> None:
        """Accept a request."""
        assert isinstance(request, WireRequest)
        if "rolesanywhere" not in request.url:
            super().start(request, token)
            return
        self.requests.append(request)
        self._waiting.append((token, self._answer(request)))

    def _answer(self, request: WireRequest) -> Response:
        parts = urlsplit(request.url)
        headers = {name.lower(): value for name, value in checked_headers(request)}
        headers = {"host": request.address.authority, **headers}
        sent = HttpRequest(request.method, parts.path, parts.query, headers, request.body, PEER)
        answer = self.lab.sandbox.handle(sent).answer
        if answer.status == 201:
            session = json.loads(answer.body)["credentialSet"][0]
            self.issued[session["credentials"]["accessKeyId"]] = session["assumedRoleUser"]["arn"]
        names = {name.lower(): value for name, value in answer.headers}
        moment = self._now() + timedelta(seconds=self.ahead_seconds)
        date = moment.strftime("%a, %d %b %Y %H:%M:%S GMT")
        return Response(answer.status, {**self._headers(), **names, "date": date}, answer.body)


def make_pipeline(seed_text: str = "") -> tuple[Pipeline, InMemoryAnywhere]:
    """A pipeline without credentials, and its AWS. Its clock stands at the present time, as certificates need."""
    pipeline = Pipeline()
    pipeline.clock.time = datetime.now(UTC).replace(microsecond=0)
    aws: list[InMemoryAnywhere] = []
    clock = MovableClock(lambda: pipeline.clock.time.timestamp() + (aws[0].ahead_seconds if aws else 0))
    aws.append(InMemoryAnywhere(pipeline.clock, Lab.of(seed_text or seed(), clock)))
    pipeline.aws = aws[0]
    pipeline.environ = {"HOME": "/nowhere"}
    return pipeline, aws[0]


def write_files(folder: Path, holder: Holder = MACHINE) -> None:
    """Write certificate, key and chain of a holder into a folder; the key is readable by its owner."""
    (folder / "machine.pem").write_text(holder.pem)
    (folder / "chain.pem").write_text(holder.chain_pem)
    key = folder / "machine.key"
    key.write_text(holder.key_pem())
    key.chmod(0o600)


def store(folder: Path, fields: str = "", *, key: str = "private_key: '{}/machine.key'") -> str:
    """A configuration with one store `m` for the files in the folder."""
    return (
        f"secretStores:\n  m: {{type: aws.rolesanywhere, trust_anchor_arn: '{ANCHOR}', "
        f"profile_arn: '{ANYWHERE_PROFILE}', role_arn: '{ROLE}', certificate: '{folder}/machine.pem', "
        f"{key.format(folder)}{', ' if fields else ''}{fields}}}\n"
    )

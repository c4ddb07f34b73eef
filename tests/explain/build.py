"""Starts a sandbox for a set-up, and runs the set-up's environment against it."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import dsops
from dsops.errors import DsopsError, Failures
from dsops.request.wire.models import EVERY_SERVICE
from dsops.sandbox.control.running_sandboxes import ask, tell
from dsops.testing.child import SandboxKeeper
from dsops.testing.local_aws import LocalAws
from tests.permission import allow_found

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from dsops.request.messages import HttpAnswer, HttpRequest
    from dsops.sandbox.control.server import SandboxServer
    from dsops.sandbox.control.service import Answered
    from tests.explain.set_up import SetUp

_MESSAGE = re.compile(rb"""(<Message>|"[Mm]essage": ?")[^<"]*(</Message>|")""")
_OF_A_CALLER = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


class Built:
    """A set-up in a running sandbox."""

    def __init__(self, set_up: SetUp, sandbox: LocalAws, server: SandboxServer, folder: Path) -> None:
        self.set_up = set_up
        self.sandbox = sandbox
        self._server = server
        self.folder = folder
        self._environ = self._callers() | dict(set_up.environ)
        self.asked_of_the_sandbox: list[str] = []
        """Requests to paths below `/_sandbox/` after the start; AWS has no such paths."""
        answer = server.control.handle

        def handle(request: HttpRequest) -> HttpAnswer:
            self.asked_of_the_sandbox.append(request.path)
            return answer(request)

        server.control.handle = handle  # type: ignore[method-assign]  # to see who asks

    def environ(self) -> dict[str, str]:
        """The complete environment, with unused MFA codes; allows the configuration as it is now."""
        allow_found(self.folder, self._environ)
        if self.set_up.codes:
            # A code works once, so the clock moves on; the code of the previous step is still accepted.
            self.sandbox.clock.advance(60)
        codes = {name: self.sandbox.totp(serial) for name, serial in self.set_up.codes.items()}
        return self._environ | codes

    def error(self) -> DsopsError | None:
        """The error of the environment; None if every variable has its value."""
        try:
            dsops.open(environ=self.environ(), folder=self.folder).secrets(self.set_up.environment)
        except Failures as failures:
            return failures.errors[0]
        except DsopsError as error:
            return error
        return None

    def with_ids(self) -> None:
        """Make refusals contain authorization ids from now on, as in AWS's preview."""
        self._server.sandbox.authorization_records.services = frozenset({EVERY_SERVICE})

    def _callers(self) -> dict[str, str]:
        """The environment variables with the caller's credentials."""
        sandbox, set_up = self.sandbox, self.set_up
        outside = {"HOME": str(self.folder), "USER": "dev", "DSOPS_AGENT": "off"}
        environ = sandbox.environment(set_up.caller or "", outside)
        if set_up.session:
            environ |= _session(sandbox, set_up)
        if set_up.saml:
            (self.folder / "response.b64").write_text(str(tell(sandbox.url, "saml", set_up.saml)["assertion"]))
        if set_up.github:
            token = str(ask(sandbox.url, "identity")["GitHubToken"])
            environ["ACTIONS_ID_TOKEN_REQUEST_URL"] = f"{sandbox.url}/_sandbox/github?{urlencode(set_up.github)}"
            environ["ACTIONS_ID_TOKEN_REQUEST_TOKEN"] = token
        for step in set_up.then:
            _carry_out(sandbox, step)
        if set_up.later_seconds:
            sandbox.clock.advance(set_up.later_seconds)
        return environ if set_up.caller else {key: environ[key] for key in environ if key not in _OF_A_CALLER}


@contextmanager
def built(set_up: SetUp, folder: Path, *, denial: str = "") -> Iterator[Built]:
    """Run the set-up during the block; with `denial`, the sandbox words every refusal like this."""
    folder.mkdir()
    (folder / "dsops.yaml").write_text(set_up.config, encoding="utf-8")
    keeper = SandboxKeeper()  # in this process: the tests inspect and change AWS's answers
    with LocalAws(keeper.do, set_up.seed, folder) as sandbox:
        found = Built(set_up, sandbox, keeper.server, folder)
        if denial:
            _reword(keeper.server, denial)
        yield found


def _reword(server: SandboxServer, denial: str) -> None:
    handle = server.sandbox.handle

    def reworded(request: HttpRequest) -> Answered:
        found = handle(request)
        if b"AccessDenied" not in found.answer.body:
            return found
        body = _MESSAGE.sub(lambda match: match[1] + denial.encode() + match[2], found.answer.body)
        return found._replace(answer=found.answer._replace(body=body))

    server.sandbox.handle = reworded  # type: ignore[method-assign]  # AWS in another language


def _session(sandbox: LocalAws, set_up: SetUp) -> dict[str, str]:
    """The three environment variables of the caller's session."""
    parameters = dict(set_up.session["parameters"])
    if "SerialNumber" in parameters:
        parameters["TokenCode"] = sandbox.totp(parameters["SerialNumber"])
    sts = sandbox.user(set_up.caller).boto3_session().client("sts")
    keys = sts._make_api_call(set_up.session["operation"], parameters)["Credentials"]
    return dict(zip(_OF_A_CALLER, (keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"]), strict=True))


def _carry_out(sandbox: LocalAws, step: Mapping[str, Any]) -> None:
    """Make one call as an administrator."""
    admin = sandbox.user(f"admin@{step['account']}").boto3_session()
    admin.client(step["service"])._make_api_call(step["operation"], step["parameters"])

"""The sandbox's HTTP server, on 127.0.0.1 by default."""

from __future__ import annotations

import base64
import errno
import os
import socket
import sys
import traceback
from collections.abc import Callable
from threading import Thread
from types import TracebackType
from typing import Self

from dsops.errors import SandboxUnavailable
from dsops.request.messages import HttpAnswer, HttpRequest, is_loopback
from dsops.request.wire.error_responses import answer_refusal
from dsops.request.wire.errors import refusal
from dsops.request.wire.route import MAX_OBJECT
from dsops.sandbox.control.client import LOOPBACK
from dsops.sandbox.control.endpoints import PREFIX, Control
from dsops.sandbox.control.service import Answered, Sandbox
from dsops.sandbox.functions.invocations import FUNCTION_PEER
from dsops.sandbox.identity_center.pages import Pages
from dsops.sandbox.page.files import page_link
from dsops.sandbox.state.identifiers import new_request_id

_BACKLOG = 1024
_CLOSING_SECONDS = 5


def responder(sandbox: Sandbox, control: Control) -> Callable[[HttpRequest], HttpAnswer]:
    """Return a function that answers any request, adds all headers, and never raises."""

    def respond(request: HttpRequest) -> HttpAnswer:
        if request.path.startswith(PREFIX) or Pages.serves(request):
            answered = _guarded(lambda: Answered(control.handle(request), ""), request)
        else:
            answered = _guarded(lambda: sandbox.handle(request), request)
        return _finished(answered, request)

    return respond


class SandboxServer:
    """A listening sandbox server; stop it with `close` or at the end of a `with` block."""

    def __init__(self, sandbox: Sandbox, host: str = LOOPBACK, port: int = 0) -> None:
        """Port 0 selects a free port. Raises SandboxUnavailable if the port is in use."""
        from dsops.sandbox.http.loop import Loop

        self.sandbox = sandbox
        self.control = Control(sandbox)
        listener = _listen(host, port)
        respond = responder(sandbox, self.control)
        self._loop = Loop(respond, listener, MAX_OBJECT + 65536, sandbox.maintain)
        if sandbox.functions.host is not None:
            sandbox.functions.host.connect(lambda own: self._loop.serve(own, FUNCTION_PEER))
        self.host = host
        self.port: int = listener.getsockname()[1]
        self._thread: Thread | None = None

    @property
    def url(self) -> str:
        """The sandbox's URL, as clients set it in AWS_ENDPOINT_URL."""
        host = {"0.0.0.0": LOOPBACK, "": LOOPBACK, "::": "::1"}.get(self.host, self.host)  # noqa: S104
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    @property
    def page_link(self) -> str:
        """The link of the sandbox's page, with the token of this run. The page can be opened only on this machine."""
        return page_link(self.url, self.control.page_token)

    @property
    def is_on_loopback(self) -> bool:
        """Whether the server accepts connections only from this machine."""
        return is_loopback("127.0.0.1" if self.host == "localhost" else self.host)

    def run(self) -> None:
        """Serve in this thread until the process is interrupted."""
        try:
            self._loop.run_as_process()
        finally:
            self.sandbox.close()

    def start(self) -> Self:
        """Serve in a new thread. The server accepts requests once this returns."""
        self._thread = Thread(target=self._loop.run, name="dsops-sandbox", daemon=True)
        self._thread.start()
        return self

    def close(self) -> None:
        """Close all connections and release the port."""
        if self._thread is not None:
            self._loop.end()
            self._thread.join(_CLOSING_SECONDS)
        # The loop's sockets are closed only after its thread has ended, because `end` may still write to one of them.
        self._loop.close()
        self.sandbox.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()


_HIGHEST_PORT = 65535


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    if port > _HIGHEST_PORT:
        hint = "choose another port with --port; 0 takes a free one"
        raise SandboxUnavailable(f"port {port} does not exist", why=f"the highest port is {_HIGHEST_PORT}", hint=hint)
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        number = error.errno or 0
        if number < 0 or number == errno.EADDRNOTAVAIL:  # Negative numbers are error numbers of getaddrinfo.
            why, hint = "this machine does not have that address", "choose another with --host, or leave it out"
        else:
            # The operating system's message is used, because Python adds text to it.
            why, hint = os.strerror(number).lower(), "choose another port with --port; 0 takes a free one"
        raise SandboxUnavailable(f"the sandbox can't listen on {host}:{port}", why=why, hint=hint) from error


def _guarded(work: Callable[[], Answered], request: HttpRequest) -> Answered:
    """Run `work`; if it raises an exception, log this on stderr and return InternalFailure."""
    try:
        return work()
    except Exception:  # noqa: BLE001 - the server keeps serving
        traceback.print_exc(file=sys.stderr)
        request_id = new_request_id()
        failed = refusal("InternalFailure", "The sandbox failed; see its standard error for the traceback.", 500)
        return Answered(answer_refusal(request, None, failed, request_id), request_id)


def _finished(answered: Answered, request: HttpRequest) -> HttpAnswer:
    """Add the headers to a response; for a long poll, add headers to its later response, too."""
    answer = HttpAnswer(answered.answer.status, _headers(answered), answered.answer.body, answered.answer.wait)
    if answer.wait is None:
        return answer
    ask_moto = answer.wait.ask

    def ask() -> HttpAnswer | None:
        later = _guarded(lambda: answered._replace(answer=ask_moto() or answered.answer), request)
        return None if later.answer is answered.answer else _finished(later, request)

    return answer._replace(wait=answer.wait._replace(ask=ask))


def _headers(answered: Answered) -> tuple[tuple[str, str], ...]:
    answer = answered.answer
    headers = list(answer.headers)
    if "content-length" not in [name.lower() for name, _ in headers]:
        # The response to HEAD has the Content-Length of the response to GET.
        headers.append(("Content-Length", str(len(answer.body))))
    if answered.request_id and answer.status != 413:
        extended = base64.b64encode(answered.request_id.encode()).decode()
        if answered.service == "s3":
            return (*headers, ("x-amz-request-id", answered.request_id), ("x-amz-id-2", extended))
        headers.append(("x-amzn-RequestId", answered.request_id))
        if answered.service == "sts":
            headers.append(("x-amz-sts-extended-request-id", extended))
    return tuple(headers)

"""A login at the identity provider's page, whose response the browser brings to a port of this machine.

That is a second place for the provider to send its response to (an assertion consumer service), and it has to allow it.
The recipient that the response names stays AWS's: STS takes no other.
"""

from __future__ import annotations

import re
import socket
from time import monotonic
from typing import Final
from urllib.parse import parse_qs, urlsplit

from dsops.errors import NoCredentials
from dsops.runtime import Runtime
from dsops.stores.browser import Opening, open_page
from dsops.stores.saml_response import MOST_CHARACTERS, SamlResponse, read_response

DEFAULT_PORT: Final = 35001
"""The one of AWS's VPN client, which many identity providers' settings name already."""

PATH: Final = "/saml"
_SECONDS: Final = 300.0
_PATIENCE: Final = 5.0
"""For one connection: a browser sends a form at once."""
_MOST_CONNECTIONS: Final = 100
_LOOK_SECONDS: Final = 0.25
"""How soon it is seen that no browser opens."""
_MOST_BYTES: Final = 3 * MOST_CHARACTERS + 65536
"""Of a request: each `+` and `/` of the response travels as three characters."""

_PAGE = (
    "<!doctype html><html lang=en><meta charset=utf-8><title>dsops</title>"
    "<p style='font:1.2em sans-serif;margin:3em'>{}</p>"
)
_DONE = "You are logged in: dsops has the response. You may close this window."
_WAITING = "dsops waits here for the identity provider's response. Log in on its page."
_STRANGE = "This is no response that dsops can use. Go back and log in again."


def log_in(url: str, port: int, store: str, runtime: Runtime, *, seconds: float = _SECONDS) -> SamlResponse:
    """The response of whoever logs in on that page. It blocks, for five minutes at the most.

    Says what will happen and waits for the person's Enter before a browser opens. Raises NoCredentials where there is
    nobody to ask, the port is taken, no browser opens, or no response comes.
    """
    here = f"http://127.0.0.1:{port}{PATH}"
    question = (
        f"store `{store}` needs a login. The page {url.partition('?')[0]} will open in your browser; after the login "
        f"it has to post its response to {here}, which the identity provider must allow.\nEnter opens it, Ctrl-C ends: "
    )
    listener = _listen(port)
    try:
        if runtime.ask(question) is None:
            raise NoCredentials(
                f"a login at {url.partition('?')[0]} is needed",
                why="there is no terminal to ask on",
                hint=f"run `dsops whoami {store}` in a terminal: the agent keeps the session; or set `saml_process`",
            )
        return _await(listener, port, open_page(url, runtime), seconds)
    finally:
        listener.close()


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # An earlier login's connections may linger; another program's listener still stands in the way.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(16)
    except OSError as error:
        listener.close()
        raise NoCredentials(
            f"port {port} of 127.0.0.1 can't be used to wait for the response",
            why=(error.strerror or "unknown reason").lower(),
            hint="another login may be waiting: end it; or set `saml_login_port`, in the identity provider too",
        ) from error
    return listener


def _await(listener: socket.socket, port: int, browser: Opening, seconds: float) -> SamlResponse:
    """The first usable response; what else comes to the port is answered, and changes nothing."""
    until = monotonic() + seconds
    connections = 0
    listener.settimeout(_LOOK_SECONDS)
    while connections < _MOST_CONNECTIONS and monotonic() < until:
        try:
            connection, _address = listener.accept()
        except TimeoutError:
            if browser.has_failed:
                raise NoCredentials(
                    "there is no browser to log in with",
                    hint="set BROWSER to one, or let a program log in: `saml_process`",
                ) from None
            continue
        connections += 1
        with connection:
            connection.settimeout(min(_PATIENCE, max(until - monotonic(), 0.1)))
            try:
                response = _serve(connection, port)
            except OSError:
                continue  # gone, or too slow: the next one may be the browser
        if response is not None:
            return response
    raise NoCredentials(
        "no response came from the identity provider",
        why=f"nothing usable was posted to http://127.0.0.1:{port}{PATH} within {seconds:.0f} s",
        hint="check that the identity provider lists that address, and log in again",
    )


def _serve(connection: socket.socket, port: int) -> SamlResponse | None:
    """Answers one request; the response, where it brought one."""
    head, body = _request(connection)
    line = head.split(b"\r\n", 1)[0].split(b" ")
    # A name that somebody has resolve to 127.0.0.1 would let his page read the answer.
    host = re.search(rb"(?im)^host:[ \t]*([^\r\n]*?)[ \t]*\r?$", head)
    if len(line) != 3 or host is None or host[1].decode("latin-1") not in (f"127.0.0.1:{port}", f"localhost:{port}"):
        _answer(connection, "400 Bad Request", _STRANGE)
        return None
    path = urlsplit(line[1].decode("latin-1")).path
    if path != PATH:
        _answer(connection, "404 Not Found", _WAITING)
        return None
    if line[0] != b"POST":
        _answer(connection, "200 OK", _WAITING)
        return None
    try:
        values = parse_qs(body.decode("latin-1"), max_num_fields=20).get("SAMLResponse", [])
        response = read_response("".join(values[:1]).encode("latin-1", "replace"), "what was posted")
    except (NoCredentials, ValueError):
        _answer(connection, "400 Bad Request", _STRANGE)
        return None
    _answer(connection, "200 OK", _DONE)
    return response


def _request(connection: socket.socket) -> tuple[bytes, bytes]:
    """Head and body of an HTTP request. Raises OSError for one that does not come to an end in time or size."""
    data, until = b"", monotonic() + _PATIENCE
    while b"\r\n\r\n" not in data:
        data += _piece(connection, data, until)
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"(?im)^content-length:[ \t]*([0-9]{1,7})[ \t]*\r?$", head)
    wanted = int(length[1]) if length else 0
    if wanted > _MOST_BYTES:
        raise OSError("too large")
    while len(body) < wanted:
        body += _piece(connection, body, until)
    return head, body[:wanted]


def _piece(connection: socket.socket, data: bytes, until: float) -> bytes:
    if len(data) > _MOST_BYTES or monotonic() > until:
        raise OSError("too large or too slow")
    piece = connection.recv(65536)
    if not piece:
        raise OSError("ended early")
    return piece


def _answer(connection: socket.socket, status: str, text: str) -> None:
    page = _PAGE.format(text).encode()
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {len(page)}\r\n"
        "Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nContent-Security-Policy: default-src 'none'; "
        "style-src 'unsafe-inline'\r\nConnection: close\r\n\r\n"
    )
    connection.sendall(head.encode() + page)

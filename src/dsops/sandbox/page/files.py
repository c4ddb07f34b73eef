"""Serves the files of the page. They contain no data of the sandbox, so they need no token.

The files are written for browsers as they are: no build step, no library, nothing from another host.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from dsops.request.messages import HttpAnswer, HttpRequest

PAGE_PATH = "/_sandbox/ui"
TOKEN_HEADER = "x-sandbox-page-token"
"""The header with which the page's script sends the token of this run."""

_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript"}
_SCRIPTS = (
    *("main", "ask", "calls", "decision", "dom", "editor", "question", "events"),
    *("world", "graph", "arrows", "clock", "sessions", "way"),
)
_NAMES = frozenset(("page.html", "page.css", "world.css", *(f"{name}.js" for name in _SCRIPTS)))
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
_HEADERS = (
    ("Content-Security-Policy", _POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cache-Control", "no-store"),
)


def page_link(url: str, token: str) -> str:
    """Return the link that opens the page. A browser sends the part after `#` to no server."""
    return f"{url}{PAGE_PATH}#{token}"


def is_page_file(request: HttpRequest) -> bool:
    """Whether the request is for a file of the page."""
    return request.path == PAGE_PATH or request.path.startswith(f"{PAGE_PATH}/")


def page_file(request: HttpRequest) -> HttpAnswer:
    """Answer a request for a file of the page."""
    if request.method not in {"GET", "HEAD"}:
        return HttpAnswer(405, (("Allow", "GET, HEAD"), *_HEADERS), b"")
    name = request.path.removeprefix(PAGE_PATH).removeprefix("/") or "page.html"
    if name not in _NAMES:
        return HttpAnswer(404, _HEADERS, b"")
    kind = _TYPES[name.rpartition(".")[2]]
    return HttpAnswer(200, (("Content-Type", f"{kind}; charset=utf-8"), *_HEADERS), _content(name))


@cache
def _content(name: str) -> bytes:
    return (files("dsops.sandbox.page") / "static" / name).read_bytes()

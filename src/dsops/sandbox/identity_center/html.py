"""HTML of the sign-in pages: the form for a code, the form to allow or deny a login, and the result page.

The pages use no scripts or other resources.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from dsops.request.messages import HttpAnswer
from dsops.sandbox.identity_center.logins import ACCOUNT_ACCESS
from dsops.sandbox.identity_center.oidc import DEVICE_PATH

_HEADERS = (
    ("Content-Type", "text/html; charset=utf-8"),
    ("Cache-Control", "no-store"),
    # The page loads no resources, and no other page may frame it to make a user press its button (clickjacking).
    (
        "Content-Security-Policy",
        "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
    ),
    ("X-Frame-Options", "DENY"),
    # With `no-referrer` browsers would send the form with `Origin: null`.
    ("Referrer-Policy", "same-origin"),
    ("X-Content-Type-Options", "nosniff"),
)
_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #fff; --soft: #4b545e; --box: #f4f6f8; --edge: #57606a;
  --go: #0b5227; --on-go: #fff; --stop: #8f1d1d }
@media (prefers-color-scheme: dark) { :root { --ink: #f0f3f6; --paper: #0d1117; --soft: #b3bcc6; --box: #161d27;
  --edge: #8b96a3; --go: #7ee2a0; --on-go: #0d1117; --stop: #ff9a92 } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 34em; margin: 3em auto; padding: 0 1em; color: var(--ink);
  background: var(--paper); overflow-wrap: anywhere }
h1 { font-size: 1.5em; line-height: 1.25 }
label { display: block; font-weight: 600 }
input, select, button { font: inherit; color: inherit; margin: .25em 0 1em; padding: .5em .75em; border-radius: 4px;
  border: 1px solid var(--edge); background: var(--paper); max-width: 100% }
button { cursor: pointer; font-weight: 600; min-width: 9em; border-width: 2px; margin-right: 1em }
.deny { border-color: var(--stop); color: var(--stop) }
.allow { border-color: var(--go); background: var(--go); color: var(--on-go) }
:focus-visible { outline: 3px solid var(--edge); outline-offset: 2px }
.code { font: 600 1.4em ui-monospace, monospace; letter-spacing: .08em }
.problem { border-left: 4px solid var(--stop); background: var(--box); padding: .75em 1em }
footer { color: var(--soft); border-top: 1px solid var(--edge); margin-top: 2em }
"""
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>{title}</h1>
{content}
</main>
<footer><p>This is a sandbox on your machine, not AWS.</p></footer>
</body>
</html>
"""


class AccessRequest(NamedTuple):
    """The access that a program requests from a user."""

    client: str
    """The name under which the program has registered."""
    scopes: Sequence[str]
    seconds: int
    """The lifetime of the session that the program gets."""
    user_code: str = ""
    """The code that the program shows; "" without a code."""


def form_page(request: AccessRequest, users: Sequence[str], target: str) -> HttpAnswer:
    """Return the form on which the user selects an identity, and denies or allows the login.

    Deny is the first button, because a browser uses the first button when the user presses Enter.
    """
    client = f"<b>{escape(request.client)}</b>"
    options = "".join(f"<option>{escape(user)}</option>" for user in users)
    code = ""
    if request.user_code:
        code = (
            f'<p>Compare this code with the code that the program shows:<br><span class="code">'
            f"{escape(request.user_code)}</span></p>\n"
            "<p>If they differ, or if you did not start this login, deny it.</p>\n"
        )
    hidden = f'<input type="hidden" name="user_code" value="{escape(request.user_code)}">\n' if code else ""
    granted = "".join(f"<li>{words}</li>" for words in _granted(request.scopes))
    content = (
        f"{code}<p>If you allow it, the program {client} can, for {request.seconds // 3600} hours:</p>\n"
        f"<ul>{granted}</ul>\n"
        f'<form method="post" action="{escape(target)}">\n{hidden}'
        f'<label>You are <select name="user">{options}</select></label>\n'
        '<button class="deny" name="answer" value="deny" formnovalidate>Deny</button>\n'
        '<button class="allow" name="answer" value="approve">Allow</button>\n</form>'
    )
    return html_answer(200, _page("Allow a program to use your accounts?", content))


def _granted(scopes: Sequence[str]) -> list[str]:
    """Return the permissions that the scopes grant, as HTML list items.

    A client without scopes has the permissions of `sso:account:access`.
    """
    others = [f"use the scope <code>{escape(scope)}</code>" for scope in scopes if scope != ACCOUNT_ACCESS]
    if scopes and ACCOUNT_ACCESS not in scopes:
        return others
    return [
        "list the accounts and permission sets that are assigned to you",
        "get temporary credentials for each of them",
        *others,
    ]


def code_page(code: str = "", *, problem: str = "", status: int = 200) -> HttpAnswer:
    """Return the form that asks for the code of a login; `problem` says why the previous code was not accepted."""
    words = f'<p class="problem" role="alert">{escape(problem)}</p>\n' if problem else ""
    content = (
        f'{words}<form method="get" action="{DEVICE_PATH}">\n'
        f'<label>The code that the program shows <input name="user_code" value="{escape(code)}" '
        'autocomplete="off" autocapitalize="characters" spellcheck="false" required autofocus></label>\n'
        "<button>Continue</button>\n</form>\n<p>The next page says which program asks, and for what.</p>"
    )
    return html_answer(status, _page("Sign in to the dsops sandbox", content))


def decided_page(user: str, client: str) -> HttpAnswer:
    """Return the result page of a device login. `user` is "" if the user denied the login."""
    program = f"<b>{escape(client)}</b>"
    if user:
        title, words = "Allowed", f"The program {program} is signed in as <b>{escape(user)}</b>."
    else:
        title, words = "Denied", f"The sign-in was denied. The program {program} gets no access."
    return html_answer(200, _page(title, f"<p>{words} You can close this window.</p>"))


def refused_page(status: int, why: str, next_step: str = "Start the login again in the program.") -> HttpAnswer:
    """Return an error page with the reason and the next step."""
    content = f'<p class="problem" role="alert">{escape(why)}</p>\n<p>{escape(next_step)}</p>'
    return html_answer(status, _page("Sign-in failed", content))


def html_answer(status: int, text: str, more: tuple[tuple[str, str], ...] = ()) -> HttpAnswer:
    """Return an HTML page with the security headers and the headers in `more`."""
    return HttpAnswer(status, (*_HEADERS, *more), text.encode())


def _page(title: str, content: str) -> str:
    return _PAGE.format(title=escape(title), style=_STYLE, content=content)

"""HTML of the two sign-in pages: a form and its result. The pages use no scripts and no external resources."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from dsops.sandbox.http.messages import HttpAnswer

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
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>body {{ font-family: sans-serif; max-width: 32em; margin: 4em auto; padding: 0 1em }} label {{ display: block }}
input, select, button {{ font-size: 1em; margin: .5em 0; padding: .4em }}</style>
</head>
<body>
<h1>{title}</h1>
{content}
<p>This is a sandbox on your machine, not AWS.</p>
</body>
</html>
"""


def form_page(client: str, users: Sequence[str], target: str, *, code: str = "", asks_code: bool = False) -> HttpAnswer:
    """Return the form on which the user selects an identity and approves the login.

    With `asks_code` the form also asks for the user code.
    """
    options = "".join(f"<option>{escape(user)}</option>" for user in users)
    who = f"<p><b>{escape(client)}</b> wants to use your accounts.</p>\n" if client else ""
    field = ""
    if asks_code:
        who = "<p>A program wants to use your accounts. Is this the code that it shows?</p>\n"
        field = (
            f'<label>Code <input name="user_code" value="{escape(code)}" autocomplete="off" required autofocus>'
            "</label>\n"
        )
    content = (
        f'{who}<form method="post" action="{escape(target)}">\n{field}'
        f'<label>You are <select name="user">{options}</select></label>\n'
        '<button name="answer" value="approve">Allow</button>\n'
        '<button name="answer" value="deny" formnovalidate>Deny</button>\n</form>'
    )
    return html_answer(200, _page("Sign in to the dsops sandbox", content))


def decided_page(user: str) -> HttpAnswer:
    """Return the result page of a device login. `user` is "" if the user denied the login."""
    content = f"<p>The program is signed in as <b>{escape(user)}</b>.</p>" if user else "<p>The sign-in was denied.</p>"
    return html_answer(200, _page("You can close this window", content))


def refused_page(status: int, why: str) -> HttpAnswer:
    """Return an error page with the reason."""
    return html_answer(status, _page("Sign-in failed", f"<p>{escape(why)}</p>"))


def html_answer(status: int, text: str, more: tuple[tuple[str, str], ...] = ()) -> HttpAnswer:
    """Return an HTML page with the security headers and the headers in `more`."""
    return HttpAnswer(status, (*_HEADERS, *more), text.encode())


def _page(title: str, content: str) -> str:
    return _PAGE.format(title=escape(title), content=content)

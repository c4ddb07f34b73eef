"""Which requests the control endpoints answer: those of this machine, and of the sandbox's own page.

A page in a browser can send requests to loopback, and can read the responses through a name that resolves to
127.0.0.1 (DNS rebinding). So the peer and the Host header must be loopback. A request with the headers that browsers
add to a page's requests (Origin, Sec-Fetch-Site) must come from this origin and have the token of the sandbox's page.
Requests to the AWS services need no such check, because they are signed.
"""

from __future__ import annotations

import hmac
import re

from dsops.request.messages import HttpRequest, is_loopback
from dsops.sandbox.identity_center.pages import Pages, why_not_served
from dsops.sandbox.page.files import TOKEN_HEADER, is_page_file

# A host and an optional port. The pattern rejects repeated Host headers (joined with a comma) and user information
# before an `@`.
_HOST = re.compile(r"([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(?::[0-9]{1,5})?")


def why_not_answered(request: HttpRequest, page_token: str) -> str:
    """Return the reason to refuse the request, or "" to accept it."""
    return _why_not_here(request) or _why_not_from_browser(request, page_token)


def _why_not_here(request: HttpRequest) -> str:
    """Return the reason to refuse a request that was not sent from this machine, or "" to accept it."""
    if not is_loopback(request.peer):
        return "the sandbox's own endpoints answer to this machine only"
    host_match = _HOST.fullmatch(request.headers.get("host", ""))
    host = host_match[1].strip("[]").lower() if host_match else ""
    if host != "localhost" and not is_loopback(host):
        return "the Host header must be localhost or a loopback address"
    return ""


def _why_not_from_browser(request: HttpRequest, page_token: str) -> str:
    """Return the reason to refuse a request that a web page may have sent, or "" to accept it."""
    if Pages.serves(request):
        return why_not_served(request)
    site, origin = request.headers.get("sec-fetch-site", "none"), request.headers.get("origin")
    if is_page_file(request) or (site == "none" and origin is None):
        return ""
    if site not in {"none", "same-origin"} or origin not in {None, f"http://{request.headers['host']}"}:
        return "the sandbox's own endpoints do not answer to other web pages"
    token = request.headers.get(TOKEN_HEADER, "").encode("latin-1", "replace")
    if not hmac.compare_digest(token, page_token.encode()):
        return "the page's token is missing or of an earlier run: open the link that this sandbox printed"
    return ""

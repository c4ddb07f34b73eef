"""Listing what a login may use: pages, throttling, and an access portal that answers slowly, partly, or stops."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

import pytest

from dsops.aws.apis.sso import PortalClient
from dsops.aws.http.call import make_client
from dsops.aws.http.wire import Response, WireRequest
from dsops.aws.sso_accounts import Assignments, list_assignments
from dsops.endpoint import resolve_endpoint
from dsops.errors import AnswerInvalid, LoginRequired, NotAssigned, Throttled, Unreachable
from dsops.secret import Secret
from tests.center_in_memory import ADA, REGION, InMemoryCenter
from tests.fakes import FixedClock, make_runtime
from tests.loop import Time

ACCOUNTS = [f"{100_000_000_000 + number}" for number in range(40)]


class Portal(InMemoryCenter):
    """A portal on which Ada has two permission sets in each of 40 accounts, and its client."""

    def __init__(self) -> None:
        super().__init__(FixedClock())
        self.assigned[ADA] = {account: ("Admin", f"Read{account[-2:]}") for account in ACCOUNTS}
        self.tokens["token"] = ADA
        self.time = Time()
        self.progress: list[tuple[int, int]] = []

    def list(self) -> Assignments:
        """List everything."""
        runtime = make_runtime({}, now=FixedClock(), monotonic=lambda: self.time.seconds)
        portal = PortalClient(make_client(runtime), resolve_endpoint("sso", REGION, {}), Secret("token"))
        return self.time.run(list_assignments(portal, lambda *numbers: self.progress.append(numbers)), self)


def account_of(request: WireRequest) -> str:
    """The account whose permission sets a request asks for; "" for other requests."""
    return parse_qs(urlsplit(request.url).query).get("account_id", [""])[0]


@pytest.fixture
def portal() -> Portal:
    """A portal that answers."""
    return Portal()


def test_every_account_has_its_permission_sets(portal: Portal) -> None:
    """All accounts are listed in the portal's order, at most 16 requests at once, with progress for each."""
    found = portal.list()
    assert [(each.account.account_id, each.roles) for each in found.listed] == list(portal.assigned[ADA].items())
    assert found.failures == ()
    assert portal.progress[-1] == (40, 40)
    assert len(portal.progress) == 40
    assert portal.asked == ["ListAccounts", *["ListAccountRoles"] * 40]


def test_an_account_that_is_refused_is_named_and_the_others_are_listed(portal: Portal) -> None:
    """If one account can't be listed, the other accounts are still listed."""
    del portal.assigned[ADA][ACCOUNTS[3]]
    content = {"accountList": [{"accountId": account, "accountName": ""} for account in ACCOUNTS]}

    def outage(action: str, request: WireRequest) -> Response | None:
        if action == "ListAccounts":
            return Response(200, {}, json.dumps(content).encode())
        if account_of(request) == ACCOUNTS[3]:
            return Response(403, {"x-amzn-errortype": "ForbiddenException"}, b'{"message": "No access"}')
        return None

    portal.outage = outage
    found = portal.list()
    ((account, error),) = found.failures
    assert account.account_id == ACCOUNTS[3]
    assert isinstance(error, NotAssigned)
    assert len(found.listed) == 39


def test_a_portal_that_throttles_is_asked_more_slowly(portal: Portal) -> None:
    """If the portal allows ten requests and then five a second, all accounts are listed within that rate."""
    answered: list[float] = []

    def throttle(_: str, request: WireRequest) -> Response | None:
        if not account_of(request):
            return None
        if len(answered) < 10 + 5 * portal.time.seconds:
            answered.append(portal.time.seconds)
            return None
        return Response(429, {"x-amzn-errortype": "TooManyRequestsException"}, b'{"message": "Rate exceeded"}')

    portal.outage = throttle
    found = portal.list()
    assert (len(found.listed), found.failures) == (40, ())
    assert portal.asked.count("ListAccountRoles") > 40


def test_a_portal_that_always_throttles_fails_account_by_account(portal: Portal) -> None:
    """Accounts whose requests are throttled until the timeout are failures, and do not count as empty."""

    def throttle(_: str, request: WireRequest) -> Response | None:
        if not account_of(request):
            return None
        return Response(429, {"x-amzn-errortype": "TooManyRequestsException"}, b'{"message": "Rate exceeded"}')

    portal.outage = throttle
    found = portal.list()
    assert found.listed == ()
    assert len(found.failures) == 40
    assert all(isinstance(error, Throttled) for _, error in found.failures)


def test_a_portal_that_stops_is_not_asked_for_the_rest(portal: Portal) -> None:
    """Once the portal can't be reached, the remaining accounts fail without further requests."""
    reached: list[str] = []

    def stop(action: str, request: WireRequest) -> BaseException | None:
        if action == "ListAccounts":
            return None
        if len(reached) < 5:
            reached.append(account_of(request))
            return None
        return Unreachable("could not reach the portal")

    portal.outage = stop
    found = portal.list()
    assert {each.account.account_id for each in found.listed} == set(reached)
    assert len(found.failures) == 35
    assert {type(error) for _, error in found.failures} == {Unreachable}
    tried = {account_of(request) for request in portal.requests} - set(reached)
    assert len(tried) < 35


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"accountList": None},
        {"accountList": ["x"]},
        {"accountList": [{"accountName": "without an id"}]},
        {"accountList": [{"accountId": "${HOME}", "accountName": "with an id that would be a variable"}]},
        {"accountList": [], "nextToken": "for ever"},
    ],
)
def test_half_a_list_of_accounts_is_an_error(portal: Portal, content: object) -> None:
    """An incomplete list of accounts is refused, because an import would remove the missing accounts' stores."""
    portal.outage = lambda *_: Response(200, {}, json.dumps(content).encode())
    with pytest.raises(AnswerInvalid):
        portal.list()


def test_half_a_list_of_permission_sets_is_a_failure_of_its_account(portal: Portal) -> None:
    """An answer without `roleList` does not mean that the account has no permission sets."""

    def partly(_: str, request: WireRequest) -> Response | None:
        return Response(200, {}, b"{}") if account_of(request) == ACCOUNTS[0] else None

    portal.outage = partly
    ((account, error),) = portal.list().failures
    assert account.account_id == ACCOUNTS[0]
    assert isinstance(error, AnswerInvalid)


def test_all_pages_are_read(portal: Portal) -> None:
    """Accounts of a second page are listed, too."""

    def pages(action: str, request: WireRequest) -> Response | None:
        if action != "ListAccounts":
            return None
        is_second = "next_token=two" in request.url
        part = ACCOUNTS[20:] if is_second else ACCOUNTS[:20]
        content = {"accountList": [{"accountId": account} for account in part], "nextToken": "" if is_second else "two"}
        return Response(200, {}, json.dumps(content).encode())

    portal.outage = pages
    assert [each.account.account_id for each in portal.list().listed] == ACCOUNTS


def test_a_login_that_ends_in_the_middle_ends_the_listing(portal: Portal) -> None:
    """If the portal refuses the token, the whole listing fails, because the remaining accounts would fail, too."""

    def end(action: str, _: WireRequest) -> None:
        if action == "ListAccountRoles":
            portal.tokens.clear()

    portal.outage = end
    with pytest.raises(LoginRequired):
        portal.list()
    assert portal.asked.count("ListAccountRoles") <= 16

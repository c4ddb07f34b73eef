"""What the lists of all services share: the client for one service, and the pages of an answer."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, NamedTuple

from dsops.aws.http.answer import lacks, text_in
from dsops.aws.http.call import Call, Client, Refusal
from dsops.aws.http.client import call_json
from dsops.credentials import Credentials
from dsops.endpoint import Endpoint
from dsops.errors import AwsAnswer, DsopsError, EntityNotFound

Json = dict[str, object]

MOST_PAGES = 1000
"""The maximum number of pages of one list, which stops a server that sends pages without end."""


class ServiceApi(NamedTuple):
    """Client, credentials and endpoint for calls to one service in one region."""

    client: Client
    credentials: Credentials
    endpoint: Endpoint


class Absence(NamedTuple):
    """The error codes with which a service says that something does not exist, such as a bucket's policy."""

    codes: tuple[str, ...]

    def refusal(self, answer: AwsAnswer, doing: str) -> DsopsError | None:
        """Return EntityNotFound for one of the codes, else None."""
        if answer.code in self.codes:
            return EntityNotFound(
                f"could not {doing}: not found",
                why=answer.message,
                hint="it may have been deleted in the meantime",
                aws=answer,
            )
        return None


def no_refusal(_answer: AwsAnswer, _doing: str) -> DsopsError | None:
    """Return None: the action has no errors of its own."""
    return None


async def json_call(
    api: ServiceApi, target: str, action: str, parameters: Mapping[str, object], refusal: Refusal = no_refusal
) -> Json:
    """Call an action of a JSON 1.1 API."""
    service = api.endpoint.service
    call = Call(api.endpoint, api.credentials, action, f"call {service}:{action}", refusal)
    return await call_json(api.client, call, target, parameters)


class ListedBy(NamedTuple):
    """How an action of a JSON 1.1 API lists things: its names of the list and of the marks between pages."""

    target: str
    action: str
    items: str
    mark: str = "NextToken"
    next_mark: str = "NextToken"


async def json_list(
    api: ServiceApi, by: ListedBy, parameters: Mapping[str, object], refusal: Refusal = no_refusal
) -> list[object]:
    """Return the items of a list of a JSON 1.1 API, from all pages."""

    async def page(token: str) -> tuple[list[object], str]:
        content = await json_call(
            api, by.target, by.action, {**parameters, by.mark: token} if token else parameters, refusal
        )
        items = content.get(by.items)
        if not isinstance(items, list):
            raise lacks(api.endpoint, by.action, by.items)
        return items, text_in(content, by.next_mark)

    return await all_pages(api, by.action, page)


Page = Callable[[str], Coroutine[Any, Any, tuple[list[object], str]]]
"""A function that takes the mark of a page ("" for the first), and returns its items and the mark of the next page."""


async def all_pages(api: ServiceApi, action: str, page: Page) -> list[object]:
    """Return the items of all pages."""
    items: list[object] = []
    token = ""
    for _ in range(MOST_PAGES):
        more, token = await page(token)
        items += more
        if not token:
            return items
    raise lacks(api.endpoint, action, f"end after {MOST_PAGES} pages")


def objects(items: list[object]) -> list[Json]:
    """Return the objects among the items of a list."""
    return [item for item in items if isinstance(item, dict)]

"""Lambda: the functions of an account, the roles with which they run, and their policies."""

from __future__ import annotations

from dsops.aws.apis.inventory.pages import Absence, Json, ServiceApi, all_pages, no_refusal, objects
from dsops.aws.http.answer import lacks, text_in
from dsops.aws.http.call import Call, Refusal
from dsops.aws.http.client import call_rest, quote

_FUNCTIONS = "/2015-03-31/functions"
_ABSENT = Absence(("ResourceNotFoundException",))


async def list_functions(api: ServiceApi) -> list[Json]:
    """Return the functions of the region with their ARNs and roles."""

    async def page(token: str) -> tuple[list[object], str]:
        more = f"&Marker={quote(token)}" if token else ""
        content = await _get(api, "ListFunctions", f"{_FUNCTIONS}/?MaxItems=50{more}", no_refusal)
        functions = content.get("Functions")
        if not isinstance(functions, list):
            raise lacks(api.endpoint, "ListFunctions", "Functions")
        return functions, text_in(content, "NextMarker")

    return objects(await all_pages(api, "ListFunctions", page))


async def get_policy(api: ServiceApi, function: str) -> str:
    """Return the policy of a function, by name. Raises EntityNotFound if it has none."""
    content = await _get(api, "GetPolicy", f"{_FUNCTIONS}/{quote(function)}/policy", _ABSENT.refusal)
    return text_in(content, "Policy")


async def _get(api: ServiceApi, action: str, path: str, refusal: Refusal) -> Json:
    doing = f"call lambda:{action}"
    call = Call(api.endpoint, api.credentials, action, doing, refusal, method="GET", path=path)
    return await call_rest(api.client, call)

"""Cache what moto computes at each request although it is always the same."""

from __future__ import annotations

from functools import cache, lru_cache
from importlib import import_module
from typing import Any

# The functions here replace functions of moto, whose types are not exported.


def cache_partitions() -> None:
    """Cache the partition of a region. Modules of moto import the function, so this has to come before they load."""
    utils = vars(import_module("moto.utilities.utils"))
    if not hasattr(utils["get_partition"], "cache_clear"):
        utils["get_partition"] = lru_cache(maxsize=1024)(utils["get_partition"])


def cache_what_moto_repeats() -> None:
    """Cache the operations of a class and the names of an attribute; look up the backends of an account once."""
    responses = vars(import_module("moto.core.responses"))
    if hasattr(responses["method_names_from_class"], "cache_info"):
        return
    for name in ("camelcase_to_underscores", "method_names_from_class"):
        responses[name] = cache(responses[name])
    setattr(responses["BaseResponse"], "_enrich_response", staticmethod(_with_status))  # noqa: B010 - private to moto
    _cache_names(import_module("moto.core.serialize").XFormedAttributePicker)
    _find_at_once(import_module("moto.core.base_backend").BackendDict)


def _with_status(headers: dict[str, Any], body: Any) -> tuple[dict[str, Any], Any]:
    """Return a response as moto does, without a request id: the sandbox puts in its own.

    moto draws 52 random letters and searches the whole body for the place.
    """
    if "status" in headers:
        headers["status"] = str(headers["status"])
    return headers, body


def _cache_names(picker: Any) -> None:
    """Cache under which names a response attribute may be stored: these depend on the model and on the type only."""
    find = picker.get_possible_keys
    names: dict[tuple[object, ...], tuple[str, ...]] = {}

    def possible_keys(self: Any, context: Any) -> tuple[str, ...]:
        place = context.shape, context.key, type(context.obj)
        found = names.get(place)
        if found is None:
            found = names[place] = tuple(find(self, context))
        return found

    picker.get_possible_keys = possible_keys


def _find_at_once(backends: Any) -> None:
    """Let a service's table of accounts create an account's backends only if they are missing.

    moto takes a lock and compares all services at each access.
    """

    def create(self: Any, account: str) -> Any:
        self._create_account_specific_backend(account)
        return self[account]

    del backends.__getitem__
    backends.__missing__ = create

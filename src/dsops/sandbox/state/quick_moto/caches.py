"""Cache results that moto computes again for each request although they never change."""

from __future__ import annotations

from functools import cache, lru_cache
from importlib import import_module
from typing import Any

# The functions here replace functions of moto, whose types are not exported.


def cache_partitions() -> None:
    """Cache the results of moto's function that returns the partition of a region.

    Call this before other modules of moto are imported, because they import the function itself.
    """
    utils = vars(import_module("moto.utilities.utils"))
    if not hasattr(utils["get_partition"], "cache_clear"):
        utils["get_partition"] = lru_cache(maxsize=1024)(utils["get_partition"])


def cache_what_moto_repeats() -> None:
    """Patch moto to cache operation names and attribute names, and to find an account's backends faster."""
    responses = vars(import_module("moto.core.responses"))
    if hasattr(responses["method_names_from_class"], "cache_info"):
        return
    for name in ("camelcase_to_underscores", "method_names_from_class"):
        responses[name] = cache(responses[name])
    _cache_names(import_module("moto.core.serialize").XFormedAttributePicker)
    base = import_module("moto.core.base_backend")
    _find_at_once(base.BackendDict, base.AccountSpecificBackend)


def _cache_names(picker: Any) -> None:
    """Cache the names under which a response attribute may be stored.

    The names depend only on the model and on the type of the object.
    """
    find = picker.get_possible_keys
    names: dict[tuple[object, ...], tuple[str, ...]] = {}

    def possible_keys(self: Any, context: Any) -> tuple[str, ...]:
        place = context.shape, context.key, type(context.obj)
        found = names.get(place)
        if found is None:
            found = names[place] = tuple(find(self, context))
        return found

    picker.get_possible_keys = possible_keys


def _find_at_once(backends: Any, regions: Any) -> None:
    """Let a service's tables of backends create an account's or region's backends only if they are missing.

    moto itself takes a lock and compares all services whenever the table of accounts is accessed.
    """
    create_or_find = regions.__getitem__

    def create_account(self: Any, account: str) -> Any:
        self._create_account_specific_backend(account)
        return self[account]

    def create_region(self: Any, region: str) -> Any:
        if region not in self:  # in this class, that means: the service has no such region
            raise KeyError(region)
        return create_or_find(self, region)

    del backends.__getitem__, regions.__getitem__
    backends.__missing__, regions.__missing__ = create_account, create_region

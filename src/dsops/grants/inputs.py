"""The inputs of `grants_of` besides the plan: the user's options, and source identities before expansion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from dsops.document import Scalar
from dsops.interpolate import expand, names_in
from dsops.model import Config, Field
from dsops.plan import Plan


class GrantInputs(NamedTuple):
    """Values that `grants_of` needs and that the plan does not contain."""

    caller: str = ""
    """The ARN of the base credentials; "" if unknown."""
    issuer: str = ""
    """The issuer of web identity tokens that are not available while planning."""
    source_identities: Mapping[str, str] = {}
    """Store name -> source identity, with `*` in place of each `${VARIABLE}`."""


def without_external_ids(config: Config) -> Config:
    """Replace each external ID by a placeholder, because generated policies must not show it."""
    stores = {}
    for name, store in config.stores.items():
        field = store.fields.get("external_id")
        fields = dict(store.fields)
        if field is not None and isinstance(field.node, Scalar):
            fields["external_id"] = Field(field.node._replace(text="not-shown"), field.where)
        stores[name] = store._replace(fields=fields)
    return config._replace(stores=stores)


def source_identities(config: Config, plan: Plan) -> Mapping[str, str]:
    """Return a mapping of store name -> source identity, with `*` in place of each `${VARIABLE}`.

    The value of a variable differs between users.
    """
    identities = {}
    for name in plan.steps:
        field = config.stores[name].fields.get("source_identity") if name in config.stores else None
        if field is not None and isinstance(field.node, Scalar):
            text = field.node.text
            anything = dict.fromkeys(names_in(text), "*")
            identities[name] = expand(text, anything, field.where, "source_identity", timestamp="*", user="*")
    return identities

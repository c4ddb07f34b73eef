"""A class name means one thing in the whole program."""

from __future__ import annotations

import ast
from collections import Counter

from dsops.schema import BUILTIN_TYPES
from tests.project.source import modules, nodes_of


def test_no_public_class_name_is_used_twice() -> None:
    """No two public classes have the same name; a name that begins with `_` may occur in several modules."""
    names = Counter(
        name
        for file in modules().values()
        for name in {node.name for node in nodes_of(file) if isinstance(node, ast.ClassDef)}
        if not name.startswith("_")
    )
    assert [name for name, count in names.items() if count > 1] == []


def test_a_module_is_named_by_a_noun_of_the_field() -> None:
    """No module name contains a vague word; only a store type may be a vault (HashiCorp Vault)."""
    vague = set("given held said special told turn upkeep vault written".split())
    store_types = {f"dsops.stores.{name.replace('.', '_')}" for name in BUILTIN_TYPES}
    assert [name for name in modules() if name not in store_types and vague & set(last_part(name).split("_"))] == []


def last_part(name: str) -> str:
    """`dsops.stores.aws_ssm` -> `aws_ssm`."""
    return name.rpartition(".")[2]

"""The pages of the Python API: the public names of dsops, each as a directive for mkdocstrings."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from importlib import import_module

FOLDER = "reference/api"
LIBRARY = (
    "dsops.open",
    "dsops.library.Library",
    "dsops.secret.Secret",
    "dsops.credentials.Credentials",
    "dsops.errors.DsopsError",
)
"""`dsops.open`, and the classes that a program meets behind it."""


def pages() -> Iterator[tuple[str, str, str]]:
    """Each page of the API: its path, its title, and its text."""
    yield _page("dsops", LIBRARY)
    for module in ("dsops.policy", "dsops.testing"):
        yield _page(module, [f"{module}.{name}" for name in import_module(module).__all__])


def _page(module: str, names: Iterable[str]) -> tuple[str, str, str]:
    documented = inspect.getdoc(import_module(module)) or ""
    directives = "\n".join(f"::: {name}\n" for name in _in_order(names))
    return f"{FOLDER}/{module}.md", module, f"# {module}\n\n{documented}\n\n{directives}"


def _in_order(names: Iterable[str]) -> list[str]:
    """Functions first, then classes, then constants: the order in which a reader needs the names."""
    return sorted(names, key=lambda name: (_kind(name), name.lower()))


def _kind(name: str) -> int:
    module, _, member = name.rpartition(".")
    value = getattr(import_module(module), member)
    return 0 if inspect.isfunction(value) else 1 if inspect.isclass(value) else 2

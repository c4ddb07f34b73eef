"""The source as the checks of this folder see it: its modules and their imports."""

from __future__ import annotations

import ast
from collections.abc import Container, Iterable, Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src"

Graph = Mapping[str, frozenset[str]]


def name_of(file: Path) -> str:
    """`src/dsops/cli/__init__.py` -> `dsops.cli`."""
    return ".".join(file.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")


@cache
def modules() -> Mapping[str, Path]:
    """Every module of dsops and its file."""
    return {name_of(file): file for file in sorted(SOURCE.rglob("*.py"))}


@cache
def tree_of(file: Path) -> ast.Module:
    """The file, parsed."""
    return ast.parse(file.read_text(encoding="utf-8"))


@cache
def nodes_of(file: Path) -> tuple[ast.AST, ...]:
    """All nodes of the parsed file, in the order of `ast.walk`, which takes much longer than a loop over a tuple."""
    return tuple(ast.walk(tree_of(file)))


def imported_by(nodes: Iterable[ast.AST], known: Container[str]) -> Iterator[str]:
    """The modules among `known` that a file imports: late imports and those for type checkers count as well."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                yield from (name for name in (submodule if submodule in known else node.module,) if name in known)


@cache
def imports() -> Graph:
    """Module -> the modules of dsops that it imports."""
    known = modules()
    return {name: frozenset(imported_by(nodes_of(file), known)) - {name} for name, file in known.items()}


def room_of(module: str) -> str:
    """The folder of a module; a module that stands at the top of dsops is a room of its own."""
    is_package = modules()[module].name == "__init__.py"
    return module if is_package or module.count(".") == 1 else module.rpartition(".")[0]


def rooms(graph: Graph) -> Graph:
    """Room -> the rooms that its modules import."""
    found: dict[str, set[str]] = {}
    for module, others in graph.items():
        found.setdefault(room_of(module), set()).update(map(room_of, others))
    return {room: frozenset(others - {room}) for room, others in found.items()}


def a_circle(graph: Graph) -> list[str]:
    """Nodes of one circle, in the order of its arrows; empty where there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        circle: list[str] = error.args[1]
        return circle[::-1]
    return []

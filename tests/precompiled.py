"""Compiles the test files once, before pytest-xdist starts its workers.

pytest rewrites the assertions of each test file, and of dsops itself, and caches the result beside the file. In a fresh
clone, each worker would do this work again, because all workers import the same files at the same time. hypothesis does
the same: it parses each file of dsops for constants to try, and caches them in `.hypothesis`.
"""

from __future__ import annotations

import sys
from multiprocessing import get_context
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from _pytest.assertion import rewrite
from hypothesis.internal.constants_ast import constants_from_module

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "dsops"


def sources(arguments: Sequence[str]) -> list[Path]:
    """The files that pytest rewrites for these arguments (files, folders or node ids), and those of dsops."""
    return sorted({*_test_files(arguments), *SOURCE.rglob("*.py")})


def _test_files(arguments: Sequence[str]) -> Iterator[Path]:
    for argument in arguments:
        path = Path(argument.partition("::")[0]).absolute()
        yield from (*path.rglob("test_*.py"), *path.rglob("conftest.py")) if path.is_dir() else [path]


def precompile(config: pytest.Config, processes: int) -> None:
    """Fill pytest's cache of compiled files in several processes; does nothing if Python must not write bytecode."""
    if sys.dont_write_bytecode or sys.platform == "win32":
        return
    files = sources(config.args)
    context = get_context("fork")
    children = [
        context.Process(target=_compile_all, args=(config, files[number::processes])) for number in range(processes)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join(100)


def _compile_all(config: pytest.Config, files: Sequence[Path]) -> None:
    for file in files:
        if compile_file(config, file) and SOURCE in file.parents:
            keep_constants(file)


def keep_constants(file: Path) -> None:
    """Let hypothesis find the constants of a file, and cache them."""
    module = ModuleType(file.stem)
    module.__file__ = str(file)
    constants_from_module(module)


def compile_file(config: pytest.Config, file: Path) -> bool:
    """Compile a file with rewritten assertions, and return True, unless the cache is up to date or the file invalid."""
    state = config.stash[rewrite.assertstate_key]
    folder = rewrite.get_cache_dir(file)
    compiled = folder / (file.stem + rewrite.PYC_TAIL)
    if not rewrite.try_makedirs(folder) or rewrite._read_pyc(file, compiled) is not None:
        return False
    try:
        source_hash, code = rewrite._rewrite_test(file, config)
    except (OSError, SyntaxError, ValueError):
        return False  # the import of the file reports the error
    rewrite._write_pyc(state, code, source_hash, compiled)
    return True

"""Compiles the test files once, before pytest-xdist starts its workers.

pytest rewrites the assertions of each test file, and of dsops itself, and caches the result beside the file. In a fresh
clone, each worker would do this work again, because all workers import the same files at the same time.
"""

from __future__ import annotations

import sys
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

from _pytest.assertion import rewrite

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pytest

ROOT = Path(__file__).parent.parent


def sources(arguments: Sequence[str]) -> list[Path]:
    """The files that pytest rewrites for these arguments (files, folders or node ids), and those of dsops."""
    return sorted({*_test_files(arguments), *(ROOT / "src" / "dsops").rglob("*.py")})


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
        compile_file(config, file)


def compile_file(config: pytest.Config, file: Path) -> None:
    """Compile a file with rewritten assertions, unless the cache is up to date. A file with an error is left out."""
    state = config.stash[rewrite.assertstate_key]
    folder = rewrite.get_cache_dir(file)
    compiled = folder / (file.stem + rewrite.PYC_TAIL)
    if not rewrite.try_makedirs(folder) or rewrite._read_pyc(file, compiled) is not None:
        return
    try:
        source_hash, code = rewrite._rewrite_test(file, config)
    except (OSError, SyntaxError, ValueError):
        return  # the import of the file reports the error
    rewrite._write_pyc(state, code, source_hash, compiled)

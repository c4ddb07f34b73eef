"""A Trino for all tests of this folder, with the generator's logs in its tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from dsops.audit.cloudtrail.trino import TrinoCluster, TrustAndProxy, open_trino
from dsops.audit.cloudtrail.trino_address import TrinoCredentials, parse_trino_address
from tests.cloudtrail.generator import generate
from tests.installed import ToolMissingError
from tests.trino.engine import Engine, running_engine
from tests.trino.logs import copy_logs, create_tables, layout_of

DIRTY_EVENTS = 20_000
CLEAN_EVENTS = 3000


class Logs(NamedTuple):
    """Logs in a folder and in the engine's tables, with their known answers."""

    folder: Path
    unreadable: tuple[str, ...]
    """The damaged files, which the tables lack."""
    known: dict[str, Any]  # a JSON tree
    table: str
    """The view of the raw files. The table `TABLE_parquet` has the same rows."""


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A Trino with one worker."""
    try:
        with running_engine(tmp_path_factory.mktemp("trino")) as engine:
            yield engine
        assert not engine.temporary.exists()
    except ToolMissingError as missing:
        pytest.skip(str(missing))


@contextmanager
def cluster_of(engine: Engine, table: str = "cloudtrail_logs", catalog: str = "hive") -> Iterator[TrinoCluster]:
    """A connection to the engine as dsops makes it."""
    address = parse_trino_address(engine.address(catalog=catalog))
    with open_trino(address, TrinoCredentials(), TrustAndProxy(), table) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def run_sql(engine: Engine) -> Callable[[str], list[list[Any]]]:
    """A function that runs any statement with Trino's own client and returns its rows."""
    from trino import dbapi

    host, _, port = engine.http.rpartition(":")
    connect: Any = dbapi.connect  # the package has no types for it

    def run(statement: str) -> list[list[Any]]:
        connection = connect(host=host, port=int(port), user="setup", catalog="hive", schema="default")
        cursor = connection.cursor()
        cursor.execute(statement)
        return [list(row) for row in cursor.fetchall()]

    run("CREATE SCHEMA IF NOT EXISTS hive.default")
    return run


@pytest.fixture(scope="session")
def dirty(engine: Engine, run_sql: Callable[[str], object], tmp_path_factory: pytest.TempPathFactory) -> Logs:
    """Twenty thousand dirty calls, with dsops' own trail."""
    folder = tmp_path_factory.mktemp("dirty")
    known = generate(folder, events=DIRTY_EVENTS, seed=7, is_dirty=True, has_own_trail=True)
    layout, unreadable = copy_logs(folder, engine.tables / "dirty")
    create_tables(run_sql, layout, "dirty", "dirty")
    return Logs(folder, unreadable, known, "dirty")


@pytest.fixture(scope="session")
def clean(engine: Engine, run_sql: Callable[[str], object]) -> Logs:
    """A few clean calls, in the very files that CloudTrail would write."""
    folder = engine.tables / "clean"
    known = generate(folder, events=CLEAN_EVENTS, seed=5)
    create_tables(run_sql, layout_of(folder), "clean", "clean")
    return Logs(folder, (), known, "clean")

"""A pytest plugin for LocalStack's tests: writes each test's outcome and matching snapshot keys as a line of JSON.

It runs in the virtual environment of LocalStack's tests, and imports nothing of dsops. `DSOPS_LADDER_REPORT` names the
file.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Generator
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

_RESULT = "dsops_ladder"
_LONG_SECONDS = 4
"""Pauses from here on wait until live AWS has distributed a change; they become one second."""


def pytest_configure() -> None:
    """Keep LocalStack's plugin from writing into the checkout, and shorten the pauses that only live AWS needs."""
    vars(import_module("localstack.testing.pytest.validation_tracking"))["is_aws_cloud"] = lambda: False
    pause = time.sleep
    time.sleep = lambda seconds: pause(1 if float(seconds) >= _LONG_SECONDS else seconds)
    _redirect(urlsplit(os.environ["AWS_ENDPOINT_URL"]))


def _redirect(endpoint: Any) -> None:
    """Connect to the endpoint, without TLS, where a test names a host of AWS. The Host header stays that of AWS."""
    connection_class = import_module("urllib3.connection").HTTPSConnection
    connect = connection_class.connect

    def connect_to_endpoint(connection: Any) -> None:
        if not connection.host.endswith(".amazonaws.com"):
            connect(connection)
            return
        connection.sock = socket.create_connection((endpoint.hostname, endpoint.port), 20)
        connection.is_verified = True

    connection_class.connect = connect_to_endpoint


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: Any, items: list[Any]) -> None:
    """Run the tests that LocalStack has run against live AWS."""
    chosen = [item for item in items if item.get_closest_marker("aws_validated")]
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = chosen


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_call(item: Any) -> Generator[None, Any, None]:
    """Compare the snapshot's keys one by one, also if the test failed before it compared them."""
    session = item.funcargs.get("snapshot")
    recorded = (session.recorded_state or {}) if session is not None else {}
    results: list[Any] = []
    if session is not None:
        _note_results(session, results)
    outcome = yield
    if outcome.excinfo is not None and session is not None and not results:
        _compare_begun(session)
    found = {
        "keys": len(recorded),
        "same": [one.key for one in results if one],
        "differences": {one.key: str(one.result)[:2000] for one in results if not one},
    }
    setattr(item, _RESULT, found)


def _note_results(session: Any, results: list[Any]) -> None:
    """Let the session's comparison write its results, one for each key, into the list."""
    compare = session._assert_all

    def compared(*arguments: Any) -> Any:
        try:
            results[:] = compare(*arguments)
        except Exception as error:
            results[:] = getattr(error, "result", [])
            raise
        return results

    session._assert_all = compared


def _compare_begun(session: Any) -> None:
    """Compare the keys that a failed test has noted."""
    session.called_keys &= set(session.recorded_state or {}) & set(session.observed_state)
    try:
        session._assert_all(True, [])
    except Exception:  # noqa: BLE001 - the test has failed already; a transformer may fail on what it noted
        return


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: Any, call: Any) -> Generator[None, Any, None]:
    """Write the outcome of a test's call, or of a setup that did not succeed."""
    outcome = yield
    report = outcome.get_result()
    if report.when == "call" or (report.when == "setup" and report.outcome != "passed"):
        line = {
            "test": item.nodeid,
            "outcome": report.outcome,
            "seconds": round(call.duration, 2),
            "why": "" if report.outcome == "passed" else _why(call, report),
            **getattr(item, _RESULT, {"keys": 0, "same": [], "differences": {}}),
        }
        with Path(os.environ["DSOPS_LADDER_REPORT"]).open("a") as file:
            file.write(json.dumps(line) + "\n")


def _why(call: Any, report: Any) -> str:
    error = call.excinfo.value if call.excinfo is not None else report.longrepr
    text = str(report.longrepr) if hasattr(error, "result") else f"{type(error).__name__}: {error}"
    return text[:4000]

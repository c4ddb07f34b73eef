"""Fixtures. No test sees the real HOME, the user's AWS_* and DSOPS_* variables, or another machine."""

from __future__ import annotations

import gc
import ipaddress
import os
import sys
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest
from hypothesis import HealthCheck, settings

from dsops.user_folders import config_folder, data_folder, state_folder
from tests import groups
from tests.children import restore_defaults_in_children
from tests.fakes import FixedClock, Reports, make_runtime
from tests.installed import OUTSIDE
from tests.precompiled import precompile

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from datetime import datetime

    from dsops.runtime import Event, Runtime
    from dsops.secret import Secret

FORGOTTEN = (
    "CI",
    "GITHUB_",
    "GITLAB_",
    "ACTIONS_",
    "XDG_",  # set by the system that runs the tests
    "AWS_",
    "DSOPS_",
    "BOTO_",
    "MOTO_",  # for the user's accounts and settings
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "SSL_CERT_",
    "REQUESTS_CA_",
    "CURL_CA_",
    "TRINO_",  # for the user's Trino clusters
    "DISPLAY",
    "WAYLAND_",
    "SSH_CONNECTION",
    "PYTHON_KEYRING_",
    "KEYRING_",
    "DBUS_",  # set by the user's desktop
    "NO_COLOR",
    "FORCE_COLOR",
    "CLICOLOR",
    "COLUMNS",
    "LINES",
    "MFA_",
    "EXTERNAL_ID",
    "TARGET_ROLE_ARN",  # variables used on the AWS STS page (tests/founding-page)
)
"""Prefixes of variables that tests do not inherit, in either case."""


class OutsideNetworkError(RuntimeError):
    """A test tried to leave this machine. Not an OSError, which tested code would treat as a network failure."""


def _is_loopback(host: object) -> bool:
    if isinstance(host, bytes):
        host = host.decode("ascii", "replace")
    if host in {None, "", "localhost", "0.0.0.0", "::"}:  # noqa: S104 (those mean this machine)
        return True
    try:
        return ipaddress.ip_address(str(host).partition("%")[0]).is_loopback
    except ValueError:
        return False


def _refuse_outside(event: str, arguments: tuple[object, ...]) -> None:
    """Refuse connections and name look-ups of Python code beyond loopback; libcurl's sockets are not checked."""
    if event in {"socket.connect", "socket.sendto"}:
        address = arguments[1]
        if isinstance(address, tuple) and not _is_loopback(address[0]):
            raise OutsideNetworkError(f"a test may only reach loopback, not {address[0]}:{address[1]}")
    elif event == "socket.getaddrinfo" and not _is_loopback(arguments[0]):
        raise OutsideNetworkError(f"a test may only look up loopback names, not {arguments[0]!r}")


sys.addaudithook(_refuse_outside)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Two workers more than cores, because many tests wait for a process or a time."""
    return (os.cpu_count() or 1) + 2


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config) -> None:
    """Compile the test files once, not in each worker."""
    precompile(config, os.cpu_count() or 1)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """With `--dist loadfile`, give each worker whole groups of tests (tests/schedule.py)."""
    if config.getvalue("dist") != "loadfile":
        return None
    from tests.schedule import FileScheduling

    return FileScheduling(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Exempt modules and test items from garbage collection, which otherwise takes a sixth of the CPU time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()
        gc.set_threshold(50_000, 10, 10)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of foreign programs before `-m` selects, and run the longest files first."""
    groups.sort_into_groups(items)
    groups.move_long_files_first(items)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Refuse foreign programs while a test without a mark runs."""
    groups.enter(item)
    try:
        return (yield)
    finally:
        groups.leave()


# A time of an example says how busy the machine is, nothing about dsops.
settings.register_profile(
    "dsops", max_examples=groups.examples(100), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("dsops")
_home_numbers = count()


@pytest.fixture(scope="session", autouse=True)
def _default_signals_in_children() -> None:
    restore_defaults_in_children()


@pytest.fixture(scope="session", autouse=True)
def _homes(tmp_path_factory: pytest.TempPathFactory) -> Generator[Path]:
    """The folder of all homes, and an environment without the user's settings: fixtures of a module find it, too."""
    folder = tmp_path_factory.mktemp("homes")
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.upper().startswith(FORGOTTEN):
                patch.delenv(name)
        # Work happens in the test's own process; tests of the agent start an agent explicitly.
        patch.setenv("DSOPS_AGENT", "off")
        # Otherwise botocore asks 169.254.169.254 for an instance's credentials, and waits.
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        _move(patch, folder / "of-modules")
        yield folder
    written = _written(tmp_path_factory.getbasetemp())
    assert not written, f"written by the tests in the user's own folders: {written}"


def _written(temporary: Path) -> list[str]:
    """The files in the user's folders of dsops that name the folder of this run."""
    folders = {find(OUTSIDE) for find in (config_folder, data_folder, state_folder)} - {""}
    found = []
    for path in (path for folder in folders for path in Path(folder).rglob("*")):
        # The user's own dsops writes here, too, and removes files.
        with suppress(OSError):
            if path.is_file() and os.fsencode(temporary) in path.read_bytes():
                found.append(str(path))
    return found


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, _homes: Path) -> Path:
    """An empty home folder of this test."""
    return _move(monkeypatch, _homes / str(next(_home_numbers)))


def _move(patch: pytest.MonkeyPatch, home: Path) -> Path:
    home.mkdir()
    patch.setenv("HOME", str(home))
    patch.setenv("USERPROFILE", str(home))
    return home


@pytest.fixture
def clock() -> FixedClock:
    """A clock that stays at noon until the test moves it."""
    return FixedClock()


@pytest.fixture
def reports() -> Reports:
    """The events reported by code that runs with the `runtime` fixture."""
    return Reports()


class RuntimeFactory(Protocol):
    """Makes a Runtime with the test's `clock` and `reports`, no prompt and an empty environment."""

    def __call__(
        self,
        environ: Mapping[str, str] | None = None,
        *,
        now: Callable[[], datetime] | None = None,
        ask: Callable[[str], Secret | None] | None = None,
        report: Callable[[Event], None] | None = None,
        random: Callable[[], float] = ...,
        folder: str = ...,
        timestamp: str = ...,
    ) -> Runtime:
        """Make the Runtime; arguments replace the defaults."""


@pytest.fixture
def runtime(clock: FixedClock, reports: Reports, tmp_path: Path) -> RuntimeFactory:
    """A factory of Runtimes: `runtime({"USER": "ada"})` has that environment, an empty folder, and noon as its time."""

    def make(
        environ: Mapping[str, str] | None = None,
        *,
        now: Callable[[], datetime] | None = None,
        ask: Callable[[str], Secret | None] | None = None,
        report: Callable[[Event], None] | None = None,
        random: Callable[[], float] = lambda: 0.5,
        folder: str = "",
        timestamp: str = "20261124T120000Z",
    ) -> Runtime:
        return make_runtime(
            environ,
            now=now or clock,
            ask=ask,
            report=report or reports,
            random=random,
            folder=folder or str(tmp_path),
            timestamp=timestamp,
        )

    return make

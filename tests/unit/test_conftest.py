"""The environment of the tests: an empty home folder, no user settings, no network beyond loopback."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsops.runtime import Event
from dsops.secret import Secret
from tests.conftest import OutsideNetworkError, RuntimeFactory
from tests.fakes import NOON, FixedClock, Person, Reports
from tests.installed import OUTSIDE


def test_home_is_an_empty_folder_of_this_test(home: Path) -> None:
    """HOME is the same empty folder for the shell, Python and child processes."""
    child = subprocess.run(["sh", "-c", "echo ~"], check=True, capture_output=True, text=True, timeout=60)

    assert [] == list(home.iterdir())
    assert str(home) == os.environ["HOME"] == str(Path.home()) == child.stdout.strip()


def test_other_peoples_programs_are_installed_for_all_tests(home: Path) -> None:
    """Third-party programs are installed once for all tests, in the HOME in which pytest was started."""
    assert "HOME" in OUTSIDE
    assert Path(OUTSIDE["HOME"]) not in {home, *home.parents}


def test_no_user_settings_are_inherited(tmp_path: Path) -> None:
    """No variable with the user's account or settings reaches a test, whatever started pytest."""
    probe = tmp_path / "test_probe.py"
    probe.write_text("import os\ndef test_probe():\n    assert 'mine' not in os.environ.values()\n")
    names = ("AWS_PROFILE", "DSOPS_CONFIG", "https_proxy", "CI", "MFA_TOKEN")
    environ = os.environ | dict.fromkeys(names, "mine") | {"PYTHONPATH": str(Path(__file__).parents[2])}
    pytest_command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(probe)]

    def run(*options: str) -> int:
        command = [*pytest_command, *options]
        return subprocess.run(
            command, env=environ, cwd=tmp_path, check=False, capture_output=True, timeout=60
        ).returncode

    assert 1 == run()
    assert 0 == run("-p", "tests.conftest")


@pytest.mark.parametrize("address", [("192.0.2.1", 80), ("2001:db8::1", 80)])
def test_a_connection_off_loopback_is_refused(address: tuple[str, int]) -> None:
    """Connecting beyond loopback raises an error at once; the error is not an OSError."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with socket.socket(family) as connection, pytest.raises(OutsideNetworkError, match="only reach loopback"):
        connection.connect(address)


def test_a_name_off_loopback_is_not_looked_up() -> None:
    """A foreign host name is refused before any name server is queried."""
    with pytest.raises(OutsideNetworkError, match=r"sts\.amazonaws\.com"):
        socket.create_connection(("sts.amazonaws.com", 443), timeout=1)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_loopback_is_reached(host: str) -> None:
    """A server on loopback is reachable by address and by name."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection((host, server.getsockname()[1]), timeout=5) as connection,
    ):
        assert "127.0.0.1" == connection.getpeername()[0]


@given(number=st.integers())
def test_properties_run_under_the_guard(number: int) -> None:
    """The guard also works with hypothesis, which sets up the fixture once for all examples of a property."""
    assert number == int(str(number))
    assert "AWS_PROFILE" not in os.environ


def test_a_runtime_is_the_tests_own_world(runtime: RuntimeFactory, clock: FixedClock, reports: Reports) -> None:
    """A Runtime uses the test's clock and reports, and inherits no environment variables."""
    world = runtime({"USER": "ada"})

    clock.advance(90)
    world.report(Event("credentials.issued", {"store": "prod"}))

    assert {"USER": "ada"} == world.environ
    assert 90 == (world.now() - NOON).total_seconds()
    assert ["credentials.issued"] == reports.names
    assert [{"store": "prod"}] == reports.facts("credentials.issued")
    assert world.ask("code?") is None


def test_a_person_answers_in_turn() -> None:
    """A stub Person gives its answers in order, then None, and remembers the questions."""
    person = Person("123456")

    assert Secret("123456") == person("first?")
    assert person("second?") is None
    assert ["first?", "second?"] == person.asked

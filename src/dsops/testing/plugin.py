"""The pytest plugin of dsops. It defines fixtures, and imports their implementation when a test uses one.

If dsops is installed, every pytest run loads this file. Therefore it imports nothing of dsops or moto.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dsops.testing.fixtures import Assume
    from dsops.testing.local_aws import LocalAws, SandboxAccount, SandboxClock, SeedLike
    from dsops.testing.process import SandboxProcess

# Contract tests run in a plugin's test class. So pytest must rewrite their assertions, as it does the plugin's own.
pytest.register_assert_rewrite("dsops.testing.contracts")


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker `sandbox_seed`, for `pytest --markers` and `--strict-markers`."""
    config.addinivalue_line(
        "markers",
        "sandbox_seed(seed): the seed of this test's `sandbox`: YAML text, a mapping, a Seed, or a Path "
        "(relative to the test's file); overrides the fixture `sandbox_seed`",
    )


@pytest.fixture
def sandbox_seed() -> SeedLike:
    """The seed of the fixture `sandbox`. Override it in a conftest.py, parametrize it, or use the mark `sandbox_seed`.

    If the seed is None, the sandbox has one account, 123456789012, with a user `admin`.
    """
    return None


@pytest.fixture(scope="session")
def _sandbox_process() -> Iterator[SandboxProcess]:
    """The process that runs all sandboxes of this pytest run (or xdist worker). The first sandbox starts it."""
    from dsops.testing.process import SandboxProcess

    with SandboxProcess() as process:
        yield process


@pytest.fixture
def sandbox(
    request: pytest.FixtureRequest, sandbox_seed: SeedLike, _sandbox_process: SandboxProcess
) -> Iterator[LocalAws]:
    """A local AWS on a free port of 127.0.0.1, for this test only."""
    from dsops.testing.local_aws import LocalAws

    marker = request.node.get_closest_marker("sandbox_seed")
    seed = marker.args[0] if marker is not None and marker.args else sandbox_seed
    with LocalAws(_sandbox_process.do, seed, request.path.parent) as running:
        yield running


@pytest.fixture
def sandbox_account(sandbox: LocalAws) -> SandboxAccount:
    """The sandbox's default account, to which users, roles, secrets and parameters can be added."""
    return sandbox.account()


@pytest.fixture
def sandbox_clock(sandbox: LocalAws) -> SandboxClock:
    """The sandbox's clock, which is frozen until the test moves it."""
    sandbox.clock.freeze()
    return sandbox.clock


@pytest.fixture
def sandbox_environment(sandbox: LocalAws, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Set this process's environment variables to those of the sandbox's default user, until the test ends."""
    import os

    variables = sandbox.environment()
    for name in set(os.environ) - set(variables):
        monkeypatch.delenv(name)
    for name, value in variables.items():
        if os.environ.get(name) != value:
            monkeypatch.setenv(name, value)
    return variables


@pytest.fixture
def assume(sandbox: LocalAws) -> Assume:
    """A function that assumes a role: `assume(ROLE_ARN, by=alice, external_id=...)` returns the session's identity."""
    from dsops.testing.fixtures import Assume

    return Assume(sandbox)

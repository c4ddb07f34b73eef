"""What pytest loads: fixtures, and no more than their names until a test asks for one.

Every run of pytest on a machine with dsops loads this file, so it imports nothing of dsops and nothing of moto.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dsops.testing.fixtures import Assume
    from dsops.testing.local_aws import LocalAws, SandboxAccount, SandboxClock, SeedLike
    from dsops.testing.process import SandboxProcess

# A test of a plugin's store is made of the contract's assertions: they explain themselves as its own do.
pytest.register_assert_rewrite("dsops.testing.contracts")


def pytest_configure(config: pytest.Config) -> None:
    """Says what the marker is, for --markers and --strict-markers."""
    config.addinivalue_line(
        "markers",
        "sandbox_seed(seed): the seed of this test's `sandbox`: YAML text, a mapping, a Seed, or a Path "
        "(relative to the test's file); overrides the fixture `sandbox_seed`",
    )


@pytest.fixture
def sandbox_seed() -> SeedLike:
    """What `sandbox` starts with; override it in a conftest.py, parametrize it, or mark a test with `sandbox_seed`.

    None is one account, 123456789012, with a user `admin`.
    """
    return None


@pytest.fixture(scope="session")
def _sandbox_process() -> Iterator[SandboxProcess]:
    """The process of all sandboxes of this run (of this worker, with pytest-xdist); the first sandbox starts it."""
    from dsops.testing.process import SandboxProcess

    with SandboxProcess() as process:
        yield process


@pytest.fixture
def sandbox(
    request: pytest.FixtureRequest, sandbox_seed: SeedLike, _sandbox_process: SandboxProcess
) -> Iterator[LocalAws]:
    """A local AWS on a free port of 127.0.0.1, this test's own and gone with it."""
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
    """The sandbox's clock, standing still until the test moves it."""
    sandbox.clock.freeze()
    return sandbox.clock


@pytest.fixture
def sandbox_environment(sandbox: LocalAws, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """This process's environment made to be the sandbox's default user, for code that reads it; undone afterwards."""
    import os

    wanted = sandbox.environment()
    for name in set(os.environ) - set(wanted):
        monkeypatch.delenv(name)
    for name, value in wanted.items():
        if os.environ.get(name) != value:
            monkeypatch.setenv(name, value)
    return wanted


@pytest.fixture
def assume(sandbox: LocalAws) -> Assume:
    """`assume(ROLE_ARN, by=alice, external_id=...)` is whoever the role's session is."""
    from dsops.testing.fixtures import Assume

    return Assume(sandbox)

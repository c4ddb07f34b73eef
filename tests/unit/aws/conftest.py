"""Both drivers, and a certificate authority."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dsops.aws.http.transport import CurlDriver, open_driver
from dsops.aws.http.transport_urllib3 import ThreadDriver
from tests.stubs.authority import Authority, make_authority
from tests.unit.aws.profiles import World


@pytest.fixture(params=["pycurl", "urllib3"])
def driver(request: pytest.FixtureRequest) -> Iterator[CurlDriver | ThreadDriver]:
    """Each driver in turn: what one does, the other does."""
    opened = open_driver({"DSOPS_TRANSPORT": request.param})
    assert isinstance(opened, CurlDriver | ThreadDriver)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Who signs the stub servers' certificates."""
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def world(home: Path, tmp_path: Path) -> World:
    """An empty ~/.aws."""
    return World(home, tmp_path)

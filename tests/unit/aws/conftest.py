"""Fixtures: both HTTP drivers, a certificate authority, a home folder with AWS files."""

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
    """Each driver (libcurl, urllib3) in turn: the tests hold for both."""
    opened = open_driver({"DSOPS_TRANSPORT": request.param})
    assert isinstance(opened, CurlDriver | ThreadDriver)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The authority that signs the stub servers' certificates."""
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def world(home: Path, tmp_path: Path) -> World:
    """A home folder with an empty ~/.aws."""
    return World(home, tmp_path)

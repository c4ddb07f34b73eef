"""The real rsyslog reads the audit trail's syslog messages from datagram and stream sockets."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dsops.audit import syslog
from dsops.audit.sinks import SYSLOG, Sink
from tests.children import Child
from tests.terminal import PATIENCE_SECONDS

PROGRAM = shutil.which("rsyslogd") or shutil.which("rsyslogd", path="/usr/sbin")

CONFIGURATION = """
module(load="imuxsock" SysSock.Use="off")
module(load="imptcp")
template(name="seen" type="string" string="%syslogfacility-text% %syslogseverity-text% %app-name% %procid%|%msg%\\n")
input(type="imuxsock" Socket="{folder}/datagrams" CreatePath="on")
input(type="imptcp" path="{folder}/stream")
action(type="omfile" file="{folder}/seen" template="seen")
"""

LINES = [
    json.dumps({"eventTime": "2026-11-24T12:00:00Z", "eventName": name, **more, "additionalEventData": {"pid": 4711}})
    for name, more in (("AssumeRole", {}), ("GetSecretValue", {"errorCode": "AccessDenied"}))
]


@pytest.fixture
def rsyslog(tmp_path: Path) -> Iterator[Path]:
    """A running rsyslog; yields the folder of its sockets and output."""
    if PROGRAM is None:
        pytest.skip("rsyslog is not installed")
    file = tmp_path / "rsyslog.conf"
    file.write_text(CONFIGURATION.format(folder=tmp_path))
    with Child(
        [PROGRAM, "-n", "-f", str(file), "-i", str(tmp_path / "pid")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            _wait(tmp_path / "datagrams")
            _wait(tmp_path / "stream")
            yield tmp_path
        finally:
            process.kill()  # rsyslog would take ten seconds to end on SIGTERM


def _wait(path: Path, lines: int = 0) -> str:
    """Wait until the file exists with this many lines; return its text."""
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        if path.exists() and (not lines or path.read_text().count("\n") >= lines):
            return path.read_text() if lines else ""
        time.sleep(0.01)
    raise AssertionError(f"waited in vain for {path}")


@pytest.mark.parametrize("kind", ["datagrams", "stream"])
def test_rsyslog_reads_program_process_facility_and_severity(rsyslog: Path, kind: str) -> None:
    """rsyslog reads each message's program, process id, facility and severity, and the line unchanged."""
    syslog.send(Sink(SYSLOG, str(rsyslog / kind)), [line.encode() for line in LINES])
    seen = [line.partition("|") for line in _wait(rsyslog / "seen", len(LINES)).splitlines()]
    assert [head for head, _, _ in seen] == ["authpriv notice dsops 4711", "authpriv warning dsops 4711"]
    assert [text.strip() for _, _, text in seen] == LINES

"""The file is a valid recording at any time: while the run lasts, after it was killed, and at its end."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from dsops.errors import FileNotWritten, RecordingInvalid
from dsops.recording.call import RecordedCall
from dsops.recording.reading import read_recordings
from dsops.recording.recorder import RunRecorder
from tests.unit.recording.calls import BUCKET, call


def test_calls_are_in_the_file_before_the_run_ends(tmp_path: Path) -> None:
    """A call is appended at once; the end of the run adds the counts."""
    path = tmp_path / "run.jsonl"
    recorder = RunRecorder(str(path))
    for _ in range(3):
        recorder.add(call("s3:GetObject", f"{BUCKET}/a"))

    during = read_recordings([str(path)], "")
    recorder.close()
    after = read_recordings([str(path)], "")

    assert ([1], False) == ([each.times for each in during.calls], during.is_complete)
    assert ([3], True) == ([each.times for each in after.calls], after.is_complete)


def test_no_secret_gets_into_the_file(tmp_path: Path) -> None:
    """The file has no external ID, and only its owner can read it."""
    recorder = RunRecorder(str(tmp_path / "run.jsonl"))
    recorder.add(RecordedCall("sts:AssumeRole", "arn:aws:iam::1:role/x", "allowed", {"sts:ExternalId": ("hush",)}))
    recorder.close()

    assert "hush" not in (tmp_path / "run.jsonl").read_text(encoding="utf-8")
    assert "sts:ExternalId" in (tmp_path / "run.jsonl").read_text(encoding="utf-8")
    assert 0o600 == stat.S_IMODE((tmp_path / "run.jsonl").stat().st_mode)


def test_a_killed_run_leaves_a_valid_recording(tmp_path: Path) -> None:
    """SIGKILL leaves each distinct call in the file."""
    path = tmp_path / "run.jsonl"
    script = (
        "import os, signal\n"
        "from dsops.recording.call import RecordedCall\n"
        "from dsops.recording.recorder import RunRecorder\n"
        f"recorder = RunRecorder({str(path)!r})\n"
        "for number in range(50):\n"
        "    recorder.add(RecordedCall('s3:GetObject', f'arn:aws:s3:::b/{number % 20}', 'allowed'))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )

    result = subprocess.run([sys.executable, "-c", script], check=False, timeout=60)

    assert -signal.SIGKILL == result.returncode
    assert 20 == len(read_recordings([str(path)], "").calls)


def test_threads_can_add_calls(tmp_path: Path) -> None:
    """Calls of several threads are all counted, and each distinct call has one line."""
    recorder = RunRecorder(str(tmp_path / "run.jsonl"))

    def add() -> None:
        for number in range(200):
            recorder.add(call("s3:GetObject", f"{BUCKET}/{number % 10}"))

    threads = [threading.Thread(target=add, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    recorder.close()

    assert [80] * 10 == [each.times for each in read_recordings([str(tmp_path / "run.jsonl")], "").calls]


@pytest.mark.parametrize(
    "odd",
    [
        call("s3:GetObject", "not an ARN"),
        call("s3:*", f"{BUCKET}/a"),
        call("s3:GetObject", f"{BUCKET}/{'k' * 5000}"),
        call("s3:GetObject", f"{BUCKET}/\ud800"),
        call("s3:ListBucket", BUCKET, s3__prefix="\udfff"),
    ],
)
def test_a_call_that_a_recording_cant_contain_is_counted(tmp_path: Path, odd: RecordedCall) -> None:
    """A malformed call is left out, so that the file stays valid."""
    recorder = RunRecorder(str(tmp_path / "run.jsonl"))
    recorder.add(odd)
    recorder.add(call("s3:GetObject", f"{BUCKET}/line\nbreak"))
    recorder.close()

    assert 1 == recorder.skipped
    assert [f"{BUCKET}/line\nbreak"] == [
        each.call.resource for each in read_recordings(["run.jsonl"], str(tmp_path)).calls
    ]


def test_an_error_of_the_disk_is_told_at_the_end(tmp_path: Path) -> None:
    """`add` never fails. `close` raises an error if the file can't be replaced."""
    folder = tmp_path / "gone"
    folder.mkdir()
    recorder = RunRecorder(str(folder / "run.jsonl"))
    os.close(recorder._descriptor)
    recorder._descriptor = os.open("/dev/full", os.O_WRONLY)
    recorder.add(call("s3:GetObject", f"{BUCKET}/a"))
    (folder / "run.jsonl").unlink()
    folder.rmdir()

    with pytest.raises(FileNotWritten) as raised:
        recorder.close()

    assert "name another file with `--record`" == raised.value.hint


def test_a_full_disk_leaves_a_valid_recording(tmp_path: Path) -> None:
    """After a line could not be appended, `write` writes all calls once there is space again."""
    path = tmp_path / "run.jsonl"
    recorder = RunRecorder(str(path))
    own = recorder._descriptor
    recorder._descriptor = os.open("/dev/full", os.O_WRONLY)
    recorder.add(call("s3:GetObject", f"{BUCKET}/a"))
    os.close(recorder._descriptor)
    recorder._descriptor = own
    recorder.add(call("s3:GetObject", f"{BUCKET}/b"))

    assert () == read_recordings([str(path)], "").calls
    recorder.close()
    assert 2 == len(read_recordings([str(path)], "").calls)


@pytest.mark.parametrize("kind", ["folder", "link"])
def test_only_a_regular_file_is_replaced(tmp_path: Path, kind: str) -> None:
    """A link could lead to any file."""
    path = tmp_path / "run.jsonl"
    if kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(tmp_path / "other")

    with pytest.raises(FileNotWritten):
        RunRecorder(str(path))


def test_every_file_that_cant_be_read_is_reported(tmp_path: Path) -> None:
    """Missing files, bytes that are no text and malformed files are reported together."""
    (tmp_path / "binary").write_bytes(b'{"dsops_recording": 1}\n\xff\n')
    (tmp_path / "other").write_text("{}\n", encoding="utf-8")

    with pytest.raises(RecordingInvalid) as raised:
        read_recordings(["missing", "binary", "other", "other"], str(tmp_path))

    assert [
        ("missing", "the recording can't be read: no such file or directory"),
        ("binary:2", "the recording is not UTF-8"),
        ("other:1", "this is not a recording: its first line has no `dsops_recording`"),
    ] == [(str(each.where), each.message) for each in raised.value.problems]

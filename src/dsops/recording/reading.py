"""Read recordings from files."""

from __future__ import annotations

import os
from collections.abc import Iterable

from dsops.errors import Problem, RecordingInvalid, Where
from dsops.input_file import read_whole, reason
from dsops.recording.format import Recording, merged, parse_recording

_MOST_BYTES = 1 << 26
"""The maximum size of a recording. 64 MiB have room for 150,000 distinct calls."""


def read_recordings(names: Iterable[str], folder: str) -> Recording:
    """Return the merged recordings of the files. Relative names start at `folder`.

    Raises RecordingInvalid with every problem of every file.
    """
    recordings: list[Recording] = []
    problems: list[Problem] = []
    files = list(dict.fromkeys(names))
    for name in files:
        recording = _read(name, folder, problems)
        if recording is not None:
            recordings.append(recording)
    if problems:
        subject = files[0] if len(files) == 1 else "the recordings"
        raise RecordingInvalid(f"{subject} can't be used", problems=tuple(problems))
    return merged(recordings)


def _read(name: str, folder: str, problems: list[Problem]) -> Recording | None:
    hint = "`dsops exec --record FILE -- COMMAND` writes recordings"
    try:
        data = read_whole(os.path.join(folder, name), _MOST_BYTES, takes_pipes=True)
    except OSError as error:
        problems.append(Problem(Where(name), "", f"the recording can't be read: {reason(error)}", hint))
        return None
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        problems.append(Problem(Where(name, line), "", "the recording is not UTF-8", hint))
        return None
    parsed = parse_recording(text, name)
    problems += parsed.problems
    return parsed.recording

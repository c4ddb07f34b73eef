"""Write the calls of a run to a recording, so that the file is valid at any time."""

from __future__ import annotations

import os
import threading

from dsops.errors import FileNotWritten
from dsops.input_file import reason
from dsops.recording.call import RecordedCall, identity_of, recordable
from dsops.recording.format import CountedCall, Recording, call_line, head_line, is_valid
from dsops.render.file import write_private

_HINT = "name another file with `--record`"


class RunRecorder:
    """Records the calls of one run. Methods can be called from several threads.

    The file is replaced when the recorder is created. Each new call is appended at once. `write` replaces the file by
    the complete recording, with the counts of the calls. So a run that is killed leaves a valid recording, which lacks
    only the counts.
    """

    def __init__(self, path: str) -> None:
        """Create the file, with mode 0600. Raises FileNotWritten."""
        self.skipped = 0
        """The number of calls that a recording can't contain, because the action or the ARN is malformed."""
        self._path = path
        self._calls: dict[tuple[object, ...], CountedCall] = {}
        self._lock = threading.Lock()
        self._is_broken = False
        """Whether a line could not be appended. Further lines could then follow a cut line, so none is appended."""
        self._descriptor = _replace(path, head_line(is_complete=False))

    def add(self, call: RecordedCall) -> None:
        """Record a call. Never fails: an error of the disk is raised by `write`."""
        call = recordable(call)
        key = identity_of(call)
        with self._lock:
            known = self._calls.get(key)
            if known is not None:
                self._calls[key] = known._replace(times=known.times + 1)
            elif is_valid(call):
                self._calls[key] = CountedCall(call, 1)
                self._append(call_line(call, 1))
            else:
                self.skipped += 1

    def recording(self) -> Recording:
        """Return the calls so far."""
        with self._lock:
            return Recording(tuple(self._calls.values()), is_complete=False)

    def write(self) -> None:
        """Write the complete recording atomically. Calls that are added later are appended to it.

        Raises FileNotWritten. The file then still has the calls that could be appended.
        """
        with self._lock:
            lines = [head_line(is_complete=True), *[call_line(call, times) for call, times in self._calls.values()]]
            descriptor = _replace(self._path, b"".join(lines))
            os.close(self._descriptor)
            self._descriptor, self._is_broken = descriptor, False

    def close(self) -> None:
        """Write the complete recording and close the file. Raises FileNotWritten."""
        try:
            self.write()
        finally:
            with self._lock:
                os.close(self._descriptor)

    def _append(self, line: bytes) -> None:
        if not self._is_broken:
            try:
                self._is_broken = os.write(self._descriptor, line) < len(line)
            except OSError:
                self._is_broken = True


def _replace(path: str, data: bytes) -> int:
    """Replace the file atomically; return a descriptor that appends to it. Raises FileNotWritten."""
    try:
        write_private(path, data)
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
    except FileNotWritten as error:
        raise FileNotWritten(error.message, why=error.why, hint=_HINT) from error
    except OSError as error:
        raise FileNotWritten(f"`{path}` was not written", why=reason(error), hint=_HINT) from error

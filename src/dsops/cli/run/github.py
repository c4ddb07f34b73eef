"""GitHub Actions: sets variables for later steps, and masks values in the log."""

from __future__ import annotations

import os
from collections.abc import Iterable
from stat import S_ISREG

from dsops.cli.framework.output import answer_bytes
from dsops.errors import FileNotWritten, UsageError
from dsops.process.secret_spellings import SHORTEST
from dsops.runtime import Runtime
from dsops.secret import Secret


def mask_lines(secrets: Iterable[Secret]) -> bytes:
    """Return workflow commands that mask each line of these values; the runner does not show the commands.

    https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#masking-a-value-in-a-log
    """
    lines = [line for secret in secrets for line in secret.reveal_bytes().splitlines() if len(line) >= SHORTEST]
    return b"".join(b"::add-mask::%s\n" % line.replace(b"%", b"%25") for line in dict.fromkeys(lines))


def require_step(out: str, runtime: Runtime) -> str:
    """Return the path in GITHUB_ENV. Raises UsageError if no runner reads that file and stdout.

    Call this before anything is fetched: without a runner, the commands that mask values would show the values.
    """
    if runtime.environ.get("GITHUB_ACTIONS") != "true" or not runtime.environ.get("GITHUB_ENV"):
        raise UsageError(
            "`--format github` works only in a step of GitHub Actions",
            why="GITHUB_ACTIONS is not `true`, or GITHUB_ENV is not set",
            hint="outside of GitHub Actions, use another format",
        )
    if out:
        raise UsageError(
            "`--format github` takes no `--out`",
            why="it writes to the file in GITHUB_ENV",
            hint="leave out `--out`, or use `--format dotenv`",
        )
    if S_ISREG(os.fstat(1).st_mode):
        raise UsageError(
            "`--format github` can't print to a file",
            why="the runner reads from stdout which values to mask; in a file, the values would stay unmasked",
            hint="leave out the `>`: dsops adds the variables to the file in GITHUB_ENV",
        )
    return runtime.environ["GITHUB_ENV"]


def export(text: bytes, hidden: Iterable[Secret], path: str) -> None:
    """Make the runner mask the values, then append the variables to the runner's file."""
    answer_bytes(mask_lines(hidden))
    try:
        # The runner creates the file before the step, so a missing file is an error and is not created here.
        with open(os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC), "rb+", buffering=0) as file:
            size = file.seek(0, os.SEEK_END)
            is_open_line = size > 0 and os.pread(file.fileno(), 1, size - 1) != b"\n"
            data = b"\n" * is_open_line + text
            while data:
                data = data[file.write(data) :]
    except OSError as error:
        raise FileNotWritten(
            f"`{path}` was not written",
            why=os.strerror(error.errno or 0).lower(),
            hint="check GITHUB_ENV: it must name the file that the runner creates for each step",
        ) from error

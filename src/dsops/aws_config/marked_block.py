"""The lines between two marker comments, which dsops replaces in a user's file while all other lines stay."""

from __future__ import annotations

from collections.abc import Sequence

from dsops.errors import ConfigUnreadable, Where


def find_block(lines: Sequence[str], begin: str, end: str, shown: str) -> tuple[int, int] | None:
    """Return the indexes of the two marker lines, or None without a block. Indentation of the markers is ignored.

    `shown` is the file's name for the error. Raises ConfigUnreadable if one of the markers is missing or repeated.
    """
    marks = [line.strip() for line in lines]
    starts = [number for number, line in enumerate(marks) if line == begin]
    ends = [number for number, line in enumerate(marks) if line == end]
    if not starts and not ends:
        return None
    if len(starts) != 1 or len(ends) != 1 or ends[0] < starts[0]:
        number = (starts or ends)[0] + 1
        raise ConfigUnreadable(
            f"{shown} lacks one of the two comments around the lines that dsops wrote",
            hint=f"remove these lines and the remaining comment (the closing comment is `{end}`)",
            where=Where(shown, number),
        )
    return starts[0], ends[0]

"""Follow a trail from a position: no line is lost or repeated while files rotate, vanish or are replaced."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from dsops.audit.following import Position, end_of, look
from dsops.audit.settings import TrailLimits
from dsops.audit.trail import append
from dsops.errors import TrailUnreadable

NOW = 1_795_000_000
SMALL = TrailLimits(max_bytes=4096, keep=10_000)


def body(name: str, **facts: object) -> bytes:
    """Return the JSON body of a line."""
    return json.dumps({"eventName": name, "additionalEventData": facts}, separators=(",", ":")).encode()


def mark(name: str, facts: Mapping[str, object]) -> bytes:
    """Return the JSON body of a line about the trail itself."""
    return body(name, **facts)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of a trail that does not exist yet."""
    return tmp_path / "state" / "audit.jsonl"


def write(path: Path, *names: str, limits: TrailLimits = TrailLimits()) -> None:  # noqa: B008 - a value
    """Append a line for each name."""
    for name in names:
        append(str(path), [body(name)], mark, NOW, limits)


def events(path: Path, position: Position, most_bytes: int = 1 << 20) -> tuple[list[str], Position]:
    """Return the event names of all lines after the position, and the new position."""
    collected: list[str] = []
    for _ in range(10_000):
        seen = look(str(path), position, most_bytes)
        if not seen.lines:
            return collected, seen.position
        collected += [json.loads(line)["eventName"] if line.startswith(b"{") else "?" for line in seen.lines]
        position = seen.position
    raise AssertionError("there is no end")


def test_a_trail_that_has_not_begun_has_nothing_and_then_all(path: Path) -> None:
    """Following a trail that does not exist gives no lines, and all lines once the trail is created."""
    place = end_of(str(path))
    assert events(path, place) == ([], place)
    write(path, "A", "B")
    event_names, place = events(path, place)
    assert event_names == ["A", "B"]
    assert place.number == 2


def test_what_comes_behind_the_end_comes_once(path: Path) -> None:
    """Lines after the position are returned once; lines before the position are not returned."""
    write(path, "A", "B")
    place = end_of(str(path))
    assert events(path, place)[0] == []
    write(path, "C")
    event_names, place = events(path, place)
    assert event_names == ["C"]
    assert events(path, place)[0] == []


def test_a_line_that_is_not_whole_is_waited_for(path: Path) -> None:
    """An incomplete last line is not read until it is complete."""
    write(path, "A")
    place = end_of(str(path))
    with path.open("ab") as file:
        file.write(b'{"eventName"')
    assert events(path, place)[0] == []
    with path.open("ab") as file:
        file.write(b':"B"}\n')
    assert events(path, place)[0] == ["B"]


def test_lines_are_followed_into_files_that_were_put_away(path: Path) -> None:
    """Lines are read across rotated files, however many there are."""
    names = [f"E{number}" for number in range(200)]
    write(path, *names[:50], limits=SMALL)
    place = end_of(str(path))
    write(path, *names[50:], limits=SMALL)
    assert len(list(path.parent.glob("audit.*.jsonl"))) > 3
    assert events(path, place)[0] == names[50:]
    assert events(path, place, most_bytes=300)[0] == names[50:]
    assert events(path, Position(), most_bytes=300)[0] == names


def test_files_that_were_removed_leave_a_gap_and_the_rest_is_read(path: Path) -> None:
    """Removed files leave a gap in the line numbers, and the remaining lines are returned."""
    write(path, *(f"E{number}" for number in range(50)), limits=SMALL)
    place = end_of(str(path))
    write(path, *(f"F{number}" for number in range(150)), limits=SMALL)
    for file in sorted(path.parent.glob("audit.*.jsonl"))[:-1]:
        file.unlink()
    event_names, end = events(path, place)
    assert event_names[-1] == "F149"
    assert 0 < len(event_names) < 150
    assert end.number == 200


def test_a_trail_that_was_started_again_is_read_from_its_start(path: Path) -> None:
    """If a trail was deleted and started again, it is read from its start, even if the inode numbers are the same."""
    write(path, "A", "B", "C")
    place = end_of(str(path))
    for file in path.parent.iterdir():
        file.unlink()
    write(path, "D", "E", "F", "G")
    assert events(path, place)[0] == ["D", "E", "F", "G"]


def test_a_place_is_found_in_a_file_of_another_number(path: Path) -> None:
    """If the file has another inode (as after a restore), the position is found by the line's hash."""
    write(path, "A", "B")
    place = end_of(str(path))
    write(path, "C")
    copy = path.with_name("copy")
    copy.write_bytes(path.read_bytes())
    path.unlink()
    copy.rename(path)
    assert events(path, place)[0] == ["C"]


def test_a_file_whose_end_was_cut_is_read_from_its_start(path: Path) -> None:
    """If the last line that was read was cut off, the file is read again from its start.

    Repeated lines are better than lost ones.
    """
    write(path, "A", "B", "C")
    place = end_of(str(path))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:2]))
    event_names, place = events(path, place)
    assert event_names == ["A", "B"]
    assert events(path, place)[0] == []


def test_what_is_no_line_of_a_trail_passes_by(path: Path) -> None:
    """Invalid lines are returned, and the position moves past them."""
    write(path, "A")
    place = end_of(str(path))
    with path.open("ab") as file:
        file.write(b"not ours\n")
    event_names, place = events(path, place)
    assert event_names == ["?"]
    assert events(path, place)[0] == []
    with path.open("ab") as file:
        file.write(b"nor this\n")
    assert events(path, place)[0] == ["?"]


def test_what_is_no_file_is_refused(path: Path) -> None:
    """A pipe or folder in place of the trail is refused without waiting for a writer."""
    path.parent.mkdir()
    os.mkfifo(path)
    with pytest.raises(TrailUnreadable, match="is not a regular file"):
        look(str(path), Position())
    path.unlink()
    path.mkdir()
    with pytest.raises(TrailUnreadable):
        end_of(str(path))


def test_while_many_write_and_files_are_put_away_each_line_comes_once(path: Path) -> None:
    """While four threads write and files rotate, each line is returned once and in order."""
    writers = [threading.Thread(target=lambda: write(path, *(["E"] * 60), limits=SMALL), daemon=True) for _ in range(4)]
    for writer in writers:
        writer.start()
    numbers: list[int] = []
    place = Position()
    for _ in range(1_000_000):
        is_over = not any(writer.is_alive() for writer in writers)
        seen = look(str(path), place)
        place = seen.position
        numbers += [json.loads(line)["chain"]["number"] for line in seen.lines]
        if is_over and not seen.lines:
            break
    assert numbers == list(range(1, 241))


@pytest.mark.parametrize("most_bytes", [100, 1 << 20])
def test_a_line_longer_than_any_of_dsops_is_passed_over(path: Path, most_bytes: int) -> None:
    """An overlong line, which dsops never writes, is skipped and reported; the following lines are returned."""
    write(path, "A")
    place = end_of(str(path))
    with path.open("ab") as file:
        file.write(b"x" * (9 << 20))
    assert events(path, place, most_bytes) == ([], place)
    with path.open("ab") as file:
        file.write(b"\n")
    write(path, "B", "C")
    event_names, place = events(path, place, most_bytes)
    assert event_names == ["TrailDamaged", "B", "C"]
    assert events(path, place, most_bytes) == ([], place)

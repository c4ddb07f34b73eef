"""Lines since a place in the trail: none is lost or told twice, whatever becomes of the files."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from dsops.audit.following import Position, end_of, look
from dsops.audit.trail import TrailLimits, append
from dsops.errors import TrailUnreadable

NOW = 1_795_000_000
SMALL = TrailLimits(max_bytes=4096, keep=10_000)


def body(name: str, **facts: object) -> bytes:
    """A line's content."""
    return json.dumps({"eventName": name, "additionalEventData": facts}, separators=(",", ":")).encode()


def mark(name: str, facts: Mapping[str, object]) -> bytes:
    """That of a line about the trail."""
    return body(name, **facts)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a trail may be."""
    return tmp_path / "state" / "audit.jsonl"


def write(path: Path, *names: str, limits: TrailLimits = TrailLimits()) -> None:  # noqa: B008 - a value
    """Adds a line for each name."""
    for name in names:
        append(str(path), [body(name)], mark, NOW, limits)


def events(path: Path, position: Position, most_bytes: int = 1 << 20) -> tuple[list[str], Position]:
    """The names of all that comes behind the place, and where it ends."""
    found: list[str] = []
    for _ in range(10_000):
        seen = look(str(path), position, most_bytes)
        if not seen.lines:
            return found, seen.position
        found += [json.loads(line)["eventName"] if line.startswith(b"{") else "?" for line in seen.lines]
        position = seen.position
    raise AssertionError("there is no end")


def test_a_trail_that_has_not_begun_has_nothing_and_then_all(path: Path) -> None:
    """Not even its folder is there."""
    place = end_of(str(path))
    assert events(path, place) == ([], place)
    write(path, "A", "B")
    found, place = events(path, place)
    assert found == ["A", "B"]
    assert place.number == 2


def test_what_comes_behind_the_end_comes_once(path: Path) -> None:
    """And what was there before does not."""
    write(path, "A", "B")
    place = end_of(str(path))
    assert events(path, place)[0] == []
    write(path, "C")
    found, place = events(path, place)
    assert found == ["C"]
    assert events(path, place)[0] == []


def test_a_line_that_is_not_whole_is_waited_for(path: Path) -> None:
    """Its first half is nobody's line."""
    write(path, "A")
    place = end_of(str(path))
    with path.open("ab") as file:
        file.write(b'{"eventName"')
    assert events(path, place)[0] == []
    with path.open("ab") as file:
        file.write(b':"B"}\n')
    assert events(path, place)[0] == ["B"]


def test_lines_are_followed_into_files_that_were_put_away(path: Path) -> None:
    """However many there were since the last look."""
    names = [f"E{number}" for number in range(200)]
    write(path, *names[:50], limits=SMALL)
    place = end_of(str(path))
    write(path, *names[50:], limits=SMALL)
    assert len(list(path.parent.glob("audit.*.jsonl"))) > 3
    assert events(path, place)[0] == names[50:]
    assert events(path, place, most_bytes=300)[0] == names[50:]
    assert events(path, Position(), most_bytes=300)[0] == names


def test_files_that_were_removed_leave_a_gap_and_the_rest_is_read(path: Path) -> None:
    """The numbers tell how many lines are missing."""
    write(path, *(f"E{number}" for number in range(50)), limits=SMALL)
    place = end_of(str(path))
    write(path, *(f"F{number}" for number in range(150)), limits=SMALL)
    for file in sorted(path.parent.glob("audit.*.jsonl"))[:-1]:
        file.unlink()
    found, end = events(path, place)
    assert found[-1] == "F149"
    assert 0 < len(found) < 150
    assert end.number == 200


def test_a_trail_that_was_begun_anew_is_read_from_its_start(path: Path) -> None:
    """Also where the new file has the number of the old one, and as many lines."""
    write(path, "A", "B", "C")
    place = end_of(str(path))
    for file in path.parent.iterdir():
        file.unlink()
    write(path, "D", "E", "F", "G")
    assert events(path, place)[0] == ["D", "E", "F", "G"]


def test_a_place_is_found_in_a_file_of_another_number(path: Path) -> None:
    """A home that was moved, or restored from a copy: the line's hash is what counts."""
    write(path, "A", "B")
    place = end_of(str(path))
    write(path, "C")
    copy = path.with_name("copy")
    copy.write_bytes(path.read_bytes())
    path.unlink()
    copy.rename(path)
    assert events(path, place)[0] == ["C"]


def test_a_file_whose_end_was_cut_is_read_from_its_start(path: Path) -> None:
    """The last line that was read is gone, and nothing tells where to go on: twice is better than not."""
    write(path, "A", "B", "C")
    place = end_of(str(path))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:2]))
    found, place = events(path, place)
    assert found == ["A", "B"]
    assert events(path, place)[0] == []


def test_what_is_no_line_of_a_trail_passes_by(path: Path) -> None:
    """The place behind it is kept all the same."""
    write(path, "A")
    place = end_of(str(path))
    with path.open("ab") as file:
        file.write(b"not ours\n")
    found, place = events(path, place)
    assert found == ["?"]
    assert events(path, place)[0] == []
    with path.open("ab") as file:
        file.write(b"nor this\n")
    assert events(path, place)[0] == ["?"]


def test_what_is_no_file_is_refused(path: Path) -> None:
    """Nobody waits for a pipe's other end."""
    path.parent.mkdir()
    os.mkfifo(path)
    with pytest.raises(TrailUnreadable, match="is not a regular file"):
        look(str(path), Position())
    path.unlink()
    path.mkdir()
    with pytest.raises(TrailUnreadable):
        end_of(str(path))


def test_while_many_write_and_files_are_put_away_each_line_comes_once(path: Path) -> None:
    """In the order of their numbers."""
    writers = [threading.Thread(target=lambda: write(path, *(["E"] * 60), limits=SMALL)) for _ in range(4)]
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
    """Somebody else's, which would be looked at for ever: what stands behind it is told, once it has ended."""
    write(path, "A")
    place = end_of(str(path))
    with path.open("ab") as file:
        file.write(b"x" * (9 << 20))
    assert events(path, place, most_bytes) == ([], place)
    with path.open("ab") as file:
        file.write(b"\n")
    write(path, "B", "C")
    found, place = events(path, place, most_bytes)
    assert found == ["TrailDamaged", "B", "C"]
    assert events(path, place, most_bytes) == ([], place)

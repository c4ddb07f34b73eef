"""Log files are decompressed for DuckDB, and every file gives the same records as DuckDB's own reader."""

from __future__ import annotations

import gzip
import json
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dsops.audit.cloudtrail import duck
from dsops.audit.cloudtrail.files import find_logs
from dsops.audit.cloudtrail.reporting import report_on
from dsops.audit.cloudtrail.texts import plain_files

if TYPE_CHECKING:
    from collections.abc import Iterator

RECORD = json.dumps({"eventTime": "2026-11-20T10:00:00Z", "eventName": "GetSecretValue", "eventSource": "a"})
ONE = f'{{"Records": [{RECORD}]}}'
TEXTS = {
    "one object": ONE,
    "two objects": f"{ONE} {ONE}",
    "an object and rubbish": f"{ONE} x",
    "white space": "  ",
    "around it": f"\n{ONE}\n\n",
    "no object": "5",
    "no records": '{"Records": null}',
    "records twice": f'{{"Records": [{RECORD}], "Records": []}}',
    "byte order mark": f"\ufeff{ONE}",
    "a trailing comma": f'{{"Records": [{RECORD},]}}',
    "not a number": '{"Records": [{"eventTime": NaN}]}',
    "half a surrogate": ONE.replace("GetSecretValue", "\\ud800"),
    "a null character": ONE.replace("GetSecretValue", "\\u0000a"),
    "a raw tab": ONE.replace("GetSecretValue", "a\tb"),
    "a number as a name": ONE.replace('"GetSecretValue"', "1e400"),
    "an object as a name": ONE.replace('"GetSecretValue"', '{"a": [1]}'),
    "a torn end": ONE[:-3],
    "a null byte at the end": ONE + "\0",
    "a comment": f"// x\n{ONE}",
    "latin": ONE.replace("GetSecretValue", "\u00e9"),
}


@contextmanager
def no_plain_files(*_: object) -> Iterator[None]:
    """Leave every file to DuckDB's reader."""
    yield None


def counts(folder: Path) -> tuple[object, ...]:
    """What the report says about the files, and its answers. The file `z` can always be read."""
    report = report_on(find_logs([str(folder)]), ["logs"])
    return report.records, report.skipped, report.calls, report.unreadable, report.answers


@pytest.mark.parametrize("ending", ["json", pytest.param("json.gz", marks=pytest.mark.nightly)])
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_text_gives_the_records_that_duckdb_reads(
    tmp_path: Path, text: str, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is odd or broken gives the records or the reason that DuckDB's reader of JSON gives."""
    content = text.encode("latin-1" if "\u00e9" in text else "utf-8")
    (tmp_path / f"a.{ending}").write_bytes(gzip.compress(content) if ending == "json.gz" else content)
    (tmp_path / f"z.{ending}").write_bytes(gzip.compress(ONE.encode()) if ending == "json.gz" else ONE.encode())

    result = counts(tmp_path)
    monkeypatch.setattr(duck, "plain_files", no_plain_files)

    assert result == counts(tmp_path)


@pytest.mark.parametrize("ending", ["json", "json.gz"])
def test_an_ordinary_text_is_parsed_once(tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ordinary files never reach `read_json_objects`, which would parse them a second time."""
    for number in range(3):
        path = tmp_path / f"{number}.{ending}"
        path.write_bytes(gzip.compress(ONE.encode()) if ending == "json.gz" else ONE.encode())
    monkeypatch.setattr(duck.CallDatabase, "_load", None)

    assert counts(tmp_path)[:2] == (3, 0)


WHOLE = gzip.compress(ONE.encode())
ODD = {
    "several members": WHOLE + WHOLE,
    "a wrong sum": WHOLE[:-8] + bytes(4) + WHOLE[-4:],
    "a wrong length": WHOLE[:-4] + b"\x01\0\0\0",
    "a torn end": WHOLE[:-9] + b"\xff\0\0\0",
}


@pytest.mark.parametrize("content", ODD.values(), ids=ODD)
def test_an_odd_gzip_file_is_left_to_duckdb(tmp_path: Path, content: bytes) -> None:
    """A gzip file that is not one whole member is not decompressed here, and nothing stays in the folder."""
    (tmp_path / "a.json.gz").write_bytes(content)
    place = tmp_path / "place"
    place.mkdir()
    (batch,) = find_logs([str(tmp_path / "a.json.gz")]).batches

    with plain_files(batch, str(place)) as paths:
        assert paths is None

    assert os.listdir(place) == []


def test_the_texts_are_removed(tmp_path: Path) -> None:
    """The texts of a batch are in files that only the user may read, until they have been read."""
    (tmp_path / "a.json.gz").write_bytes(WHOLE)
    place = tmp_path / "place"
    place.mkdir()
    (batch,) = find_logs([str(tmp_path / "a.json.gz")]).batches

    with plain_files(batch, str(place)) as paths:
        assert paths is not None
        assert [Path(path).read_text(encoding="utf-8") for path in paths] == [ONE]
        assert os.stat(os.path.dirname(paths[0])).st_mode & 0o777 == 0o700

    assert os.listdir(place) == []

"""`--mask` on hostile output: bounded time and memory, and no output is withheld forever."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dsops.process.terminal_codes import TerminalMasker

SECRET = b"hunter2-invented"
CODES = b"\x1b[m" * 20_000


def test_codes_after_what_was_let_go_are_shown_at_once() -> None:
    """After a secret's withheld first letter is released, terminal codes that follow it are shown at once."""
    masker = TerminalMasker([SECRET])
    assert masker.feed(b"name: h") + masker.release() == b"name: h"
    assert masker.feed(b"\x1b[2J") == b"\x1b[2J"
    assert masker.feed(b"\x1b[3;1H") == b"\x1b[3;1H"
    assert masker.held == 0
    assert masker.feed(b"unter2-invented") + masker.finish() == b"***"


def test_codes_behind_the_beginning_of_a_secret_have_a_bound() -> None:
    """A secret's first letter is released after a limited number of terminal codes, as when a screen is drawn."""
    masker, out = TerminalMasker([SECRET]), b"h"
    shown_text = masker.feed(b"h")
    for _ in range(20):
        shown_text += masker.feed(CODES)
        out += CODES
        assert len(out) - len(shown_text) < 5 * len(CODES)
    assert shown_text + masker.feed(b" there") + masker.finish() == out + b" there"


def test_what_is_held_back_with_many_codes_is_let_go_after_a_pause() -> None:
    """Withheld output with many terminal codes is released after a pause; codes alone are never withheld."""
    masker = TerminalMasker([SECRET])
    assert masker.feed(b"hun" + CODES) + masker.release() == b"hun" + CODES
    assert masker.feed(CODES) == CODES


def test_a_long_secret_in_colours_is_masked() -> None:
    """A long secret with colour codes around every letter is masked (counter-example)."""
    secret = bytes(ord("a") + (number * number) % 23 for number in range(8000))
    masker = TerminalMasker([secret])
    coloured = b"".join(b"\x1b[31m%c\x1b[0m" % letter for letter in secret)
    out = b"".join(masker.feed(coloured[start : start + 5000]) for start in range(0, len(coloured), 5000))
    out += masker.feed(b"!") + masker.finish()
    assert out.replace(b"\x1b[31m", b"").replace(b"\x1b[0m", b"") == b"***!"


@pytest.mark.parametrize("kind", [b"]", b"P", b"X", b"^", b"_"], ids=["OSC", "DCS", "SOS", "PM", "APC"])
def test_strings_for_the_terminal_hide_no_secret(kind: bytes) -> None:
    """A secret that a control string splits is masked, because terminals hide control strings.

    The test has all five kinds of control strings in ECMA-48.
    """
    code = b"\x1b" + kind + b"anything\x1b\\"
    for cut in range(len(code)):
        masker = TerminalMasker([SECRET])
        out = masker.feed(SECRET[:5] + code[:cut]) + masker.feed(code[cut:] + SECRET[5:] + b"!") + masker.finish()
        assert out == b"***" + code + b"!"


# A command that never stops writing, and a reader that reads nothing: `yes | less`.
WRITER = "import sys\nwhile True: sys.stdout.write('y' * 4096)"


def test_a_time_limit_counts_also_where_the_reader_takes_nothing(tmp_path: Path) -> None:
    """--timeout ends the command and dsops, even if no process reads stdout."""
    (tmp_path / "dsops.yaml").write_text("version: 1\nenvs: {a: {A: {literal: a}}}\n")
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "DSOPS_AGENT": "off"}
    words = ["exec", "--config", "dsops.yaml", "--mask", "--timeout", "1", "--", sys.executable, "-c", WRITER]
    reader, writer = os.pipe()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "dsops", *words],
            stdout=writer,
            stderr=subprocess.PIPE,
            cwd=tmp_path,
            env=environ,
            timeout=30,
            check=False,
        )
    finally:
        os.close(reader)
        os.close(writer)
    assert done.returncode == 124
    assert b"exec.timed-out" in done.stderr

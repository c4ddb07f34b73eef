"""The shell hook sets and restores values exactly, for any bytes."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsops.hook.loading import hook_code
from dsops.render.fish import quote_bytes
from dsops.render.shell import quote
from tests.property.test_quoting import byte_strings, several

OPTIONS = {"bash": ["--norc"], "zsh": ["-f"], "fish": ["--no-config"]}


def seen(file: Path) -> dict[bytes, bytes]:
    """The environment written by `env -0`."""
    pairs = (entry.partition(b"=") for entry in file.read_bytes().split(b"\0"))
    return {name: value for name, _, value in pairs if name.startswith(b"VALUE_")}


@pytest.mark.parametrize("shell", list(OPTIONS))
@several
@given(values=st.lists(st.tuples(st.none() | byte_strings, byte_strings), min_size=10, max_size=20))
def test_a_shell_sets_what_it_is_told_and_puts_back_what_was_there(
    shell: str, values: list[tuple[bytes | None, bytes]], tmp_path: Path
) -> None:
    """Each shell sets any bytes exactly and later restores the previous values; nothing is executed or printed."""
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    word = quote_bytes if shell == "fish" else quote
    before = {b"VALUE_%d" % index: old for index, (old, _) in enumerate(values) if old is not None}
    after = {b"VALUE_%d" % index: new for index, (_, new) in enumerate(values)}
    calls = b"".join(b"__dsops_put %s %s\n" % (name, word(new)) for name, new in after.items())
    end = b"env -0 > after\n__dsops_unload\nenv -0 > back\n"
    # The hook does this before it evaluates the output of `dsops hook-load`.
    begin = b"" if shell == "fish" else b"__dsops_begin\n"
    (tmp_path / "script").write_bytes(hook_code(shell, ["dsops"]) + begin + calls + end)
    environ = {b"PATH": b"/usr/bin:/bin", b"HOME": bytes(tmp_path), b"LC_ALL": b"C.UTF-8", **before}

    done = subprocess.run(
        [shell, *OPTIONS[shell], "script"], cwd=tmp_path, env=environ, capture_output=True, check=True, timeout=60
    )

    assert (done.stdout, done.stderr) == (b"", b"")
    assert seen(tmp_path / "after") == after
    assert seen(tmp_path / "back") == before
    assert not (tmp_path / "MARK").exists()

"""`dsops sandbox save`: the present state of the running sandbox becomes a seed file that only the user can read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from dsops.cli import main
from dsops.sandbox.control.launch import open_server, read_seed_file
from dsops.sandbox.seed.model import Seed
from dsops.sandbox.state.iam_builder import IamBuilder


def test_the_state_is_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """The file has what was created, is private, and is not overwritten without --force."""
    monkeypatch.chdir(tmp_path)
    with open_server(Seed()) as server:
        port = ["--port", str(server.port)]
        with server.sandbox.world.lock:
            account = server.sandbox.default_account
            IamBuilder(server.sandbox.world).add_user(account, "mallory")
        assert main(["sandbox", "save", "seed.yaml", *port]) == 0
        told = capfd.readouterr()
        assert main(["sandbox", "save", "seed.yaml", *port]) == 2
        assert "seed.yaml exists already" in capfd.readouterr().err
        os.chmod("seed.yaml", 0o644)
        (tmp_path / "seed.yaml").write_text("old" * 10_000, encoding="utf-8")
        assert main(["sandbox", "save", "seed.yaml", "--force", *port]) == 0

    assert told.out == ""
    assert f"not saved: account {account}: user mallory has no active access key" in told.err
    assert "wrote seed.yaml" in told.err
    assert stat.S_IMODE((tmp_path / "seed.yaml").stat().st_mode) == 0o600
    users = read_seed_file("seed.yaml").accounts[0].users
    assert [user.name for user in users] == ["admin", "mallory"]

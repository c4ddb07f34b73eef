"""Formats of `dsops credentials` and `dsops render` for CI systems, shells and profile files, in real processes."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.configloader import raw_config_parse

from tests.unit.cli.stub_aws import QUOTED, Dsops, StubAws

KEY, SECRET, TOKEN = "ASIAEXAMPLEEXAMPLE01", "se/cret+of+the+session", "token/of+the/session=="
ENDS = "2099-01-01T00:00:00Z"


@pytest.fixture
def aws() -> Iterator[StubAws]:
    """Stubs of STS and Secrets Manager."""
    with StubAws() as server:
        yield server


@pytest.fixture
def dsops(tmp_path: Path, aws: StubAws) -> Dsops:
    """The program, which uses the stub as its AWS."""
    return Dsops(tmp_path, aws)


class TestShells:
    """Output formats that print one shell command for each variable."""

    @pytest.mark.clients
    def test_fish_reads_them(self, dsops: Dsops) -> None:
        """fish evaluates the `fish` format and exports the four variables."""
        if not shutil.which("fish"):
            pytest.skip("fish is not installed")
        text = dsops.run("credentials", "target", "--format", "fish").stdout
        done = subprocess.run(
            ["fish", "--no-config", "-c", "source; env"],
            input=text,
            capture_output=True,
            check=True,
            env={"PATH": "/usr/bin:/bin", "HOME": str(dsops.folder)},
            timeout=60,
        )
        assert set(done.stdout.decode().splitlines()) >= {
            f"AWS_ACCESS_KEY_ID={KEY}",
            f"AWS_SECRET_ACCESS_KEY={SECRET}",
            f"AWS_SESSION_TOKEN={TOKEN}",
            f"AWS_CREDENTIAL_EXPIRATION={ENDS}",
        }

    def test_powershell_has_its_own_words(self, dsops: Dsops) -> None:
        """The `powershell` format has one assignment per variable; tests/property evaluates it."""
        assert dsops.run("credentials", "target", "--format", "powershell").stdout.decode() == (
            f"$env:AWS_ACCESS_KEY_ID = '{KEY}'\n"
            f"$env:AWS_SECRET_ACCESS_KEY = '{SECRET}'\n"
            f"$env:AWS_SESSION_TOKEN = '{TOKEN}'\n"
            f"$env:AWS_CREDENTIAL_EXPIRATION = '{ENDS}'\n"
        )


class TestFiles:
    """Output formats that can be written to a file."""

    def test_botocore_reads_the_profile(self, dsops: Dsops) -> None:
        """botocore reads the written profile and the file's other profiles; a note on stderr shows the expiry."""
        path = dsops.folder / "credentials"
        path.write_text("[work]\naws_access_key_id = AKIAWORK\n")
        done = dsops.run("credentials", "target", "--format", "ini", "--out", "credentials")
        assert (done.returncode, done.stdout) == (0, b"")
        assert done.stderr.decode() == (
            f"dsops: note: `credentials` holds keys that work until {ENDS}: remove them when you are done\n"
        )
        assert path.stat().st_mode & 0o777 == 0o600
        assert raw_config_parse(str(path)) == {
            "work": {"aws_access_key_id": "AKIAWORK"},
            "target": {"aws_access_key_id": KEY, "aws_secret_access_key": SECRET, "aws_session_token": TOKEN},
        }

    def test_another_format_is_the_whole_file(self, dsops: Dsops) -> None:
        """Every format except `ini` replaces the whole file, also with mode 0600 and a note."""
        path = dsops.folder / "session.json"
        path.write_text("old")
        done = dsops.run("credentials", "target", "--out", "session.json")
        assert json.loads(path.read_text())["secret_access_key"] == SECRET
        assert path.stat().st_mode & 0o777 == 0o600
        assert b"session.json" in done.stderr

    def test_a_file_of_profiles_that_can_not_be_read_stays(self, dsops: Dsops) -> None:
        """An unreadable credentials file is not replaced, so that its profiles are not lost."""
        path = dsops.folder / "credentials"
        path.write_bytes(b"[work]\n# \xff\n")
        done = dsops.run("credentials", "target", "--format", "ini", "--out", "credentials")
        assert (done.returncode, done.stdout) == (2, b"")
        assert b"not UTF-8" in done.stderr
        assert path.read_bytes() == b"[work]\n# \xff\n"

    def test_the_variable_of_render_is_not_this_commands(self, dsops: Dsops) -> None:
        """`credentials` ignores DSOPS_OUT, because an SDK reads its stdout as a credential_process."""
        done = dsops.run("credentials", "target", "--format", "process", DSOPS_OUT="file")
        assert json.loads(done.stdout)["AccessKeyId"] == KEY
        assert not (dsops.folder / "file").exists()


class TestGithub:
    """The `github` format passes variables to later steps of GitHub Actions."""

    @pytest.fixture
    def step(self, dsops: Dsops) -> dict[str, str]:
        """A runner's variables, and its GITHUB_ENV file, whose content has no final newline."""
        path = dsops.folder / "set_env"
        path.write_text("EARLIER=1")
        return {"GITHUB_ACTIONS": "true", "GITHUB_ENV": str(path)}

    def test_the_runner_masks_before_anything_is_written(self, dsops: Dsops, step: dict[str, str]) -> None:
        """Mask commands precede the writing of the file; key ids are not masked, and earlier content stays."""
        done = dsops.run("credentials", "target", "--format", "github", **step)
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout.decode() == f"::add-mask::{SECRET}\n::add-mask::{TOKEN}\n"
        lines = (dsops.folder / "set_env").read_text().split("\n")
        assert lines[0] == "EARLIER=1"
        assert [line.partition("<<")[0] for line in lines if "<<" in line] == [
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
            "AWS_CREDENTIAL_EXPIRATION",
        ]
        assert lines[lines.index(SECRET) + 1] == lines[lines.index(SECRET) - 1].partition("<<")[2]

    def test_each_line_of_a_secret_is_masked(self, dsops: Dsops, step: dict[str, str]) -> None:
        """Each line of a secret is masked, but literals of the configuration are not."""
        (dsops.folder / "dsops.yaml").write_text(
            (dsops.folder / "dsops.yaml").read_text()
            + '  ci: {QUOTED: {from: "secrets:prod/quoted"}, PLAIN: {literal: information}}\n'
        )
        done = dsops.run("render", "--env", "ci", "--format", "github", **step)
        assert done.returncode == 0, done.stderr
        assert done.stdout.decode().splitlines() == [f"::add-mask::{line}" for line in QUOTED.splitlines()]
        text = (dsops.folder / "set_env").read_text()
        assert f"\n{QUOTED}\ndsops-" in text
        assert "\ninformation\ndsops-" in text

    def test_a_failure_adds_nothing(self, dsops: Dsops, step: dict[str, str]) -> None:
        """A missing secret or unusable value adds nothing to the file."""
        for environment in ("missing", "broken"):
            done = dsops.run("render", "--env", environment, "--format", "github", **step)
            assert (done.returncode, done.stdout) == (4, b"")
            assert b"hush" not in done.stderr
        assert (dsops.folder / "set_env").read_text() == "EARLIER=1"

    @pytest.mark.parametrize("words", [("credentials", "target"), ("render", "--env", "production")], ids=" ".join)
    def test_github_format_is_refused_outside_of_a_runner(
        self, dsops: Dsops, aws: StubAws, step: dict[str, str], words: tuple[str, ...]
    ) -> None:
        """The `github` format is refused outside of a runner, because there the mask commands would show the values."""
        wrongs: tuple[dict[str, str], ...] = (
            {"GITHUB_ACTIONS": ""},
            {"GITHUB_ENV": ""},
            {"DSOPS_OUT": "x", "DSOPS_CREDENTIALS_OUT": "x"},
        )
        for wrong in wrongs:
            done = dsops.run(*words, "--format", "github", **{**step, **wrong})
            assert (done.returncode, done.stdout) == (2, b"")
            assert b"error[usage]" in done.stderr
        assert aws.calls == []

    def test_a_file_as_stdout_is_refused(self, dsops: Dsops, aws: StubAws, step: dict[str, str]) -> None:
        """The `github` format is refused if stdout is a file, because the mask commands would stay in the file."""
        with (dsops.folder / "out").open("wb") as file:
            done = subprocess.run(
                dsops.command("credentials", "target", "--format", "github"),
                cwd=dsops.folder,
                env={**dsops.environ, **step},
                stdout=file,
                stderr=subprocess.PIPE,
                check=False,
                timeout=60,
            )
        assert done.returncode == 2
        assert (dsops.folder / "out").read_bytes() == b""
        assert aws.calls == []

    def test_a_file_that_the_runner_did_not_make_is_an_error(self, dsops: Dsops, step: dict[str, str]) -> None:
        """A missing GITHUB_ENV file is an error, because variables written to a wrong path would be lost."""
        step["GITHUB_ENV"] += ".wrong"
        done = dsops.run("credentials", "target", "--format", "github", **step)
        assert done.returncode == 2
        assert b"error[output.not-written]" in done.stderr
        assert not Path(step["GITHUB_ENV"]).exists()


def test_gitlab_gets_a_dotenv_report(dsops: Dsops) -> None:
    """The `gitlab` format writes the session's keys; a value that GitLab would alter is an error."""
    assert dsops.run("credentials", "target", "--format", "gitlab").stdout.decode().splitlines() == [
        f"AWS_ACCESS_KEY_ID={KEY}",
        f"AWS_SECRET_ACCESS_KEY={SECRET}",
        f"AWS_SESSION_TOKEN={TOKEN}",
        f"AWS_CREDENTIAL_EXPIRATION={ENDS}",
    ]
    (dsops.folder / "dsops.yaml").write_text(
        (dsops.folder / "dsops.yaml").read_text() + '  ci: {QUOTED: {from: "secrets:prod/quoted"}}\n'
    )
    done = dsops.run("render", "--env", "ci", "--format", "gitlab")
    assert (done.returncode, done.stdout) == (4, b"")
    assert b"`QUOTED`" in done.stderr
    assert QUOTED.encode() not in done.stderr

"""Which found configurations may run commands and use foreign addresses."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dsops.config import HOOKED, allow, disallow, is_allowed, load, needs_permission, steering
from dsops.errors import ConfigError, FileNotWritten
from dsops.model import SourceFile
from dsops.schema import BUILTIN_TYPES, Settings

FILES = (SourceFile("/repo/dsops.yaml", "a" * 64), SourceFile("/repo/part.yaml", "b" * 64))


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A home of its own."""
    return {"HOME": str(tmp_path)}


def stored(environ: dict[str, str]) -> Path:
    """The file of what is allowed."""
    return Path(environ["HOME"]) / ".local" / "share" / "dsops" / "allowed"


class TestRemembering:
    """`dsops allow`."""

    def test_nothing_is_allowed_before(self, environ: dict[str, str]) -> None:
        """There is no file yet."""
        assert not is_allowed(FILES, environ)

    def test_what_was_allowed_is(self, environ: dict[str, str]) -> None:
        """Once or twice, in one line, for the user only."""
        allow(FILES, environ)
        allow(FILES, environ)
        assert is_allowed(FILES, environ)
        assert len(stored(environ).read_text().splitlines()) == 1
        assert stored(environ).stat().st_mode & 0o777 == 0o600
        assert stored(environ).parent.stat().st_mode & 0o777 == 0o700

    @pytest.mark.parametrize(
        "files",
        [
            (FILES[0]._replace(sha256="c" * 64), FILES[1]),
            (FILES[0], FILES[1]._replace(sha256="c" * 64)),
            (FILES[0],),
            (*FILES, SourceFile("/repo/more.yaml", "d" * 64)),
            (FILES[0]._replace(path="/copy/dsops.yaml"), FILES[1]),
            (FILES[0]._replace(sha256="b" * 64), FILES[1]._replace(sha256="a" * 64)),
        ],
        ids=["main changed", "include changed", "include gone", "include added", "copied elsewhere", "swapped"],
    )
    def test_any_change_asks_anew(self, environ: dict[str, str], files: tuple[SourceFile, ...]) -> None:
        """Of content, of the list of files, of the place."""
        allow(FILES, environ)
        assert not is_allowed(files, environ)

    def test_the_order_of_files_is_nothing(self, environ: dict[str, str]) -> None:
        """Includes may be sorted otherwise."""
        allow(FILES, environ)
        assert is_allowed(FILES[::-1], environ)

    def test_what_was_allowed_before_stays(self, environ: dict[str, str]) -> None:
        """Going back to another branch asks nothing."""
        changed = (FILES[0]._replace(sha256="c" * 64), FILES[1])
        allow(FILES, environ)
        allow(changed, environ)
        assert is_allowed(FILES, environ)
        assert is_allowed(changed, environ)

    def test_disallow_forgets_all_of_a_file(self, environ: dict[str, str]) -> None:
        """Every content, and no other file's."""
        changed = (FILES[0]._replace(sha256="c" * 64), FILES[1])
        other = (FILES[0]._replace(path="/other/dsops.yaml"),)
        for files in (FILES, changed, other):
            allow(files, environ)
        assert disallow(FILES, environ)
        assert [is_allowed(files, environ) for files in (FILES, changed, other)] == [False, False, True]
        assert not disallow(FILES, environ)
        assert stored(environ).stat().st_mode & 0o777 == 0o600
        assert [path.name for path in stored(environ).parent.iterdir()] == ["allowed"]

    def test_the_hook_has_a_list_of_its_own(self, environ: dict[str, str]) -> None:
        """One permission is not the other, and taking back one leaves the other."""
        allow(FILES, environ)
        assert not is_allowed(FILES, environ, HOOKED)
        allow(FILES, environ, HOOKED)
        assert disallow(FILES, environ)
        assert [is_allowed(FILES, environ), is_allowed(FILES, environ, HOOKED)] == [False, True]
        with pytest.raises(ConfigError) as raised:
            allow(FILES, {}, HOOKED)
        assert "HOME" in raised.value.hint

    def test_a_path_with_a_line_break_makes_no_second_line(self, environ: dict[str, str]) -> None:
        """A folder's name can't allow something else."""
        odd = (SourceFile(f"/repo\n{'e' * 64} /x/\udcff.yaml", "a" * 64),)
        allow(odd, environ)
        assert is_allowed(odd, environ)
        assert len(stored(environ).read_bytes().splitlines()) == 1
        assert disallow(odd, environ)

    def test_xdg_data_home_is_used_when_absolute(self, environ: dict[str, str], tmp_path: Path) -> None:
        """The specification ignores relative ones."""
        allow(FILES, environ | {"XDG_DATA_HOME": str(tmp_path / "data")})
        assert (tmp_path / "data" / "dsops" / "allowed").exists()
        allow(FILES, environ | {"XDG_DATA_HOME": "data"})
        assert stored(environ).exists()

    def test_without_a_home_nothing_is_allowed_or_remembered(self) -> None:
        """And it says what to do instead."""
        assert not is_allowed(FILES, {})
        assert not disallow(FILES, {})
        with pytest.raises(ConfigError, match="no folder to remember it in"):
            allow(FILES, {})

    def test_a_home_that_can_not_be_written_is_an_error(self, environ: dict[str, str]) -> None:
        """With the file's name."""
        Path(environ["HOME"], ".local").touch()
        with pytest.raises(FileNotWritten, match="allowed can't be written"):
            allow(FILES, environ)

    @pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
    def test_a_file_that_others_can_write_allows_nothing(self, environ: dict[str, str]) -> None:
        """Somebody else may have added the line."""
        allow(FILES, environ)
        stored(environ).chmod(0o620)
        assert not is_allowed(FILES, environ)
        with pytest.raises(FileNotWritten, match="can't be relied on"):
            allow(FILES, environ)
        stored(environ).chmod(0o644)
        assert is_allowed(FILES, environ)

    @pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away")
    def test_a_file_of_somebody_else_allows_nothing(self, environ: dict[str, str]) -> None:
        """Nor may they have written it."""
        allow(FILES, environ)
        os.chown(stored(environ), 12345, 12345)
        assert not is_allowed(FILES, environ)


def test_a_loaded_configuration_knows_whether_it_is_allowed(tmp_path: Path, environ: dict[str, str]) -> None:
    """Allowed as it is, asked anew after a change to any of its files."""
    (tmp_path / "dsops.yaml").write_text("include: part.yaml\n")
    (tmp_path / "part.yaml").write_text("version: 1\n")

    def allowed() -> bool:
        return load(folder=str(tmp_path), environ=environ).is_allowed

    assert not allowed()
    allow(load(folder=str(tmp_path), environ=environ).files, environ)
    assert allowed()
    (tmp_path / "part.yaml").write_text("version: 0\n")
    assert not allowed()
    (tmp_path / "part.yaml").write_text("version: 1\n")
    assert allowed()
    (tmp_path / "dsops.local.yaml").write_text("version: 1\n")
    assert not allowed()


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"role_arn": "x"}, ()),
        ({"mfa_process": ("code",)}, ("mfa_process",)),
        ({"endpoint_url": "https://sts.eu-west-1.amazonaws.com"}, ()),
        ({"endpoint_url": "https://vpce-1a2b-3c4d.sts.us-east-1.vpce.amazonaws.com"}, ()),
        ({"endpoint_url": "http://127.0.0.1:4566"}, ()),
        ({"endpoint_url": "http://localhost:4566"}, ()),
        ({"endpoint_url": "https://evil.example"}, ("endpoint_url",)),
        ({"endpoint_url": "https://bucket.s3.amazonaws.com"}, ("endpoint_url",)),
        ({"endpoint_url": "https://sts.us-east-1.amazonaws.com.evil.example"}, ("endpoint_url",)),
        ({"endpoint_url": "https://evil.example", "mfa_process": ("x",)}, ("endpoint_url", "mfa_process")),
    ],
)
def test_commands_and_foreign_addresses_need_permission(settings: Settings, expected: tuple[str, ...]) -> None:
    """AWS's own hosts and this machine don't."""
    assert expected == needs_permission(BUILTIN_TYPES["aws.sts"], settings)


@pytest.mark.parametrize("fitting", [1, 5])
def test_a_full_disk_is_told_and_the_next_time_works(tmp_path: Path, fitting: int) -> None:
    """Half a line is in nobody's way."""
    resource = pytest.importorskip("resource", reason="Windows has no such limits")
    environ = {"HOME": str(tmp_path)}
    (tmp_path / "dsops.yaml").write_text("version: 1\n")
    files = load(folder=str(tmp_path), environ=environ).files
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (fitting, hard))
    try:
        with pytest.raises(FileNotWritten, match="no space left"):
            allow(files, environ)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not is_allowed(files, environ)
    allow(files, environ)
    assert is_allowed(files, environ)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_a_pipe_in_the_lists_place_is_not_waited_for(tmp_path: Path) -> None:
    """It allows nothing."""
    environ = {"HOME": str(tmp_path)}
    allow(FILES, environ)
    path = tmp_path / ".local" / "share" / "dsops" / "allowed"
    path.unlink()
    os.mkfifo(path)
    assert not is_allowed(FILES, environ)


@pytest.mark.parametrize(
    ("name", "decides"),
    [
        ("AWS_PAGER", "code"), ("KUBE_EDITOR", "code"), ("AWS_DATA_PATH", "code"), ("TAR_OPTIONS", "code"),
        ("LD_AUDIT", "code"), ("https_proxy", "requests"), ("CURL_HOME", "requests"), ("AWS_REGION", ""),
        ("XDG_STATE_HOME", "trail"), ("XDG_CONFIG_HOME", "code"), ("HOME", "code"), ("XDG_STATE_HOMES", ""),
        ("PAGERDUTY_TOKEN", ""), ("EDITOR_TOKEN", ""), ("CARGO_REGISTRY_TOKEN", ""), ("LESS_TOKEN", ""),
    ],
)  # fmt: skip
def test_a_variable_that_steers_programs_is_known(name: str, decides: str) -> None:
    """The AWS CLI runs what AWS_PAGER says; a name that only looks like one of these is anybody's secret."""
    assert decides in steering(name)
    assert bool(decides) == bool(steering(name))


PROOFS = (
    ("aws.sts", {"web_identity": "gitlab"}),
    ("aws.sts", {"web_identity_token_file": "/token"}),
    ("aws.sts", {"saml_assertion_file": "/assertion"}),
    ("aws.sso", {"sso_session": "corp", "account_id": "111111111111", "role_name": "Admin"}),
)


@pytest.mark.parametrize(("type_name", "settings"), PROOFS)
def test_what_proves_who_somebody_is_goes_to_no_port_of_a_stranger(type_name: str, settings: Settings) -> None:
    """Whoever gets a token or a login can use it, and a port of this machine may be a container's."""
    for url, expected in (
        ("http://127.0.0.1:4566", ("endpoint_url",)),
        ("http://localhost:4566", ("endpoint_url",)),
        ("https://evil.example", ("endpoint_url",)),
        ("https://sts.us-east-1.amazonaws.com", ()),
    ):
        assert expected == needs_permission(BUILTIN_TYPES[type_name], {**settings, "endpoint_url": url})


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://idp.example.com/login", ("saml_login_url",)),
        ("https://sts.us-east-1.amazonaws.com/login", ("saml_login_url",)),
        ("http://127.0.0.1:8080/login", ()),
    ],
)
def test_a_page_that_is_opened_needs_permission(url: str, expected: tuple[str, ...]) -> None:
    """Unless this machine has it: AWS's hosts have no page of a company's identity provider."""
    assert expected == needs_permission(BUILTIN_TYPES["aws.sts"], {"saml_login_url": url})

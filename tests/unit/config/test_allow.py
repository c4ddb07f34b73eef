"""Permissions for configurations found in a folder: when they are stored, and what invalidates them."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest

from dsops.config import HOOKED, load
from dsops.config.allow import (
    Permission,
    allow,
    disallow,
    is_allowed,
    is_as_allowed,
    permission_folder,
    permissions,
    permissions_path,
)
from dsops.errors import ConfigError, ConfigUnreadable, FileNotWritten, NotAllowed
from dsops.model import SourceFile

MAIN = "/repo/dsops.yaml"
FILES = (SourceFile(MAIN, "a" * 64, written=MAIN), SourceFile("/repo/part.yaml", "b" * 64, written="/repo/part.yaml"))

needs_posix = pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
needs_root = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """An environment with its own home folder."""
    (tmp_path / "home").mkdir()
    return {"HOME": str(tmp_path / "home")}


def stored(environ: dict[str, str], path: str = MAIN) -> Path:
    """Return the only permission file of this configuration."""
    (found,) = Path(permission_folder(path, environ, "allow")).iterdir()
    return found


class TestRemembering:
    """What `dsops allow` stores."""

    def test_nothing_is_allowed_before(self, environ: dict[str, str]) -> None:
        """A configuration without a permission file is not allowed."""
        assert not is_allowed(FILES, environ)

    def test_what_was_allowed_is(self, environ: dict[str, str]) -> None:
        """An allowed configuration has one permission file that only the user can read, however often it is allowed."""
        allow(FILES, environ)
        allow(FILES, environ)
        assert is_allowed(FILES, environ)
        assert stored(environ).stat().st_mode & 0o777 == 0o600
        assert stored(environ).parent.stat().st_mode & 0o777 == 0o700

    @pytest.mark.parametrize(
        "files",
        [
            (FILES[0]._replace(sha256="c" * 64), FILES[1]),
            (FILES[0], FILES[1]._replace(sha256="c" * 64)),
            (FILES[0],),
            (*FILES, SourceFile("/repo/more.yaml", "d" * 64, written="/repo/more.yaml")),
            (FILES[0]._replace(written="/copy/dsops.yaml"), FILES[1]),
            (FILES[0]._replace(path="/copy/dsops.yaml"), FILES[1]),
            (FILES[0], FILES[1]._replace(path="/copy/part.yaml")),
            (FILES[0], FILES[1]._replace(written="/repo/link.yaml")),
            (FILES[0]._replace(owners=(0, 12345)), FILES[1]),
            (FILES[0]._replace(owners=(12345, 0)), FILES[1]),
            (FILES[0]._replace(sha256="b" * 64), FILES[1]._replace(sha256="a" * 64)),
        ],
        ids=[
            "main changed",
            "include changed",
            "include gone",
            "include added",
            "copied elsewhere",
            "link of main",
            "link of include",
            "another link",
            "target's owner",
            "link's owner",
            "swapped",
        ],
    )
    def test_any_difference_asks_again(self, environ: dict[str, str], files: tuple[SourceFile, ...]) -> None:
        """A change of content, list of files, path, link or owner makes a new permission necessary."""
        allow(FILES, environ)
        assert not is_allowed(files, environ)

    def test_what_was_allowed_before_stays(self, environ: dict[str, str]) -> None:
        """A permission for earlier content stays valid, so that switching branches needs no new permission."""
        changed = (FILES[0]._replace(sha256="c" * 64), FILES[1])
        allow(FILES, environ)
        allow(changed, environ)
        assert [True, True] == [is_allowed(FILES, environ), is_allowed(changed, environ)]

    def test_the_oldest_are_forgotten(self, environ: dict[str, str]) -> None:
        """The number of permissions per configuration is limited, and the oldest are removed."""
        contents = [(FILES[0]._replace(sha256=f"{number:064}"),) for number in range(60)]
        for files in contents:
            allow(files, environ)
        assert 50 == len(permissions(MAIN, environ))
        assert is_allowed(contents[-1], environ)

    def test_disallow_forgets_all_of_a_file(self, environ: dict[str, str]) -> None:
        """`disallow` removes all permissions of one configuration and none of another configuration."""
        changed = (FILES[0]._replace(sha256="c" * 64), FILES[1])
        other = (FILES[0]._replace(written="/other/dsops.yaml"),)
        for files in (FILES, changed, other):
            allow(files, environ)
        assert disallow(MAIN, environ)
        assert [False, False, True] == [is_allowed(files, environ) for files in (FILES, changed, other)]
        assert not disallow(MAIN, environ)

    def test_the_hook_has_a_list_of_its_own(self, environ: dict[str, str]) -> None:
        """Permissions of `allow` and of the hook are separate lists."""
        allow(FILES, environ)
        assert not is_allowed(FILES, environ, HOOKED)
        allow(FILES, environ, HOOKED)
        assert disallow(MAIN, environ)
        assert [False, True] == [is_allowed(FILES, environ), is_allowed(FILES, environ, HOOKED)]
        with pytest.raises(ConfigError) as raised:
            allow(FILES, {}, HOOKED)
        assert "HOME" in raised.value.hint

    def test_the_files_and_what_they_could_do_are_read_back(self, environ: dict[str, str]) -> None:
        """A permission lists the configuration's files and capabilities, even with odd characters in names."""
        odd = (SourceFile("/a b\\n\\s", "a" * 64, "", f"/repo\n{'e' * 64} \\ \udcff.yaml", (1, 2)),)
        powers = ("runs     ./code\nfile x", "sets     A B\\")
        allow(odd, environ, powers=powers)
        assert [Permission(odd, powers)] == permissions(odd[0].written, environ)

    def test_xdg_data_home_is_used_when_absolute(self, environ: dict[str, str], tmp_path: Path) -> None:
        """An absolute XDG_DATA_HOME is used, and a relative one is ignored (XDG specification)."""
        expected = [str(tmp_path / "data" / "dsops" / "allow"), f"{environ['HOME']}/.local/share/dsops/allow"]
        homes = [environ | {"XDG_DATA_HOME": data} for data in (str(tmp_path / "data"), "data")]
        assert expected == [permissions_path(home, "allow") for home in homes]

    def test_without_a_home_nothing_is_allowed_or_remembered(self) -> None:
        """Without HOME nothing can be allowed, and the error says so."""
        assert not is_allowed(FILES, {})
        assert not disallow(MAIN, {})
        with pytest.raises(ConfigError, match="no folder to store the permission in"):
            allow(FILES, {})

    def test_a_home_that_can_not_be_written_is_an_error(self, environ: dict[str, str]) -> None:
        """A home that cannot be written is an error that names the file."""
        Path(environ["HOME"], ".local").touch()
        with pytest.raises(FileNotWritten, match="can't be written"):
            allow(FILES, environ)


class TestThePermissionItself:
    """A permission file that the user did not create does not allow anything."""

    @needs_posix
    @pytest.mark.parametrize("mode", [0o620, 0o602, 0o644])
    def test_a_file_that_is_not_the_users_alone(self, environ: dict[str, str], mode: int) -> None:
        """A permission file that others can read is ignored.

        A checkout could set XDG_DATA_HOME to a folder within the checkout. git creates files with mode 0600 only
        under a umask of 077.
        """
        allow(FILES, environ)
        stored(environ).chmod(mode)
        assert not is_allowed(FILES, environ)

    @needs_root
    def test_a_file_of_another_user(self, environ: dict[str, str]) -> None:
        """A permission file of another user is ignored."""
        allow(FILES, environ)
        os.chown(stored(environ), 12345, 12345)
        assert not is_allowed(FILES, environ)

    def test_a_link_to_a_real_permission(self, environ: dict[str, str]) -> None:
        """A symbolic link to a real permission is ignored, because a checkout may contain links."""
        allow(FILES, environ)
        path = stored(environ)
        path.rename(path.parent / "moved")
        path.symlink_to(path.parent / "moved")
        assert not is_allowed(FILES, environ)

    def test_a_permission_under_another_name(self, environ: dict[str, str]) -> None:
        """A permission file with another file name is ignored.

        The first line of a permission file names its configuration.
        """
        allow(FILES, environ)
        changed = (FILES[0]._replace(sha256="c" * 64), FILES[1])
        allow(changed, environ)
        first, second = Path(permission_folder(MAIN, environ, "allow")).iterdir()
        first.replace(second)
        assert 0 == sum(is_allowed(files, environ) for files in (FILES, changed))

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
    def test_a_pipe_is_not_waited_for(self, environ: dict[str, str]) -> None:
        """A pipe in place of a permission file is ignored, without waiting for a writer."""
        allow(FILES, environ)
        path = stored(environ)
        path.unlink()
        os.mkfifo(path)
        assert not is_allowed(FILES, environ)


class TestInAPipeline:
    """In CI a checkout's configuration is allowed without a permission."""

    @pytest.mark.parametrize(
        ("variables", "expected"),
        [
            ({"CI": "true"}, True),
            ({"CI": "1"}, True),
            ({"CI": "false"}, False),
            ({"CI": ""}, False),
            ({"CI": "true", "DSOPS_TRUST": "ask"}, False),
            ({"CI": "true", "DSOPS_TRUST": "aks"}, False),
            ({"DSOPS_TRUST": "ask"}, False),
        ],
    )
    def test_a_checkout_is_allowed(self, variables: dict[str, str], expected: bool) -> None:  # noqa: FBT001
        """CI=true allows a checkout, unless DSOPS_TRUST says otherwise.

        CI=true never allows a configuration for the hook.
        """
        assert expected is is_allowed(FILES, variables)
        assert not is_allowed(FILES, variables, HOOKED)


def folder_with(tmp_path: Path, **files: str) -> Path:
    """Return a folder with these files; `__` in a name stands for the dot."""
    folder = tmp_path / "repo"
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return folder


def test_a_loaded_configuration_knows_whether_it_is_allowed(tmp_path: Path, environ: dict[str, str]) -> None:
    """A loaded configuration's `is_allowed` is correct, whichever of its files has changed."""
    folder = folder_with(tmp_path, dsops__yaml="include: part.yaml\n", part__yaml="version: 1\n")

    def allowed() -> bool:
        return load(folder=str(folder), environ=environ).is_allowed

    assert not allowed()
    allow(load(folder=str(folder), environ=environ).files, environ)
    assert allowed()
    (folder / "part.yaml").write_text("version: 0\n")
    assert not allowed()
    (folder / "part.yaml").write_text("version: 1\n")
    assert allowed()
    (folder / "dsops.local.yaml").write_text("version: 1\n")
    assert not allowed()


def test_files_are_compared_without_being_parsed(tmp_path: Path, environ: dict[str, str]) -> None:
    """Changed, added, removed or linked files are detected by comparison with the permission, without parsing."""
    folder = folder_with(tmp_path, dsops__yaml="include: part.yaml\n", part__yaml="version: 1\n")
    path = str(folder / "dsops.yaml")
    allow(load(folder=str(folder), environ=environ).files, environ)

    def is_same() -> bool:
        return is_as_allowed(path, permissions(path, environ))

    assert is_same()
    (folder / "part.yaml").write_text("version: 0\n")
    assert not is_same()
    (folder / "part.yaml").write_text("version: 1\n")
    (folder / "dsops.local.yaml").write_text("{")
    assert not is_same()
    (folder / "dsops.local.yaml").unlink()
    (folder / "part.yaml").rename(folder / "moved.yaml")
    (folder / "part.yaml").symlink_to("moved.yaml")
    assert not is_same()
    (folder / "part.yaml").unlink()
    assert not is_same()
    assert not is_as_allowed(path, permissions("/other/dsops.yaml", environ))


class TestWhoMayWrite:
    """If another user may write a discovered file, the file is refused even if its content was allowed."""

    def is_carried_out(self, folder: Path, environ: dict[str, str], *, named: str = "") -> bool:
        """Whether the configuration is allowed after an attempt to allow it."""
        config = load(folder=str(folder), environ=environ, named=named)
        with suppress(NotAllowed):
            allow(config.files, environ)
        return load(folder=str(folder), environ=environ, named=named).is_allowed

    @needs_posix
    def test_by_others(self, tmp_path: Path, environ: dict[str, str]) -> None:
        """A world-writable file is refused unless the user named it or dsops runs in CI.

        GitLab's runner checks out with umask 0.
        """
        folder = folder_with(tmp_path, dsops__yaml="version: 1\n")
        assert self.is_carried_out(folder, environ)
        (folder / "dsops.yaml").chmod(0o646)
        assert not self.is_carried_out(folder, environ)
        assert self.is_carried_out(folder, environ, named="dsops.yaml")
        assert self.is_carried_out(folder, environ | {"CI": "true"})
        assert not self.is_carried_out(folder, environ | {"CI": "true", "DSOPS_TRUST": "ask"})

    @needs_posix
    def test_by_the_group(self, tmp_path: Path, environ: dict[str, str]) -> None:
        """A group-writable file is refused unless the group is the user's own primary group (umask 002)."""
        folder = folder_with(tmp_path, dsops__yaml="include: part.yaml\n", part__yaml="version: 1\n")
        (folder / "part.yaml").chmod(0o664)
        assert self.is_carried_out(folder, environ)
        if os.geteuid() == 0:
            os.chown(folder / "part.yaml", -1, 12345)
            assert not self.is_carried_out(folder, environ)

    @needs_posix
    def test_the_error_says_what_to_type(self, tmp_path: Path, environ: dict[str, str]) -> None:
        """The error about a writable file has the chmod command for that file."""
        folder = folder_with(tmp_path, dsops__yaml="include: part.yaml\n", part__yaml="version: 1\n")
        (folder / "part.yaml").chmod(0o666)
        with pytest.raises(NotAllowed, match=r"other users can write part\.yaml") as raised:
            allow(load(folder=str(folder), environ=environ).files, environ)
        assert "`chmod go-w part.yaml`" in raised.value.hint

    @needs_root
    def test_a_link_that_another_user_made(self, tmp_path: Path, environ: dict[str, str]) -> None:
        """A link that another user made is refused, because its owner can change its target."""
        folder = folder_with(tmp_path, real__yaml="version: 1\n")
        (folder / "dsops.yaml").symlink_to("real.yaml")
        assert self.is_carried_out(folder, environ)
        os.chown(folder / "dsops.yaml", 12345, 12345, follow_symlinks=False)
        with pytest.raises(ConfigUnreadable, match="belongs to another user"):
            load(folder=str(folder), environ=environ)


@pytest.mark.parametrize("fitting", [1, 5])
def test_a_full_disk_is_told_and_the_next_time_works(tmp_path: Path, fitting: int) -> None:
    """A permission that cannot be written completely (disk full) allows nothing, and the next attempt works."""
    resource = pytest.importorskip("resource", reason="Windows has no such limits")
    environ = {"HOME": str(tmp_path)}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (fitting, hard))
    try:
        with pytest.raises(FileNotWritten, match=r"too large|no space left"):
            allow(FILES, environ)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not is_allowed(FILES, environ)
    allow(FILES, environ)
    assert is_allowed(FILES, environ)

"""Find the configuration file, and check the owners of the files that are read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dsops.config import find, load
from dsops.config.files import ConfigReader
from dsops.config.find import local_path
from dsops.config.problems import Problems
from dsops.errors import ConfigError, ConfigNotFound, ConfigTooLarge, ConfigUnreadable, SyntaxInvalid


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return the folder `home/git/a/b`, in which `home/git` is a repository."""
    (tmp_path / "home" / "git" / ".git").mkdir(parents=True)
    (tmp_path / "home" / "git" / "a" / "b").mkdir(parents=True)
    return tmp_path / "home"


def found(folder: Path, home: Path) -> str:
    """Return the path of the configuration that is found from a folder."""
    return find(str(folder), {"HOME": str(home)})


class TestFind:
    """The search for a configuration, from the working folder upwards."""

    @pytest.mark.parametrize("place", ["git/a/b", "git/a", "git"])
    def test_the_nearest_file_upward_counts(self, tree: Path, place: str) -> None:
        """The nearest dsops.yaml from the working folder up to the git root is used."""
        for folder in ("git", place):
            (tree / folder / "dsops.yaml").touch()
        assert str(tree / place / "dsops.yaml") == found(tree / "git" / "a" / "b", tree)

    def test_nothing_above_the_git_root_counts(self, tree: Path) -> None:
        """A file above the git root is ignored, because it belongs to another project."""
        (tree / "dsops.yaml").touch()
        with pytest.raises(ConfigNotFound) as raised:
            found(tree / "git" / "a", tree)
        assert raised.value.why == "looked in ~/git/a and above it up to ~/git, the top of a git repository"
        assert "dsops init" in raised.value.hint

    def test_a_worktree_has_a_git_file(self, tree: Path) -> None:
        """The `.git` file of a worktree ends the search, too."""
        (tree / "git" / "a" / ".git").write_text("gitdir: x")
        (tree / "git" / "dsops.yaml").touch()
        with pytest.raises(ConfigNotFound):
            found(tree / "git" / "a" / "b", tree)

    def test_home_is_the_end_and_is_looked_into(self, tree: Path) -> None:
        """Without a repository, the search ends at the home folder and includes it."""
        (tree / "plain").mkdir()
        (tree.parent / "dsops.yaml").touch()
        with pytest.raises(ConfigNotFound):
            found(tree / "plain", tree)
        (tree / "dsops.yaml").touch()
        assert str(tree / "dsops.yaml") == found(tree / "plain", tree)

    def test_a_linked_home_is_the_end_too(self, tree: Path, tmp_path: Path) -> None:
        """The search ends at the home folder even if HOME is a symbolic link."""
        (tmp_path / "link").symlink_to(tree)
        (tmp_path / "dsops.yaml").touch()
        (tree / "plain").mkdir()
        with pytest.raises(ConfigNotFound):
            found(tree / "plain", tmp_path / "link")

    def test_a_folder_of_that_name_is_no_file(self, tree: Path) -> None:
        """A folder named dsops.yaml is skipped."""
        (tree / "git" / "a" / "dsops.yaml").mkdir()
        (tree / "git" / "dsops.yaml").touch()
        assert str(tree / "git" / "dsops.yaml") == found(tree / "git" / "a", tree)

    def test_a_file_with_another_ending_is_mentioned(self, tree: Path) -> None:
        """`dsops.yml` is not read, but the error mentions it."""
        (tree / "git" / "dsops.yml").touch()
        with pytest.raises(ConfigNotFound) as raised:
            found(tree / "git" / "a", tree)
        assert f"rename {tree}/git/dsops.yml" in raised.value.hint

    def test_a_local_file_has_the_name_of_its_own(self) -> None:
        """The local file's name derives from the configuration's name: dsops.local.yaml."""
        assert local_path("/a/dsops.yaml") == "/a/dsops.local.yaml"
        assert local_path("/a/ci.yml") == "/a/ci.local.yml"


class TestNamed:
    """A configuration named by `--config` or DSOPS_CONFIG."""

    def test_a_named_file_counts_wherever_it_is(self, tree: Path) -> None:
        """A named configuration, relative or absolute, is used and needs no permission."""
        (tree / "ci.yaml").write_text("version: 1")
        for named in ("../../ci.yaml", str(tree / "ci.yaml")):
            config = load(folder=str(tree / "git" / "a"), environ={}, named=named)
            assert (str(tree / "ci.yaml"), True) == (config.files[0].path, config.is_allowed)

    def test_a_found_file_is_not_trusted(self, tree: Path) -> None:
        """A discovered configuration is not allowed before `dsops allow`."""
        (tree / "git" / "dsops.yaml").write_text("version: 1")
        config = load(folder=str(tree / "git" / "a"), environ={"HOME": str(tree)})
        assert not config.is_allowed

    def test_a_missing_file_is_an_error(self, tree: Path) -> None:
        """If the named file does not exist, dsops reports an error and does not search for another file."""
        (tree / "git" / "dsops.yaml").touch()
        with pytest.raises(ConfigNotFound, match=r"there is no nope\.yaml"):
            load(folder=str(tree / "git"), environ={}, named="nope.yaml")

    def test_a_folder_is_an_error(self, tree: Path) -> None:
        """If the named path is a folder, the error suggests the dsops.yaml in it."""
        with pytest.raises(ConfigNotFound, match="a is a folder") as raised:
            load(folder=str(tree / "git"), environ={}, named="a")
        assert raised.value.hint == "name the file: --config a/dsops.yaml"


class TestFiles:
    """How a configuration file is read."""

    def refusal(self, tree: Path, *, named: str = "") -> ConfigError:
        """Return the error of a configuration in `git`."""
        with pytest.raises(ConfigError) as raised:
            load(folder=str(tree / "git" / "a"), environ={"HOME": str(tree)}, named=named)
        return raised.value

    def test_an_empty_file_is_an_error(self, tree: Path) -> None:
        """An empty file is an error that says what to write."""
        (tree / "git" / "dsops.yaml").write_text("# nothing yet\n")
        error = self.refusal(tree)
        assert [(str(problem.where), problem.message) for problem in error.problems] == [
            ("../dsops.yaml", "the file is empty")
        ]
        assert error.exit_code == 2

    def test_an_empty_local_file_is_none(self, tree: Path) -> None:
        """An empty local file changes nothing in the configuration."""
        (tree / "git" / "dsops.yaml").write_text("version: 1")
        (tree / "git" / "dsops.local.yaml").touch()
        assert len(load(folder=str(tree / "git"), environ={"HOME": str(tree)}).files) == 2

    def test_ten_megabytes_are_refused_at_once(self, tree: Path) -> None:
        """A file of ten megabytes is refused without being read."""
        with (tree / "git" / "dsops.yaml").open("wb") as file:
            file.truncate(10_000_000)
        error = self.refusal(tree)
        assert isinstance(error, ConfigTooLarge)
        assert error.message == "../dsops.yaml is too large to be a configuration"

    def test_an_alias_bomb_is_too_large(self, tree: Path) -> None:
        """An alias bomb (YAML aliases that expand exponentially) is refused by its expanded size."""
        lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
        lines += [f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True)]
        (tree / "git" / "dsops.yaml").write_text("\n".join(lines))
        assert isinstance(self.refusal(tree), ConfigTooLarge)

    def test_a_syntax_error_is_one(self, tree: Path) -> None:
        """A YAML syntax error has file, line and reason."""
        (tree / "git" / "dsops.yaml").write_text("version: 1\nenvs:\n\tp:\n")
        error = self.refusal(tree)
        assert isinstance(error, SyntaxInvalid)
        assert [(str(problem.where), problem.message) for problem in error.problems] == [
            ("../dsops.yaml:3", "a tab indents this line")
        ]

    def test_bytes_that_are_no_text_have_a_line(self, tree: Path) -> None:
        """Bytes that are not UTF-8 are an error with their line."""
        (tree / "git" / "dsops.yaml").write_bytes(b"version: 1\n# caf\xe9\n")
        error = self.refusal(tree)
        assert isinstance(error, SyntaxInvalid)
        assert str(error.problems[0].where) == "../dsops.yaml:2"

    def test_utf_16_is_read(self, tree: Path) -> None:
        """UTF-16, which PowerShell 5 writes, is read."""
        (tree / "git" / "dsops.yaml").write_bytes("version: 1\r\nenvs: {p: }\r\n".encode("utf-16"))
        assert list(load(folder=str(tree / "git"), environ={"HOME": str(tree)}).environments) == ["p"]

    def test_a_broken_link_is_unreadable(self, tree: Path) -> None:
        """A broken link is an error, and the search does not continue in the folder above."""
        (tree / "git" / "dsops.yaml").touch()
        (tree / "git" / "a" / "dsops.yaml").symlink_to("nowhere")
        error = self.refusal(tree)
        assert isinstance(error, ConfigUnreadable)
        assert error.message == "dsops.yaml can't be read: no such file or directory"

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
    def test_a_pipe_that_was_found_is_not_read(self, tree: Path) -> None:
        """A discovered pipe is refused, because reading it would wait for a writer."""
        os.mkfifo(tree / "git" / "dsops.yaml")
        assert isinstance(self.refusal(tree), ConfigUnreadable)

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
    def test_a_pipe_that_was_named_is_read(self, tree: Path) -> None:
        """A pipe that the user named (`--config <(generate)`) is read."""
        reading, writing = os.pipe()
        os.write(writing, b"envs: {p: }")
        os.close(writing)
        try:
            config = load(folder=str(tree), environ={}, named=f"/dev/fd/{reading}")
        finally:
            os.close(reading)
        assert list(config.environments) == ["p"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away")
class TestOwners:
    """A discovered file must be owned by the user or root, because it decides which variables commands get."""

    def test_another_users_file_is_refused_when_found_and_read_when_named(self, tree: Path) -> None:
        """A discovered file of another owner is refused (like git's safe.directory).

        A file of another owner that the user named is read.
        """
        path = tree / "git" / "dsops.yaml"
        path.write_text("version: 1")
        os.chown(path, 12345, 12345)
        with pytest.raises(ConfigUnreadable, match="belongs to another user") as raised:
            load(folder=str(tree / "git"), environ={"HOME": str(tree)})
        assert raised.value.hint == "if you trust the file, name it: --config dsops.yaml"
        assert load(folder=str(tree / "git"), environ={}, named="dsops.yaml").is_allowed

    @pytest.mark.parametrize("name", ["dsops.local.yaml", "part.yaml"])
    def test_so_are_the_files_beside_it(self, tree: Path, name: str) -> None:
        """Local and included files of another owner are refused, too."""
        (tree / "git" / "dsops.yaml").write_text("include: part.yaml")
        (tree / "git" / "part.yaml").touch()
        (tree / "git" / name).touch()
        os.chown(tree / "git" / name, 12345, 12345)
        with pytest.raises(ConfigUnreadable, match=f"{name} belongs to another user"):
            load(folder=str(tree / "git"), environ={"HOME": str(tree)})

    def test_under_sudo_the_callers_own_files_are_good(self, tree: Path) -> None:
        """Under sudo, files of the user who called sudo (SUDO_UID) are accepted, but those of no other user."""
        path = tree / "git" / "dsops.yaml"
        path.write_text("version: 1")
        os.chown(path, 12345, 12345)
        environ = {"HOME": str(tree), "SUDO_UID": "12345"}
        assert load(folder=str(tree / "git"), environ=environ)
        with pytest.raises(ConfigUnreadable):
            load(folder=str(tree / "git"), environ=environ | {"SUDO_UID": "54321"})


def test_files_have_the_hash_of_their_bytes(tmp_path: Path) -> None:
    """A file's digest is the SHA-256 of its bytes in hex, whichever module computes it."""
    (tmp_path / "dsops.yaml").write_bytes(b"version: 1\n")
    reader = ConfigReader(str(tmp_path), {}, Problems(), is_named=True)
    reader.read(str(tmp_path / "dsops.yaml"))
    assert reader.files[0].sha256 == "09bfcc6a14b83e2192b8673677725c84883ee9cd0c70e45c9ec09daa8f2b2847"


def test_a_file_in_the_home_folder_is_shown_from_there(tmp_path: Path) -> None:
    """A file's path is shown with `~` if that is shorter than the path relative to the working folder."""
    own = tmp_path / "home" / ".config" / "dsops" / "dsops.yaml"
    own.parent.mkdir(parents=True)
    own.write_text("version: 1\nenvs: {}\n")
    (tmp_path / "project").mkdir()
    environ = {"HOME": str(tmp_path / "home")}
    for folder, shown in ((tmp_path / "project", "~/.config/dsops/dsops.yaml"), (own.parent, "dsops.yaml")):
        reader = ConfigReader(str(folder), environ, Problems(), is_named=True)
        reader.read(str(own))
        assert reader.shown == [shown]

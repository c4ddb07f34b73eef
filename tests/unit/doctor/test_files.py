"""Doctor's checks and repairs of the modes of credential and configuration files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dsops.doctor.files import READ, WRITTEN, TooOpenFile, Watched, check_files, loose_files, watched_files
from dsops.doctor.repairs import file_repairs, mend
from dsops.plan import Proof
from dsops.runtime import empty_file
from tests.plans import plan_of

STORES = """
secretStores:
  token:
    type: aws.sts
    region: us-east-1
    role_arn: arn:aws:iam::123456789012:role/Reader
    web_identity_token_file: token.jwt
"""


def file_with(path: Path, mode: int, text: str = "") -> str:
    """Create a file with that mode."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return str(path)


@pytest.mark.parametrize(
    ("mode", "forbidden", "wanted"),
    [(0o644, READ, 0o600), (0o666, WRITTEN, 0o644), (0o604, READ, 0o600), (0o602, WRITTEN, 0o600)],
)
def test_a_mode_that_admits_others_is_found(tmp_path: Path, mode: int, forbidden: int, wanted: int) -> None:
    """A file mode that gives other users access is reported; the suggested mode only lacks the excess bits."""
    path = file_with(tmp_path / "file", mode)
    [loose] = loose_files([Watched(path, forbidden)])
    assert loose == TooOpenFile(path, mode, forbidden, is_link=False, is_ours=True)
    assert loose.wanted == wanted


@pytest.mark.parametrize(("mode", "forbidden"), [(0o600, READ), (0o400, READ), (0o644, WRITTEN), (0o755, WRITTEN)])
def test_a_private_mode_is_fine(tmp_path: Path, mode: int, forbidden: int) -> None:
    """A private mode is accepted, and a file without secrets may be readable by others."""
    watched = [Watched(file_with(tmp_path / "file", mode), forbidden)]
    assert list(loose_files(watched)) == []
    assert [(check.status, check.detail) for check in check_files(watched, {}, "/")] == [("ok", "1 file looked at")]


def test_missing_and_special_files_are_ignored(tmp_path: Path) -> None:
    """A missing file is accepted.

    A folder or pipe in its place is ignored here, because the file's reader reports it.
    """
    os.mkfifo(tmp_path / "pipe", 0o666)
    paths = [tmp_path / "missing", tmp_path, tmp_path / "pipe", Path(f"{tmp_path}/a\0b")]
    assert list(loose_files([Watched(str(path), READ) for path in paths])) == []


def test_every_file_that_counts_is_looked_at(tmp_path: Path) -> None:
    """Doctor checks the modes of the configuration, AWS's two files, token files, login caches, and dsops' lists."""
    file_with(tmp_path / ".aws" / "sso" / "cache" / "0123.json", 0o600)
    file_with(tmp_path / ".aws" / "sso" / "cache" / "notes.txt", 0o644)
    environ = {"HOME": str(tmp_path), "AWS_WEB_IDENTITY_TOKEN_FILE": "/var/run/token"}
    steps = plan_of(STORES, store="token", proof=lambda *_: Proof("the token", "digest")).steps.values()

    watched = watched_files(["/project/dsops.yaml"], steps, environ, "/project")

    home = str(tmp_path)
    assert watched == [
        Watched("/project/dsops.yaml", WRITTEN),
        Watched(f"{home}/.aws/credentials", READ),
        Watched(f"{home}/.aws/config", WRITTEN),
        Watched("/var/run/token", READ),
        Watched("/project/token.jwt", READ),
        Watched(f"{home}/.aws/sso/cache/0123.json", READ),
        Watched(f"{home}/.local/share/dsops/keyring.json", WRITTEN),
    ]


def test_our_own_empty_file_is_not_looked_at(tmp_path: Path) -> None:
    """The empty file that replaces the user's AWS files in a sandbox is not checked, because every user may read it."""
    environ = {"HOME": str(tmp_path), "AWS_SHARED_CREDENTIALS_FILE": empty_file(), "AWS_CONFIG_FILE": empty_file()}
    assert [
        watched_file.path for watched_file in watched_files([], [], environ, "/") if watched_file.path == empty_file()
    ] == []


@pytest.mark.parametrize(("text", "forbidden"), [("aws_secret_access_key = hush", READ), ("region = x", WRITTEN)])
def test_a_config_file_is_a_secret_when_it_has_one(tmp_path: Path, text: str, forbidden: int) -> None:
    """A config file with keys must be private; a config file without keys may be readable by others."""
    path = file_with(tmp_path / ".aws" / "config", 0o644, f"[default]\n{text}\n")
    assert Watched(path, forbidden) in watched_files([], [], {"HOME": str(tmp_path)}, "/")


def test_a_warning_says_what_others_may_do_and_what_to_type(tmp_path: Path) -> None:
    """The warning says what other users can do (read a secret, change a configuration) and which command to run."""
    secret, config = file_with(tmp_path / "credentials", 0o644), file_with(tmp_path / "dsops.yaml", 0o666)
    first, second = check_files([Watched(secret, READ), Watched(config, WRITTEN)], {}, "/")
    assert (first.status, first.detail) == ("warning", "others may read it: its mode is 644")
    assert first.hint == f"`chmod 600 {secret}`, or `dsops doctor --fix`"
    assert (second.status, second.detail) == ("warning", "others may write it: its mode is 666")
    assert "decides which roles are assumed" in second.why


def test_a_file_has_the_name_that_a_user_would_type(tmp_path: Path) -> None:
    """A file below the working folder is named by its relative path; a path with special characters is quoted."""
    watched = [Watched(file_with(tmp_path / "my config" / "dsops.yaml", 0o666), WRITTEN)]
    [here] = check_files(watched, {}, str(tmp_path / "my config"))
    [above] = check_files(watched, {}, str(tmp_path))
    assert (here.name, here.hint) == ("file dsops.yaml", "`chmod 644 dsops.yaml`, or `dsops doctor --fix`")
    assert above.hint == "`chmod 644 'my config/dsops.yaml'`, or `dsops doctor --fix`"


def test_mending_takes_away_no_more_than_that(tmp_path: Path) -> None:
    """The repair removes only the excess permissions; the owner's permissions and execution bits stay."""
    path = file_with(tmp_path / "dsops.yaml", 0o777)
    [repair] = file_repairs([Watched(path, WRITTEN)])
    assert (repair.before, repair.after) == ("mode 777", "mode 755")
    assert mend(repair) == ""
    assert os.stat(path).st_mode & 0o777 == 0o755
    assert list(file_repairs([Watched(path, WRITTEN)])) == []


def test_a_failed_repair_gives_its_reason(tmp_path: Path) -> None:
    """If the file has disappeared, the repair fails with the reason."""
    path = file_with(tmp_path / "file", 0o666)
    [repair] = file_repairs([Watched(path, WRITTEN)])
    os.unlink(path)
    assert mend(repair) == "no such file or directory"


def test_a_link_is_reported_and_left_alone(tmp_path: Path) -> None:
    """If the file is a symbolic link, doctor reports it but does not change it.

    The target may be another user's file.
    """
    target = file_with(tmp_path / "target", 0o666)
    (tmp_path / "link").symlink_to(target)
    watched = [Watched(str(tmp_path / "link"), WRITTEN)]
    assert list(file_repairs(watched)) == []
    [check] = check_files(watched, {}, "/")
    assert check.hint.endswith("on the file behind the link")


def test_a_link_that_comes_meanwhile_is_not_followed(tmp_path: Path) -> None:
    """If a link replaces the file between check and repair, the repair does not follow the link."""
    path = file_with(tmp_path / "file", 0o666)
    [repair] = file_repairs([Watched(path, WRITTEN)])
    victim = file_with(tmp_path / "victim", 0o666)
    os.unlink(path)
    os.symlink(victim, path)
    assert mend(repair) != ""
    assert os.stat(victim).st_mode & 0o777 == 0o666


def test_a_platforms_token_file_is_not_checked(tmp_path: Path) -> None:
    """Token files that a platform provides are not checked.

    Kubernetes links to root's files, and a pod has one user.
    """
    token = file_with(tmp_path / "data" / "token", 0o644)
    (tmp_path / "token").symlink_to(token)
    environ = {"HOME": str(tmp_path), "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token")}
    assert list(loose_files(watched_files([], [], environ, "/"))) == []
    environ["AWS_WEB_IDENTITY_TOKEN_FILE"] = token
    assert [loose_file.path for loose_file in loose_files(watched_files([], [], environ, "/"))] == [token]


def test_a_secret_of_another_user_is_not_checked(tmp_path: Path) -> None:
    """A secret file of another user is not checked, because its owner allowed this user to read it."""
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    path = file_with(tmp_path / "file", 0o644)
    os.chown(path, 12345, -1)
    assert list(loose_files([Watched(path, READ)])) == []


def test_a_file_of_another_user_is_reported_and_left_alone(tmp_path: Path) -> None:
    """A file of another user is reported but not changed, because only its owner should change it."""
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    path = file_with(tmp_path / "file", 0o666)
    os.chown(path, 12345, -1)
    assert list(file_repairs([Watched(path, WRITTEN)])) == []
    [check] = check_files([Watched(path, WRITTEN)], {}, "/")
    assert check.hint == f"its owner has to say `chmod 644 {path}`"

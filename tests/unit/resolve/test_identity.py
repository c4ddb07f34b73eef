"""The digest of the base identity: it differs for each possible identity and reveals none of its parts."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

from dsops.aws.identity.ambient_files import content
from dsops.errors import AmbientFailed, ConfigUnreadable
from dsops.resolve import ambient_of

KEY = b"k" * 32
KEYS = {"AWS_ACCESS_KEY_ID": "AKIAADA", "AWS_SECRET_ACCESS_KEY": "adas-key"}


def digest(environ: dict[str, str], profile: str = "", key: bytes = KEY, folder: str = "/") -> str:
    """Return the identity digest for this profile."""
    return ambient_of(environ, key, folder)(profile).digest


def test_keys_in_the_environment_are_the_identity() -> None:
    """Keys in the environment determine the identity: long-term without a token, temporary with a token.

    Other variables do not change the digest.
    """
    ada = ambient_of(KEYS, KEY, "/")("")
    assert (ada.source, ada.is_temporary, ada.region) == ("environment", False, "")
    assert ambient_of({**KEYS, "AWS_SESSION_TOKEN": "t"}, KEY, "/")("").is_temporary is True
    assert digest({**KEYS, "PATH": "/x", "AWS_REGION": "eu-west-1"}) == digest(KEYS)


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"])
def test_each_part_of_the_keys_counts(name: str) -> None:
    """A change of any part of the keys changes the digest, so clients with different keys never share a session."""
    assert digest({**KEYS, name: "other"}) != digest(KEYS)


def test_parts_don_t_run_into_each_other() -> None:
    """The digest separates the parts: `ab` + `c` and `a` + `bc` give different digests."""
    first = {"AWS_ACCESS_KEY_ID": "ab", "AWS_SECRET_ACCESS_KEY": "c"}
    second = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "bc"}
    assert digest(first) != digest(second)


def test_the_digest_is_keyed() -> None:
    """The digest depends on a random key of the process, so it cannot be used to test guesses of a secret key."""
    assert digest(KEYS, key=b"x" * 32) != digest(KEYS)


def test_half_a_pair_is_an_error() -> None:
    """If one of the two key variables is missing, the error names it."""
    with pytest.raises(AmbientFailed, match="AWS_SECRET_ACCESS_KEY is not"):
        digest({"AWS_ACCESS_KEY_ID": "AKIAADA"})


@pytest.fixture
def environ(home: Path) -> dict[str, str]:
    """A home folder with a profile, a login and a token file."""
    for folder in (".aws/sso/cache", ".aws/login/cache"):
        (home / folder).mkdir(parents=True)
    (home / ".aws/config").write_text("[profile dev]\nregion = eu-west-1\n[default]\nregion = eu-west-2\n")
    (home / ".aws/credentials").write_text("[dev]\naws_access_key_id = AKIADEV\n")
    (home / ".aws/sso/cache/1.json").write_text("{}")
    (home / "token").write_text("jwt")
    return {"HOME": str(home), "AWS_WEB_IDENTITY_TOKEN_FILE": str(home / "token")}


def test_a_profile_is_named_with_its_region(environ: dict[str, str]) -> None:
    """An identity from a profile has the profile's region; without a named profile AWS_PROFILE applies.

    Only botocore knows whether the profile's credentials are temporary.
    """
    dev = ambient_of(environ, KEY, "/")("dev")
    assert (dev.source, dev.is_temporary, dev.region) == ("profile dev", None, "eu-west-1")
    default = ambient_of(environ, KEY, "/")("")
    assert (default.source, default.region) == ("default chain", "eu-west-2")
    by_variable = ambient_of({**environ, "AWS_PROFILE": "dev"}, KEY, "/")("")
    assert (by_variable.source, by_variable.region) == ("profile dev", "eu-west-1")


def test_a_named_profile_wins_over_keys_in_the_environment(environ: dict[str, str]) -> None:
    """A named profile takes precedence over keys in the environment, as in botocore."""
    assert ambient_of({**environ, **KEYS}, KEY, "/")("dev").source == "profile dev"


@pytest.mark.parametrize(
    "changed", [".aws/config", ".aws/credentials", ".aws/sso/cache/1.json", ".aws/login/cache/new.json", "token"]
)
def test_each_file_that_botocore_may_read_counts(environ: dict[str, str], changed: str) -> None:
    """If a file that botocore may read changes or is added, the digest changes; otherwise it stays."""
    before = digest(environ, "dev")
    assert digest(environ, "dev") == before
    path = Path(environ["HOME"]) / changed
    path.write_text((path.read_text() if path.exists() else "") + "\n# changed\n")
    assert digest(environ, "dev") != before


def test_a_token_file_of_a_profile_counts(environ: dict[str, str]) -> None:
    """The digest covers a token file that only the config file names."""
    home = Path(environ.pop("HOME"))
    environ = {"HOME": str(home)}
    (home / ".aws/config").write_text(f"[profile dev]\nweb_identity_token_file = {home / 'token'}\n")
    before = digest(environ, "dev")
    (home / "token").write_text("another jwt")
    assert digest(environ, "dev") != before


def test_variables_of_aws_count_and_others_only_for_a_process(environ: dict[str, str]) -> None:
    """AWS variables change the digest.

    Other variables change it only if the profile has a credential_process, which may read them.
    """
    assert digest({**environ, "AWS_ROLE_ARN": "x"}) != digest(environ)
    assert digest({**environ, "FOO": "x"}) == digest(environ)
    (Path(environ["HOME"]) / ".aws/config").write_text("[profile dev]\ncredential_process = x\n")
    assert digest({**environ, "FOO": "x"}) != digest(environ)


def test_two_profiles_are_two_identities(environ: dict[str, str]) -> None:
    """Two profiles have different digests, even in the same unchanged files."""
    assert digest(environ, "dev") != digest(environ, "prod")


def test_the_home_is_the_clients(environ: dict[str, str], tmp_path: Path) -> None:
    """The digest uses the client's home folder, not that of this process."""
    assert os.environ["HOME"] == environ["HOME"]
    assert ambient_of({"HOME": str(tmp_path)}, KEY, "/")("dev").region == ""


@pytest.mark.parametrize(
    "variable",
    [
        "AWS_CONFIG_FILE",
        "AWS_SHARED_CREDENTIALS_FILE",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "BOTO_CONFIG",
        "AWS_CREDENTIAL_FILE",
    ],
)
def test_a_relative_path_starts_at_the_clients_folder(environ: dict[str, str], tmp_path: Path, variable: str) -> None:
    """Relative paths in variables are resolved against the client's folder, so the folder changes the digest.

    A change of the file changes the digest once more.
    """
    del environ["AWS_WEB_IDENTITY_TOKEN_FILE"]
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "here").write_text(f"# {name}\n")
    client = {**environ, variable: "here"}
    one, two = (digest(client, folder=str(tmp_path / name)) for name in ("one", "two"))
    assert one != two
    (tmp_path / "two/here").write_text("# one\n")
    assert digest(client, folder=str(tmp_path / "two")) == one


def test_a_relative_token_file_of_a_profile_starts_there_too(environ: dict[str, str], tmp_path: Path) -> None:
    """A relative `web_identity_token_file` in the config file is resolved against the client's folder."""
    (Path(environ["HOME"]) / ".aws/config").write_text("[profile dev]\nweb_identity_token_file = token\n")
    before = digest(environ, "dev", folder=str(tmp_path))
    (tmp_path / "token").write_text("jwt")
    assert digest(environ, "dev", folder=str(tmp_path)) != before


def test_a_process_of_a_profile_runs_in_the_clients_folder(environ: dict[str, str]) -> None:
    """With a relative `credential_process` (`./who`) the digest depends on the client's folder.

    Without a relative `credential_process` the folder does not change the digest.
    """
    assert digest(environ, folder="/a") == digest(environ, folder="/b")
    (Path(environ["HOME"]) / ".aws/config").write_text("[profile dev]\ncredential_process = ./who\n")
    assert digest(environ, folder="/a") != digest(environ, folder="/b")


@pytest.mark.parametrize("path", ["$PLACE/config", "${PLACE}/config", "~/config"])
def test_variables_in_a_path_are_the_clients(environ: dict[str, str], tmp_path: Path, path: str) -> None:
    """Variables in a path are expanded with the client's environment, as in botocore."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config").write_text(f"[default]\nregion = region-{name}\n")
    environs = [{**environ, "PLACE": str(tmp_path / name), "AWS_CONFIG_FILE": path} for name in ("one", "two")]
    environs = [{**entry, "HOME": entry["PLACE"]} if path.startswith("~") else entry for entry in environs]
    assert [ambient_of(entry, KEY, "/")("").region for entry in environs] == ["region-one", "region-two"]
    assert digest(environs[0]) != digest(environs[1])


def test_a_login_cache_elsewhere_counts(environ: dict[str, str], tmp_path: Path) -> None:
    """The digest covers the login cache in the folder that `AWS_LOGIN_CACHE_DIRECTORY` names."""
    environ["AWS_LOGIN_CACHE_DIRECTORY"] = str(tmp_path)
    before = digest(environ)
    (tmp_path / "1.json").write_text("{}")
    assert digest(environ) != before


@pytest.mark.parametrize("keys", [KEYS, {}], ids=["keys", "profile"])
@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "NO_PROXY", "SSL_CERT_FILE", "AWS_CA_BUNDLE"])
def test_the_issuer_of_a_session_counts(environ: dict[str, str], name: str, keys: dict[str, str]) -> None:
    """Variables for proxy and certificates change the digest, because another server may issue the session."""
    assert digest({**environ, **keys, name: "x"}) != digest({**environ, **keys})


def test_a_pipe_in_a_files_place_is_not_waited_for(environ: dict[str, str], tmp_path: Path) -> None:
    """A pipe in place of a file is not read: botocore does not read it either, and the read could block forever."""
    os.mkfifo(tmp_path / "pipe")
    assert digest({**environ, "AWS_CONFIG_FILE": str(tmp_path / "pipe")}) != digest(environ)


def test_unreadable_files_are_an_error(environ: dict[str, str], tmp_path: Path) -> None:
    """An unreadable file is an error: if it counted as missing, two identities would get the same digest."""
    (tmp_path / "dead").symlink_to("dead")
    assert content(str(tmp_path / "dead")) == content(str(tmp_path / "absent")) == b""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)
    os.close(lowest)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
        with pytest.raises(ConfigUnreadable, match="too many open files"):
            digest(environ)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

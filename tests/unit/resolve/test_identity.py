"""The digest of the base identity: it differs for each possible identity and reveals none of its parts."""

from __future__ import annotations

import hashlib
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


LOGIN = "arn:aws:sts::111111111111:assumed-role/R/ada"
PROFILES = f"""\
[default]
region = eu-west-2
[profile dev]
region = eu-west-1
source_profile = base
sso_session = corp
services = local
login_session = {LOGIN}
[profile base]
sso_start_url = https://base.example
[profile other]
sso_session = elsewhere
[sso-session corp]
sso_start_url = https://corp.example
[sso-session elsewhere]
sso_start_url = https://elsewhere.example
[services local]
sts =
  endpoint_url = https://sts.example
[services remote]
sts =
  endpoint_url = https://remote.example
"""
SSO = ".aws/sso/cache"


def hashed(text: str) -> str:
    """Return the name of an SSO session's token file."""
    return f"{SSO}/{hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()}.json"


@pytest.mark.parametrize(
    "changed",
    [
        "token",
        ".boto",
        hashed("corp"),
        hashed("https://corp.example"),
        hashed("https://base.example"),
        f".aws/login/cache/{hashlib.sha256(LOGIN.encode()).hexdigest()}.json",
    ],
)
def test_each_file_that_botocore_reads_for_the_profile_counts(environ: dict[str, str], changed: str) -> None:
    """If a file that botocore reads for the profile changes or is added, the digest changes; otherwise it stays."""
    home = Path(environ["HOME"])
    (home / ".aws/config").write_text(PROFILES)
    before = digest(environ, "dev")
    assert digest(environ, "dev") == before
    (home / changed).write_text("changed")
    assert digest(environ, "dev") != before


@pytest.mark.parametrize("changed", [hashed("elsewhere"), f"{SSO}/botocore-client-id-us-east-1.json", ".aws/cli/x"])
def test_a_login_of_another_session_does_not_count(environ: dict[str, str], changed: str) -> None:
    """A new token of an SSO session that the profile does not use keeps the digest."""
    home = Path(environ["HOME"])
    (home / ".aws/config").write_text(PROFILES)
    (home / changed).parent.mkdir(exist_ok=True)
    before = digest(environ, "dev")
    (home / changed).write_text("a new token")
    assert digest(environ, "dev") == before
    (home / hashed("corp")).write_text("a new token")
    assert digest(environ, "dev") != before


def edited(environ: dict[str, str], old: str, new: str, profile: str = "dev") -> bool:
    """Whether this edit of the config file changes the digest."""
    config = Path(environ["HOME"]) / ".aws/config"
    assert old in PROFILES
    config.write_text(PROFILES)
    before = digest(environ, profile)
    config.write_text(PROFILES.replace(old, new))
    return digest(environ, profile) != before


@pytest.mark.parametrize(
    "line", ["region = eu-west-1", "https://base.example", "https://corp.example", "https://sts.example"]
)
def test_a_value_in_a_section_that_the_profile_refers_to_counts(environ: dict[str, str], line: str) -> None:
    """An edit of the profile's section, or of its source profile, SSO session or services, changes the digest."""
    assert edited(environ, line, f"{line}x")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("https://remote.example", "https://x.example"),
        ("https://elsewhere.example", "https://x.example"),
        ("region = eu-west-2", "region = us-east-1"),
        ("[profile other]", "[profile another]\nrole_arn = x\n[profile other]"),
        ("[profile other]\nsso_session = elsewhere\n", ""),
        ("region = eu-west-1\nsource_profile = base\n", "# a comment\nSource_Profile : base\n\nregion=eu-west-1\n"),
    ],
    ids=["services", "sso-session", "default", "new profile", "removed profile", "layout"],
)
def test_an_edit_elsewhere_does_not_count(environ: dict[str, str], old: str, new: str) -> None:
    """An edit of sections to which the profile does not refer keeps the digest, and so does another layout."""
    assert not edited(environ, old, new)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("[default]", "[DEFAULT]\nexternal_id = x\n[default]"),
        ("[profile other]", "[profile 'dev']\nrole_arn = x\n[profile other]"),
        ("[profile other]", "[profiles dev]\nrole_arn = x\n[profile other]"),
        ("[profile other]", "[DEFAULT]\nsource_profile = other\n[profile other]"),
        ("[profile other]", "[plugins]\nx = y\n[profile other]"),
        ("[profile other]", "[profile dev]\nrole_arn = x\n[profile other]"),
    ],
    ids=["DEFAULT", "quotes", "profiles", "DEFAULT source", "plugins", "twice"],
)
def test_an_unusual_section_counts(environ: dict[str, str], old: str, new: str) -> None:
    """`[DEFAULT]`, a second header of the profile, and sections of an unknown kind change the digest.

    With a section that occurs twice botocore reads nothing, and the whole file counts.
    """
    assert edited(environ, old, new)


@pytest.mark.parametrize(
    ("file", "header"),
    [("config", "[DEFAULT]"), ("config", "[profiles dev]"), ("config", '[profile "dev"]'), ("credentials", "[dev]")],
)
def test_a_source_that_an_unusual_section_names_counts(environ: dict[str, str], file: str, header: str) -> None:
    """An edit of the source profile counts wherever botocore finds `source_profile`, and in both files."""
    aws = Path(environ["HOME"]) / ".aws"
    (aws / "config").write_text("[profile dev]\nrole_arn = x\n[profile unrelated]\nregion = x\n")
    text = (aws / file).read_text() if file == "config" else ""
    (aws / file).write_text(f"{text}{header}\nsource_profile = other\n")
    for source in ("config", "credentials"):
        before, old = digest(environ, "dev"), (aws / source).read_text()
        (aws / source).write_text(f"{old}[{'profile ' if source == 'config' else ''}other]\naws_access_key_id = x\n")
        assert digest(environ, "dev") != before


def test_any_profile_counts_for_a_process(environ: dict[str, str]) -> None:
    """If the profile or a source has a credential_process, each edit counts: the process may use any profile."""
    with_process = "[profile base]\ncredential_process = aws configure export-credentials --profile other"
    (Path(environ["HOME"]) / ".aws/config").write_text(PROFILES.replace("[profile base]", with_process))
    before = digest(environ, "dev")
    (Path(environ["HOME"]) / hashed("elsewhere")).write_text("a new token")
    assert digest(environ, "dev") != before


@pytest.mark.parametrize(
    ("variables", "read"),
    [
        ({}, {"default"}),
        ({"AWS_PROFILE": "dev"}, {"dev"}),
        ({"AWS_DEFAULT_PROFILE": "dev", "AWS_PROFILE": "other"}, {"dev", "other"}),
        ({"AWS_DEFAULT_PROFILE": "", "AWS_PROFILE": "other"}, {"default", "other"}),
    ],
)
def test_the_profiles_that_variables_may_mean_count(
    environ: dict[str, str], variables: dict[str, str], read: set[str]
) -> None:
    """Without a named profile, an edit of each profile counts that the variables may mean, and no other edit does."""
    sections = {"default": "[default]", "dev": "[profile dev]", "other": "[profile other]"}
    changing = {
        name
        for name, header in sections.items()
        if edited({**environ, **variables}, header, f"{header}\nexternal_id = x", profile="")
    }
    assert changing == read


def test_a_variable_that_names_a_profile_counts_unless_a_profile_is_named(environ: dict[str, str]) -> None:
    """AWS_PROFILE does not change the digest of a profile that a store names: botocore does not read the variable."""
    assert digest({**environ, "AWS_PROFILE": "other"}, "dev") == digest(environ, "dev")
    assert digest({**environ, "AWS_PROFILE": "other"}) != digest(environ)


@pytest.mark.parametrize("key", ["web_identity_token_file = ", "web_identity_token_file: ", "WEB_IDENTITY_TOKEN_FILE="])
@pytest.mark.parametrize("lines", ["[profile dev]", "[profile dev]\ncredential_process = x", "[other]\n[other]"])
def test_a_token_file_of_a_profile_counts(environ: dict[str, str], lines: str, key: str) -> None:
    """The digest covers a token file that only the config file names, also beside a process, or in an unusual file."""
    home = Path(environ.pop("HOME"))
    environ = {"HOME": str(home)}
    (home / ".aws/config").write_text(f"{lines}\n{key}{home / 'token'}\n")
    before = digest(environ, "dev")
    (home / "token").write_text("another jwt")
    assert digest(environ, "dev") != before


def test_variables_of_aws_count_and_others_only_for_a_process(environ: dict[str, str]) -> None:
    """AWS variables change the digest.

    Other variables, such as PATH, change it only if the profile has a credential_process, which may read them.
    """
    for name in ("AWS_ROLE_ARN", "BOTOCORE_EXPERIMENTAL__PLUGINS"):
        assert digest({**environ, name: "x"}) != digest(environ)
    (Path(environ["HOME"]) / ".aws/config").write_text("[profile dev]\ncredential_process = x\n")
    for name in ("FOO", "PATH"):
        assert digest({**environ, name: "x"}) == digest(environ)
        assert digest({**environ, name: "x"}, "dev") != digest(environ, "dev")


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
        (tmp_path / name / "here").write_text(f"[default]\nx = {name}\n")
    client = {**environ, variable: "here"}
    one, two = (digest(client, folder=str(tmp_path / name)) for name in ("one", "two"))
    assert one != two
    (tmp_path / "two/here").write_text("[default]\nx = one\n")
    assert digest(client, folder=str(tmp_path / "two")) == one


def test_a_relative_token_file_of_a_profile_starts_there_too(environ: dict[str, str], tmp_path: Path) -> None:
    """A relative `web_identity_token_file` in the config file is resolved against the client's folder."""
    (Path(environ["HOME"]) / ".aws/config").write_text("[profile dev]\nweb_identity_token_file = token\n")
    before = digest(environ, "dev", folder=str(tmp_path))
    (tmp_path / "token").write_text("jwt")
    assert digest(environ, "dev", folder=str(tmp_path)) != before


@pytest.mark.parametrize("key", ["credential_process", "Credential_Process"])
def test_a_process_of_a_profile_runs_in_the_clients_folder(environ: dict[str, str], key: str) -> None:
    """With a `credential_process` (`./who`) the digest depends on the client's folder.

    For a profile without a `credential_process` the folder does not change the digest.
    """
    assert digest(environ, folder="/a") == digest(environ, folder="/b")
    (Path(environ["HOME"]) / ".aws/config").write_text(f"[profile dev]\n{key} = ./who\n")
    assert digest(environ, folder="/a") == digest(environ, folder="/b")
    assert digest(environ, "dev", folder="/a") != digest(environ, "dev", folder="/b")


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


@pytest.mark.parametrize("variable", ["{folder}", ".", ""])
@pytest.mark.parametrize("line", ["", "credential_process = x\n"])
def test_a_login_cache_elsewhere_counts(environ: dict[str, str], tmp_path: Path, variable: str, line: str) -> None:
    """The digest covers the login cache in the folder that `AWS_LOGIN_CACHE_DIRECTORY` names.

    As in botocore, an empty variable names the client's folder.
    """
    (Path(environ["HOME"]) / ".aws/config").write_text(PROFILES.replace("[profile dev]\n", f"[profile dev]\n{line}"))
    environ["AWS_LOGIN_CACHE_DIRECTORY"] = variable.format(folder=tmp_path)
    before = digest(environ, "dev", folder=str(tmp_path))
    (tmp_path / f"{hashlib.sha256(LOGIN.encode()).hexdigest()}.json").write_text("{}")
    assert digest(environ, "dev", folder=str(tmp_path)) != before


@pytest.mark.parametrize(("path", "file"), [("$PLACE/keys", "$PLACE/keys"), ("~/keys", "home/keys")])
def test_a_variable_in_aws_credential_file_is_literal(tmp_path: Path, path: str, file: str) -> None:
    """In AWS_CREDENTIAL_FILE, `~` is expanded and a variable is not, as in botocore."""
    (tmp_path / file).parent.mkdir()
    environ = {"HOME": str(tmp_path / "home"), "PLACE": "elsewhere", "AWS_CREDENTIAL_FILE": path}
    before = digest(environ, folder=str(tmp_path))
    (tmp_path / file).write_text("AWSAccessKeyId=AKIAEVE\nAWSSecretKey=s\n")
    assert digest(environ, folder=str(tmp_path)) != before


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

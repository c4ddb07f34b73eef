"""Base credentials: keys in the environment are read directly, all other sources by botocore in a child process."""

from __future__ import annotations

import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dsops.aws.identity import ambient
from dsops.aws.identity.ambient import ambient_from_environment, load_ambient
from dsops.aws.identity.ambient_advice import scrubbed
from dsops.aws.identity.ambient_files import profile_region
from dsops.errors import AmbientFailed, ConfigUnreadable, CredentialsExpired, MfaRequired, NoCredentials
from tests.fakes import NOON
from tests.stubs.aws import assume_role_answer, parameters_of
from tests.stubs.server import Answer, StubServer
from tests.unit.aws.profiles import World

KEYS = {"AWS_ACCESS_KEY_ID": "AKIAOFTHEENVIRONMENT", "AWS_SECRET_ACCESS_KEY": "secret/of/environment"}


# --- keys in the environment --------------------------------------------------------------------------------


def test_a_pair_of_keys_is_found_at_once() -> None:
    """A key pair in the environment is a long-term key, without session token or expiry."""
    credentials = ambient_from_environment(KEYS)
    assert credentials is not None
    assert credentials.access_key_id == "AKIAOFTHEENVIRONMENT"
    assert credentials.secret_access_key.reveal() == "secret/of/environment"
    assert (credentials.is_temporary, credentials.expiration) == (False, None)


def test_without_keys_there_are_no_credentials() -> None:
    """Without a key pair, or with empty variables, the environment provides no credentials."""
    assert ambient_from_environment({}) is None
    assert ambient_from_environment(dict.fromkeys(KEYS, "")) is None
    assert ambient_from_environment({"AWS_SESSION_TOKEN": "alone"}) is None


def test_a_session_has_a_token_and_maybe_an_expiry() -> None:
    """A session token in the environment is read, and its expiry from AWS_CREDENTIAL_EXPIRATION.

    `aws configure export-credentials` sets that variable.
    """
    environ = {**KEYS, "AWS_SESSION_TOKEN": "token", "AWS_CREDENTIAL_EXPIRATION": "2026-11-24T14:00:00+02:00"}
    credentials = ambient_from_environment(environ, NOON.replace(hour=11))
    assert credentials is not None
    assert credentials.session_token is not None
    assert credentials.session_token.reveal() == "token"
    assert credentials.expiration == datetime(2026, 11, 24, 12, tzinfo=UTC)


def test_the_old_name_of_the_token_is_read_too() -> None:
    """AWS_SECURITY_TOKEN is read as the session token unless AWS_SESSION_TOKEN is set."""
    old = ambient_from_environment({**KEYS, "AWS_SECURITY_TOKEN": "old"})
    both = ambient_from_environment({**KEYS, "AWS_SECURITY_TOKEN": "old", "AWS_SESSION_TOKEN": "new"})
    assert [
        credentials.session_token.reveal() for credentials in (old, both) if credentials and credentials.session_token
    ] == ["old", "new"]


def test_a_line_break_at_the_end_is_not_part_of_a_key() -> None:
    """A trailing line break, as from a file or command substitution, is not part of a key."""
    credentials = ambient_from_environment({name: f"{value}\n" for name, value in KEYS.items()})
    assert credentials is not None
    assert credentials.secret_access_key.reveal() == "secret/of/environment"


@pytest.mark.parametrize(
    ("given", "missing"),
    [("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), ("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID")],
)
def test_half_a_pair_is_an_error(given: str, missing: str) -> None:
    """A key id without secret key, or the reverse, is an error that names both variables and shows no value."""
    with pytest.raises(AmbientFailed) as caught:
        ambient_from_environment({given: "hidden"})
    assert caught.value.message == f"{given} is set, but {missing} is not"
    assert missing in caught.value.hint
    assert "hidden" not in caught.value.hint


def test_expired_keys_are_an_error_when_the_time_is_known() -> None:
    """Keys whose expiry has been reached are an error; keys without an expiry are used."""
    environ = {**KEYS, "AWS_CREDENTIAL_EXPIRATION": "2026-11-24T12:00:00Z"}
    with pytest.raises(CredentialsExpired, match="expired at 2026-11-24 12:00:00 UTC"):
        ambient_from_environment(environ, NOON)
    assert ambient_from_environment(environ, NOON.replace(hour=11)) is not None
    assert ambient_from_environment(environ) is not None


def test_an_expiry_that_is_no_time_is_an_error() -> None:
    """A malformed AWS_CREDENTIAL_EXPIRATION is an error, and is not treated as a missing expiry."""
    with pytest.raises(AmbientFailed, match="AWS_CREDENTIAL_EXPIRATION is not a time"):
        ambient_from_environment({**KEYS, "AWS_CREDENTIAL_EXPIRATION": "tomorrow"})


# --- other sources, by botocore -----------------------------------------------------------------------------


def test_keys_in_the_environment_start_no_process() -> None:
    """Keys in environment variables take precedence over AWS_PROFILE, as in botocore, and start no child process."""
    credentials = load_ambient({**KEYS, "AWS_PROFILE": "other"}, "/nowhere")
    assert (credentials.access_key_id, credentials.source) == ("AKIAOFTHEENVIRONMENT", "environment")


def test_a_profile_of_the_credentials_file(world: World) -> None:
    """A profile passed by name takes precedence over keys in environment variables."""
    world.credentials("[work]\naws_access_key_id = AKIAWORK\naws_secret_access_key = work/secret\n")
    credentials = world.load("work", **KEYS)
    assert credentials.access_key_id == "AKIAWORK"
    assert credentials.secret_access_key.reveal() == "work/secret"
    assert credentials.source == "profile work (the credentials file)"


def test_the_profile_of_the_environment(world: World) -> None:
    """The profile is AWS_PROFILE of the client's environment, otherwise `default`."""
    world.credentials(
        "[default]\naws_access_key_id = AKIADEFAULT\naws_secret_access_key = s\n"
        "[work]\naws_access_key_id = AKIAWORK\naws_secret_access_key = s\naws_session_token = t\n"
    )
    assert world.load().access_key_id == "AKIADEFAULT"
    work = world.load(AWS_PROFILE="work")
    assert work.access_key_id == "AKIAWORK"
    assert work.is_temporary
    assert work.source == "profile work (the credentials file)"


def test_this_processes_environment_does_not_count(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of the current process (such as the agent) is ignored."""
    world.credentials("[default]\naws_access_key_id = AKIADEFAULT\naws_secret_access_key = s\n")
    monkeypatch.setenv("AWS_PROFILE", "missing")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOTHER")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "other")
    assert world.load().access_key_id == "AKIADEFAULT"


def test_a_credential_process_runs_in_the_clients_folder(world: World) -> None:
    """`credential_process` runs in the client's folder; its expiry is read, and its stderr is ignored."""
    command = world.script(
        "import json, os, sys\n"
        "print('looking', file=sys.stderr)\n"
        "print(json.dumps({'Version': 1, 'AccessKeyId': 'ASIAPROCESS', 'SecretAccessKey': os.environ['ONLY_HERE'],\n"
        " 'SessionToken': os.getcwd(), 'Expiration': '2099-01-01T00:00:00Z'}))\n"
    )
    world.config(f"[profile tool]\ncredential_process = {command}\n")
    credentials = world.load("tool", ONLY_HERE="of/the/client")
    assert credentials.access_key_id == "ASIAPROCESS"
    assert credentials.secret_access_key.reveal() == "of/the/client"
    assert credentials.session_token is not None
    assert os.path.realpath(credentials.session_token.reveal()) == os.path.realpath(world.folder)
    assert credentials.expiration == datetime(2099, 1, 1, tzinfo=UTC)
    assert credentials.source == "profile tool (its credential_process)"


def test_a_credential_process_that_fails(world: World) -> None:
    """A failing `credential_process` is an error that shows its stderr, with key-like texts masked."""
    command = world.script(
        "import sys\n"
        "sys.exit('vault is locked; key AKIAIOSFODNN7EXAMPLE, secret wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY')\n"
    )
    world.config(f"[profile tool]\ncredential_process = {command}\n")
    error = world.failure("tool")
    assert isinstance(error, AmbientFailed)
    assert "could not get the credentials of profile `tool`" in error.message
    assert "vault is locked; key AKIA***, secret ***" in error.why
    assert "wJalr" not in repr(error.__dict__)


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("false", "its `credential_process` failed without an error message"),
        ("echo hush", "its `credential_process` does not print JSON"),
        ("no-such-program", "no such file or directory: 'no-such-program'"),
    ],
)
def test_a_credential_process_with_useless_output(world: World, command: str, why: str) -> None:
    """Invalid output of `credential_process` is an error in plain words, not a Python exception."""
    world.config(f"[profile tool]\ncredential_process = {command}\n")
    with pytest.raises(AmbientFailed) as caught:
        world.load("tool")
    assert caught.value.why == why


def test_a_credential_process_that_hangs(world: World, tmp_path: Path) -> None:
    """A `credential_process` that hangs is ended by the timeout, even if its children keep the pipes open."""
    os.mkfifo(tmp_path / "never")
    world.config("[profile tool]\ncredential_process = sh -c 'read line < never'\n")
    with pytest.raises(AmbientFailed, match="longer than 2 s") as caught:
        load_ambient(world.environ, str(world.folder), "tool", timeout_seconds=2)
    assert "credential_process" in caught.value.hint
    end_readers(tmp_path / "never")


def end_readers(fifo: Path) -> None:
    """Give end of file to the shell that reads; it may not have begun yet, or have ended before it could begin."""
    end = time.monotonic() + 5
    while time.monotonic() < end:
        try:
            os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
        except OSError:
            time.sleep(0.05)
        else:
            return


def test_a_profile_with_a_role(world: World) -> None:
    """botocore assumes a profile's role at the STS endpoint that the client's environment names."""
    world.config("[profile role]\nrole_arn = arn:aws:iam::123456789012:role/Deploy\nsource_profile = base\n")
    world.credentials("[base]\naws_access_key_id = AKIABASE\naws_secret_access_key = s\n")
    with StubServer(lambda _: assume_role_answer(expiration="2099-01-01T00:00:00Z")) as server:
        credentials = world.load("role", AWS_ENDPOINT_URL_STS=server.url)
    assert parameters_of(server.seen[0])["RoleArn"] == "arn:aws:iam::123456789012:role/Deploy"
    assert "/eu-west-1/sts/" in server.seen[0].header("authorization")
    assert credentials.access_key_id == "ASIAEXAMPLEEXAMPLE01"
    assert credentials.expiration == datetime(2099, 1, 1, tzinfo=UTC)
    assert credentials.source == "profile role (a role, from profile base)"


def test_a_profile_that_asks_for_an_mfa_code(world: World) -> None:
    """A profile that needs an MFA code is an error before any call, with the hint to use an `aws.sts` store."""
    world.config(
        "[profile role]\nrole_arn = arn:aws:iam::123456789012:role/Deploy\nsource_profile = base\n"
        "mfa_serial = arn:aws:iam::123456789012:mfa/ada\n"
    )
    world.credentials("[base]\naws_access_key_id = AKIABASE\naws_secret_access_key = s\n")
    with StubServer(lambda _: assume_role_answer()) as server:
        error = world.failure("role", AWS_ENDPOINT_URL_STS=server.url)
    assert isinstance(error, MfaRequired)
    assert error.message == "profile `role` asks for an MFA code"
    assert "type aws.sts" in error.hint
    assert server.connections == 0


def test_a_role_without_any_region(world: World) -> None:
    """Without a region, a profile's role is assumed in us-east-1, like a store's role."""
    world.config("[profile role]\nrole_arn = arn:aws:iam::123456789012:role/Deploy\nsource_profile = base\n")
    world.credentials("[base]\naws_access_key_id = AKIABASE\naws_secret_access_key = s\n")
    with StubServer(lambda _: assume_role_answer(expiration="2099-01-01T00:00:00Z")) as server:
        world.load("role", AWS_ENDPOINT_URL_STS=server.url, AWS_REGION="")
    assert "/us-east-1/sts/" in server.seen[0].header("authorization")


def test_a_role_that_refuses(world: World) -> None:
    """If a profile's role is denied, the error shows AWS's message."""
    from tests.stubs.aws import sts_error

    world.config("[profile role]\nrole_arn = arn:aws:iam::123456789012:role/Deploy\nsource_profile = base\n")
    world.credentials("[base]\naws_access_key_id = AKIABASE\naws_secret_access_key = s\n")
    with StubServer(lambda _: sts_error("AccessDenied", "User: x is not authorized")) as server:
        error = world.failure("role", AWS_ENDPOINT_URL_STS=server.url)
    assert isinstance(error, AmbientFailed)
    assert "User: x is not authorized" in error.why


def test_a_containers_credentials(world: World) -> None:
    """Credentials of a container service are read from the address that the client's environment names."""
    keys = b'"AccessKeyId": "ASIACONTAINER", "SecretAccessKey": "s", "Token": "t"'
    body = b"{" + keys + b', "Expiration": "2099-01-01T00:00:00Z"}'
    with StubServer(lambda _: Answer(body=body)) as server:
        credentials = world.load(
            AWS_CONTAINER_CREDENTIALS_FULL_URI=f"{server.url}/creds", AWS_CONTAINER_AUTHORIZATION_TOKEN="Bearer x"
        )
    assert server.seen[0].header("authorization") == "Bearer x"
    assert credentials.access_key_id == "ASIACONTAINER"
    assert credentials.source == f"the container's role (at 127.0.0.1:{server.port})"


def test_a_profile_that_is_not_there(world: World) -> None:
    """An unknown profile is an error that lists the known profiles."""
    world.config("[profile work]\nregion = x\n[profile play]\nregion = y\n")
    error = world.failure("wrk")
    assert isinstance(error, AmbientFailed)
    assert error.message == "there is no profile `wrk`"
    assert "work, play" in error.why or "play, work" in error.why


def test_a_profile_without_credentials(world: World) -> None:
    """A profile that has only a region is an error, because it provides no credentials."""
    world.config("[profile work]\nregion = eu-west-1\n")
    error = world.failure("work")
    assert isinstance(error, NoCredentials)
    assert error.message == "profile `work` provides no credentials"


def test_a_named_profile_is_not_replaced_by_a_role(world: World) -> None:
    """A named profile without credentials is an error; the container's role is not used instead.

    botocore would use the container's role, which is another identity than the user named.
    """
    world.config("[profile work]\nregion = eu-west-1\n")
    keys = b'"AccessKeyId": "ASIACONTAINER", "SecretAccessKey": "s", "Token": "t"'
    with StubServer(lambda _: Answer(body=b"{" + keys + b', "Expiration": "2099-01-01T00:00:00Z"}')) as server:
        uri = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{server.url}/creds"}
        error = world.failure("work", **uri)
        credentials = world.load("", AWS_PROFILE="work", **uri)
    assert isinstance(error, NoCredentials)
    assert error.message == "profile `work` provides no credentials"
    assert "the container's role" in error.why
    assert credentials.access_key_id == "ASIACONTAINER"


def test_no_credentials_at_all(world: World) -> None:
    """Without any credentials, the error lists the sources that were tried and the next step."""
    error = world.failure()
    assert isinstance(error, NoCredentials)
    assert error.exit_code == 3
    for place in ("AWS_ACCESS_KEY_ID", "`default`", "~/.aws/config", "container", "AWS_EC2_METADATA_DISABLED"):
        assert place in error.why
    assert "aws sso login" in error.hint


def test_half_a_pair_in_a_profile(world: World) -> None:
    """A profile with half a key pair is an error that names the missing setting."""
    world.credentials("[work]\naws_access_key_id = AKIAWORK\n")
    error = world.failure("work")
    assert isinstance(error, AmbientFailed)
    assert "aws_secret_access_key" in error.why


def test_a_profile_of_identity_center_without_a_login(world: World) -> None:
    """If a profile of IAM Identity Center has no login, the error's hint is the `aws sso login` command."""
    world.config(
        "[sso-session corp]\nsso_start_url = https://corp.awsapps.com/start\nsso_region = us-east-1\n"
        "[profile sso]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = Dev\n"
    )
    error = world.failure("sso")
    assert isinstance(error, AmbientFailed)
    assert error.hint == "run `aws sso login --profile sso`"


def test_profiles_in_a_loop(world: World) -> None:
    """Profiles that refer to each other in a loop are an error that says so."""
    world.config(
        "[profile a]\nrole_arn = arn:aws:iam::123456789012:role/A\nsource_profile = b\n"
        "[profile b]\nrole_arn = arn:aws:iam::123456789012:role/B\nsource_profile = a\n"
    )
    error = world.failure("a")
    assert isinstance(error, AmbientFailed)
    assert "loop" in error.why.lower()


def test_a_folders_files_and_pythons_variables_are_not_imported(world: World) -> None:
    """The child process imports nothing from the client's working directory or PYTHONPATH."""
    world.credentials("[default]\naws_access_key_id = AKIADEFAULT\naws_secret_access_key = s\n")
    elsewhere = world.folder / "elsewhere"
    elsewhere.mkdir()
    for folder in (world.folder, elsewhere):
        for module in ("botocore", "json", "dsops", "getpass", "sitecustomize"):
            (folder / f"{module}.py").write_text("raise SystemExit('imported from the wrong place')\n")
    credentials = world.load(PYTHONPATH=str(elsewhere), PYTHONSTARTUP=str(elsewhere / "json.py"))
    assert credentials.access_key_id == "AKIADEFAULT"


def test_output_of_modules_goes_to_stderr() -> None:
    """Output of imported modules goes to stderr, so that it cannot corrupt the child's JSON on stdout."""
    import json
    import subprocess

    program = (
        "from dsops.aws.identity import ambient_child\n"
        "ambient_child.find = lambda profile: print('noise', flush=True) or {'error': profile}\n"
        "ambient_child.main('me')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60)
    assert (json.loads(done.stdout), done.stderr) == ({"error": "me"}, "noise\n")


def test_a_folder_that_is_gone(world: World) -> None:
    """If the client's working directory was removed, the error says that the child process could not start."""
    with pytest.raises(AmbientFailed, match="could not look up base credentials"):
        load_ambient(world.environ, "/nowhere/at/all")


def test_a_process_that_dies_gives_its_last_line(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the child process dies, the last line of its stderr becomes the error's reason."""
    monkeypatch.setattr(ambient, "_START", "raise SystemExit('no module named botocore')")
    error = world.failure()
    assert isinstance(error, AmbientFailed)
    assert error.why == "no module named botocore"


# --- masking, regions and files of profiles -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("secret wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY!", "secret ***!"),
        ("ASIAIOSFODNN7EXAMPLE", "ASIA***"),
        (
            "see /home/ada/projects/infrastructure/terraform/main",
            "see /home/ada/projects/infrastructure/terraform/main",
        ),
        ("a\x1b[31mred\x07", "a [31mred "),
        ("two\nlines", "two\nlines"),
        ("", ""),
    ],
)
def test_what_looks_like_a_key_is_masked(text: str, expected: str) -> None:
    """Key-like texts and control characters are masked; words, paths and line breaks stay."""
    assert expected == scrubbed(text)


def test_a_region_of_a_profile(world: World) -> None:
    """A profile's region comes from NAME in the credentials file, else from `profile NAME` in the config file."""
    world.config(
        "[default]\nregion = eu-west-1\n[profile work]\nregion = eu-central-1\n[profile both]\nregion = a\n"
        '[profile "my name"]\nregion = eu-north-1\n[work2]\nregion = wrong\n[profile none]\noutput = json\n'
    )
    world.credentials("[both]\nregion = eu-south-2\n[other]\nregion = sa-east-1\n")
    expected = {
        "default": "eu-west-1",
        "work": "eu-central-1",
        "both": "eu-south-2",
        "other": "sa-east-1",
        "my name": "eu-north-1",
        "work2": "",
        "none": "",
        "missing": "",
    }
    assert {profile: profile_region(world.environ, profile) for profile in expected} == expected


def test_files_named_by_variables(world: World, tmp_path: Path) -> None:
    """AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE name the files; `~` is the client's HOME."""
    (tmp_path / "config").write_text("[profile work]\nregion = eu-west-3\n")
    (world.home / "keys").write_text("[work]\nregion = eu-west-2\n")
    assert profile_region({"AWS_CONFIG_FILE": str(tmp_path / "config")}, "work") == "eu-west-3"
    environ = {"HOME": str(world.home), "AWS_SHARED_CREDENTIALS_FILE": "~/keys"}
    assert profile_region(environ, "work") == "eu-west-2"


def test_no_files_no_region() -> None:
    """Without files, or without HOME, no region is found for a profile."""
    assert profile_region({"HOME": "/nowhere"}, "work") == ""
    assert profile_region({}, "work") == ""


@pytest.mark.parametrize("content", [b"region = x\n", b"[profile work\n", b"\xff\xfe\x00"])
def test_a_malformed_config_file(world: World, content: bytes) -> None:
    """A malformed file is an error that names the file but shows none of its content, which could be a key."""
    (world.home / ".aws" / "config").write_bytes(content)
    with pytest.raises(ConfigUnreadable, match="config can't be read") as caught:
        profile_region(world.environ, "work")
    assert "region" not in caught.value.message
    assert caught.value.where is not None
    assert caught.value.where.line == (0 if content.startswith(b"\xff") else 1)

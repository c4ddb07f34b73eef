"""`dsops export aws-config`: AWS's programs get sessions through the exported profiles."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from dsops.process.dsops_command import own_program
from tests.clients.sdks import aws_cli_2
from tests.installed import OUTSIDE, ToolMissingError
from tests.permission import allow_found
from tests.unit.cli.stub_aws import StubAws

DSOPS = str(Path(sys.executable).with_name("dsops"))
CONFIG = """\
version: 1
secretStores:
  target:
    type: aws.sts
    region: us-east-1
    role_arn: arn:aws:iam::111122223333:role/Target
    role_session_name: test
  next: {type: aws.sts, role_arn: "arn:aws:iam::111122223333:role/Next", credentials_from: target}
  anywhere: {type: aws.sts, role_arn: "arn:aws:iam::111122223333:role/Next", region: "${AWS_REGION}"}
  secrets: {type: aws.secretsmanager, credentials_from: next}
  local: {type: literal, values: {a: b}}
envs:
  development: {}
"""
OWN = "# mine\n[default]\noutput = json\n"


class Place:
    """A user's home folder and a project."""

    def __init__(self, folder: Path, aws: StubAws) -> None:
        self.project = folder / "a project"
        self.project.mkdir()
        (self.project / "dsops.yaml").write_text(CONFIG)
        self.aws_folder = folder / "home" / ".aws"
        self.aws_folder.mkdir(parents=True)
        self.config = self.aws_folder / "config"
        (self.aws_folder / "credentials").write_text(
            "[default]\naws_access_key_id = AKIAEXAMPLEEXAMPLE01\naws_secret_access_key = hush-base-key\n"
        )
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder / "home"),
            "DSOPS_AGENT": "off",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL": aws.server.url,
        }
        allow_found(self.project, self.environ)

    def dsops(self, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run dsops in the project."""
        return self.run([DSOPS, *words], self.project, environ)

    def run(self, command: list[str], folder: Path, environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """Run a command in a folder."""
        return subprocess.run(
            command,
            cwd=folder,
            env={**self.environ, **environ},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    def exported(self, *words: str) -> str:
        """Export profiles into the AWS config file; return the file's text."""
        done = self.dsops("export", "aws-config", "--write", *words)
        assert 0 == done.returncode, done.stderr
        return self.config.read_text()


@pytest.fixture
def aws() -> Iterator[StubAws]:
    """A stub of STS on loopback."""
    with StubAws() as server:
        yield server


@pytest.fixture
def place(tmp_path: Path, aws: StubAws) -> Place:
    """A home folder with keys, and a project whose path contains a space."""
    return Place(tmp_path, aws)


def clients(url: str) -> dict[str, list[str]]:
    """Client name -> command for GetCallerIdentity; Debian's AWS CLI 2 needs an option for AWS_ENDPOINT_URL."""
    code = "import boto3; boto3.client('sts').get_caller_identity()"
    aws_cli_1 = str(Path(sys.executable).with_name("aws"))
    words = ["sts", "get-caller-identity", "--endpoint-url", url]
    commands = {"boto3": [sys.executable, "-c", code], "aws-cli-1": [aws_cli_1, *words]}
    try:
        commands["aws-cli-2"] = [aws_cli_2(OUTSIDE), *words]
    except ToolMissingError:
        commands["aws-cli-2"] = []
    return commands


@pytest.mark.parametrize("client", ["boto3", "aws-cli-1", "aws-cli-2"])
def test_a_program_works_as_the_role(client: str, place: Place, aws: StubAws, tmp_path: Path) -> None:
    """If AWS_PROFILE names an exported profile, clients work as its role; dsops itself uses the base keys."""
    command = clients(aws.server.url)[client]
    if not command:
        pytest.skip("there is no AWS CLI 2 here; on Debian: apt-get install awscli")
    place.exported()
    done = place.run(command, tmp_path, {"AWS_PROFILE": "target"})

    assert 0 == done.returncode, done.stderr
    assert ["AssumeRole", "GetCallerIdentity"] == aws.calls
    credential = [seen.header("Authorization").partition("Credential=")[2][:20] for seen in aws.server.seen]
    assert ["AKIAEXAMPLEEXAMPLE01", "ASIAEXAMPLEEXAMPLE01"] == credential


def test_the_profile_in_the_environment_provides_the_base_keys(place: Place, aws: StubAws, tmp_path: Path) -> None:
    """`aws --profile target` starts from the keys of the profile that AWS_PROFILE names."""
    place.exported()
    keys = place.aws_folder / "credentials"
    keys.write_text(keys.read_text().replace("[default]", "[mine]"))
    command = [*clients(aws.server.url)["aws-cli-1"], "--profile", "target"]
    done = place.run(command, tmp_path, {"AWS_PROFILE": "mine"})

    assert 0 == done.returncode, done.stderr
    assert ["AssumeRole", "GetCallerIdentity"] == aws.calls


def test_a_profile_that_starts_from_itself_is_an_error(place: Place, aws: StubAws, tmp_path: Path) -> None:
    """A profile whose dsops call starts from the same profile fails, instead of starting processes forever.

    A hand-written `credential_process` line without `--for-profile` causes this loop.
    """
    line = place.exported().replace("--for-profile target", "")
    place.config.write_text(line)
    done = place.run(clients(aws.server.url)["boto3"], tmp_path, {"AWS_PROFILE": "target"})

    assert 0 != done.returncode
    assert "depend on themselves" in done.stderr
    assert "--for-profile target" in done.stderr
    assert [] == aws.calls


def test_profiles_are_printed_and_nothing_is_written(place: Place) -> None:
    """`export aws-config` prints a profile for every store that issues a session, with its region, and writes nothing.

    The region is the store's own, or that of the store that provides its credentials.
    """
    done = place.dsops("export", "aws-config")

    assert (0, "") == (done.returncode, done.stderr)
    assert not place.config.exists()
    sections = [line for line in done.stdout.splitlines() if line.startswith(("[", "region"))]
    expected = ["[profile target]", "region = us-east-1", "[profile next]", "region = us-east-1", "[profile anywhere]"]
    assert expected == sections
    assert f"{DSOPS} credentials target --config '{place.project}/dsops.yaml' --format process" in done.stdout


def test_only_the_stores_that_are_named_are_written(place: Place) -> None:
    """`--store` selects the stores to export (secret stores, too); `--prefix` is put before the profile names."""
    text = place.exported("--store", "secrets", "--store", "next", "--prefix", "work-")

    assert ["[profile work-secrets]", "[profile work-next]"] == [
        line for line in text.splitlines() if line.startswith("[")
    ]


def test_an_auto_store_needs_its_environment(place: Place, aws: StubAws, tmp_path: Path) -> None:
    """A store with `session_policy: auto` gets a profile only with `--env`; the profile sends the policy."""
    config = CONFIG.replace("role_session_name: test", "session_policy: auto").replace("credentials_from: next", "&")
    config = config.replace("&", "region: us-east-1, credentials_from: target").replace(
        "development: {}", "development: {KEY: {from: {store: secrets, key: prod/key}}}"
    )
    (place.project / "dsops.yaml").write_text(config)
    allow_found(place.project, place.environ)
    done = place.dsops("export", "aws-config")
    assert "[profile next]" in done.stdout
    assert "[profile target]" not in done.stdout
    assert "`target` left out" in done.stderr
    assert "--env development" in done.stderr
    for store in ("target", "secrets"):
        done = place.dsops("export", "aws-config", "--store", store)
        assert (2, "") == (done.returncode, done.stdout)
        assert f"can't export a profile for `{store}`" in done.stderr
    assert 2 == place.dsops("export", "aws-config", "--env", "devlopment").returncode

    assert 2 == place.exported("--env", "development").count("credential_process") - 1
    assert 1 == place.config.read_text().count("--env development")
    done = place.run([*clients(aws.server.url)["aws-cli-1"], "--profile", "target"], tmp_path, {})
    assert 0 == done.returncode, done.stderr
    assert b"prod%2Fkey-" in aws.server.seen[0].body


def test_a_file_keeps_its_content_and_mode_and_a_copy(place: Place) -> None:
    """--write keeps the file's other content and mode and makes one backup copy; a second run changes nothing."""
    place.config.write_text(OWN)
    place.config.chmod(0o640)
    first = place.exported()
    copy = place.config.with_name("config.before-dsops")

    assert first.startswith(OWN)
    assert OWN == copy.read_text()
    assert [0o640, 0o640] == [stat.S_IMODE(path.stat().st_mode) for path in (place.config, copy)]
    assert first == place.exported()
    assert OWN == copy.read_text()
    assert ["config", "config.before-dsops", "credentials"] == sorted(os.listdir(place.aws_folder))


def test_a_new_file_is_private(place: Place) -> None:
    """A new AWS config file is readable by its owner only (0600 in a 0700 folder), as `aws configure` makes it."""
    shutil.rmtree(place.aws_folder)
    place.exported()

    assert [0o700, 0o600] == [stat.S_IMODE(path.stat().st_mode) for path in (place.aws_folder, place.config)]


def test_a_link_stays_one(place: Place) -> None:
    """If ~/.aws/config is a symbolic link, the target is written and the link remains."""
    kept = place.project / "aws-config"
    kept.write_text(OWN)
    place.config.symlink_to(kept)
    place.exported()

    assert place.config.is_symlink()
    assert kept.read_text().startswith(OWN)


def test_a_profile_of_the_user_is_never_replaced(place: Place) -> None:
    """A profile with the same name that the user wrote is never replaced; the error suggests --prefix."""
    text = "[profile target]\nregion = x\n"
    place.config.write_text(text)
    done = place.dsops("export", "aws-config", "--write")

    assert 2 == done.returncode
    assert "--prefix" in done.stderr
    assert text == place.config.read_text()


def test_what_is_not_allowed_is_not_exported(place: Place) -> None:
    """A configuration must be allowed before its export, even if the command line names the file."""
    path = place.project / "dsops.yaml"
    mfa = "serial_number: arn:aws:iam::111122223333:mfa/me\n    mfa_process: ./code"
    path.write_text(CONFIG.replace("role_session_name: test", mfa))
    done = place.dsops("export", "aws-config", "--write")

    assert 2 == done.returncode
    assert "dsops allow" in done.stderr
    assert not place.config.exists()
    named = place.dsops("export", "aws-config", "--config", "dsops.yaml", "--write")
    assert (2, True) == (named.returncode, "`dsops allow --config dsops.yaml`" in named.stderr)
    assert 0 == place.dsops("allow").returncode
    assert 0 == place.dsops("export", "aws-config", "--write").returncode


def test_a_changed_file_must_be_allowed_again(place: Place) -> None:
    """A line added to the repository's file after the export does not run until the file is allowed again."""
    assert 0 == place.dsops("export", "aws-config", "--write").returncode
    path = place.project / "dsops.yaml"
    mfa = "serial_number: arn:aws:iam::111122223333:mfa/me\n    mfa_process: touch ran"
    path.write_text(CONFIG.replace("role_session_name: test", mfa))
    words = ("credentials", "target", "--config", str(path), "--format", "process")
    done = place.dsops(*words, "--for-profile", "target")
    assert (2, "") == (done.returncode, done.stdout)
    assert "profile `target` names this file, which may have changed since" in done.stderr
    assert not (place.project / "ran").exists()
    assert 0 == place.dsops("allow").returncode
    assert "config.not-allowed" not in place.dsops(*words, "--for-profile", "target").stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--store", "traget"), "did you mean `target`"),
        (("--store", "local"), "no credentials"),
        (("--prefix", "a b"), "can't be the name"),
    ],
)
def test_arguments_that_cannot_be_exported(place: Place, words: tuple[str, ...], says: str) -> None:
    """Arguments that cannot be exported are an error with nothing on stdout."""
    done = place.dsops("export", "aws-config", *words)

    assert (2, "") == (done.returncode, done.stdout)
    assert says in done.stderr


def test_the_exported_command(tmp_path: Path) -> None:
    """The exported command runs dsops' script, or `python -P -m dsops`, which no module in the folder can shadow."""
    script = tmp_path / "dsops"
    script.write_text("")
    script.chmod(0o755)

    assert [str(script)] == own_program(str(script), "/usr/bin/python3")
    for other in (str(tmp_path / "gone" / "dsops"), "/lib/dsops/__main__.py", "-c"):
        assert ["/usr/bin/python3", "-P", "-m", "dsops"] == own_program(other, "/usr/bin/python3")

"""`dsops set`, `edit`, `history`, `diff`, `rollback` and `rm` as real processes against a sandbox that checks policies.

boto3 and the AWS CLI read what was written.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dsops.testing import LocalAws
from dsops.testing.child import SandboxKeeper
from tests.children import Child
from tests.terminal import Terminal
from tests.unit.cli.stub_aws import Agent, Dsops

ACCOUNT = "111111111111"
ALL = ["secretsmanager:*", "ssm:*", "kms:*"]
STORED = '{"user": "app", "password": "hush-old", "port": 5432}'
CONFIG = f"""\
version: 1
secretStores:
  writer: {{type: aws.sts, region: us-east-1, role_arn: "arn:aws:iam::{ACCOUNT}:role/Writer"}}
  short: {{type: aws.sts, region: us-east-1, role_arn: "arn:aws:iam::{ACCOUNT}:role/Short"}}
  reader: {{type: aws.sts, region: us-east-1, role_arn: "arn:aws:iam::{ACCOUNT}:role/Writer", session_policy: auto}}
  secrets: {{type: aws.secretsmanager, region: us-east-1, credentials_from: writer}}
  parameters: {{type: aws.ssm, region: us-east-1, credentials_from: writer, parameter_prefix: /app/}}
  denied: {{type: aws.secretsmanager, region: us-east-1, credentials_from: short}}
  read-only: {{type: aws.secretsmanager, region: us-east-1, credentials_from: reader}}
envs:
  production: {{PASSWORD: {{from: {{store: secrets, key: prod/db, field: password}}}}}}
"""
MEMORY = "/dev/shm"  # noqa: S108 - each test makes a folder of its own in it
IN_THE_ACCOUNT = f"(us-east-1, account {ACCOUNT})"


def allow(*actions: str) -> dict[str, Any]:
    """A policy that allows these actions."""
    return {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": list(actions), "Resource": "*"}}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[LocalAws]:
    """An account with a role that may write secrets, and one that may not finish a write."""
    with LocalAws(SandboxKeeper().do, f'accounts: {{"{ACCOUNT}": {{}}}}') as aws:
        account = aws.account(ACCOUNT)
        account.add_user("ada", policies=[allow("sts:AssumeRole")])
        trust = {
            "Version": "2012-10-17",
            "Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": account.root_arn}},
        }
        account.add_role("Writer", trust=trust, policies=[allow(*ALL)])
        lacking = ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"]
        account.add_role("Short", trust=trust, policies=[allow(*lacking)])
        yield aws


class Vault:
    """dsops, run by ada, and an administrator's clients of the same account."""

    def __init__(self, program: Dsops, aws: LocalAws) -> None:
        (program.folder / "dsops.yaml").write_text(CONFIG)
        home = program.folder / "home"
        home.mkdir()
        ada = aws.account(ACCOUNT).user("ada")
        program.environ = {**program.environ, **ada.environment(program.environ), "HOME": str(home)}
        self.memory = tempfile.mkdtemp(dir=MEMORY)
        self.program = program
        self.admin = aws.user(f"admin@{ACCOUNT}")
        self.secrets = self.admin.boto3_session().client("secretsmanager", region_name="us-east-1")
        self.parameters = self.admin.boto3_session().client("ssm", region_name="us-east-1")

    def run(
        self, *words: str, text: str | bytes = "", code: int = 0, **environ: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command with this text on stdin; its exit code has to be `code`."""
        done = subprocess.run(
            self.program.command(*words),
            cwd=self.program.folder,
            env={**self.program.environ, **environ},
            input=text.encode() if isinstance(text, str) else text,
            capture_output=True,
            check=False,
            start_new_session=True,
            timeout=60,
        )
        shown = subprocess.CompletedProcess(words, done.returncode, done.stdout.decode(), done.stderr.decode())
        assert code == done.returncode, shown.stderr
        return shown

    def answer(self, *words: str, text: str = "", **environ: str) -> Any:
        """The JSON that a command prints."""
        return json.loads(self.run(*words, "--json", text=text, code=0, **environ).stdout)

    def on_terminal(self, *words: str) -> Terminal:
        """Start a command on a terminal."""
        variables = [f"{name}={value}" for name, value in self.program.environ.items()]
        return Terminal(["env", "-C", str(self.program.folder), "-i", *variables, *self.program.command(*words)])

    def files_in_memory(self) -> list[str]:
        """The names in the runtime folder, which is in memory."""
        return os.listdir(self.memory)

    def editor(self, name: str, script: str) -> str:
        """The path of an editor that is a shell script; `$1` is the file."""
        path = self.program.folder / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o700)
        return str(path)

    def value(self, name: str = "prod/db") -> str:
        """The current value of a secret, as boto3 reads it."""
        value: str = self.secrets.get_secret_value(SecretId=name)["SecretString"]
        return value

    def current(self, name: str = "prod/db") -> str:
        """The id of the current version of a secret."""
        version: str = self.secrets.get_secret_value(SecretId=name)["VersionId"]
        return version


@pytest.fixture
def vault(tmp_path: Path, sandbox: LocalAws) -> Iterator[Vault]:
    """dsops with the secret `prod/db`, and no other secret."""
    vault = Vault(Dsops(tmp_path), sandbox)
    vault.program.environ["XDG_RUNTIME_DIR"] = vault.memory
    yield from prepared(vault)


def prepared(vault: Vault) -> Iterator[Vault]:
    """The account with one secret; all are deleted at the end."""
    vault.secrets.create_secret(Name="prod/db", SecretString=STORED)
    yield vault
    shutil.rmtree(vault.memory)
    for secret in vault.secrets.list_secrets(IncludePlannedDeletion=True)["SecretList"]:
        vault.secrets.delete_secret(SecretId=secret["Name"], ForceDeleteWithoutRecovery=True)
    for parameter in vault.parameters.describe_parameters()["Parameters"]:
        vault.parameters.delete_parameter(Name=parameter["Name"])


def test_a_piped_value_becomes_current(vault: Vault) -> None:
    """`set` writes the piped value without one trailing newline; the old version becomes AWSPREVIOUS."""
    before = vault.current()

    done = vault.run("set", "secrets", "prod/db", text="hush-1\n\n")

    assert f"version {vault.current()} of the secret `prod/db` {IN_THE_ACCOUNT} is current\n" == done.stdout
    assert "hush-1\n" == vault.value()
    versions = vault.secrets.describe_secret(SecretId="prod/db")["VersionIdsToStages"]
    assert {vault.current(): ["AWSCURRENT"], before: ["AWSPREVIOUS"]} == {
        version: stages for version, stages in versions.items() if stages
    }


def test_the_aws_cli_reads_the_field_that_was_set(vault: Vault) -> None:
    """`set --field` changes one field of the JSON object; the AWS CLI reads the other fields unchanged."""
    vault.run("set", "secrets", "prod/db", "--field", "password", text="hush-2")
    vault.run("set", "secrets", "prod/db", "--field", "port", text="5433\n")

    command = [str(Path(sys.executable).parent / "aws"), "secretsmanager", "get-secret-value", "--secret-id", "prod/db"]
    environ = {**vault.admin.environment(vault.program.environ), "AWS_DEFAULT_REGION": "us-east-1"}
    done = subprocess.run(
        [*command, "--query", "SecretString", "--output", "text"],
        env=environ,
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert '{"user": "app", "password": "hush-2", "port": 5433}' == done.stdout.decode().rstrip("\n")
    assert "hush-2" == vault.run("get", "--env", "production", "PASSWORD").stdout


def test_a_field_that_has_the_value_already_is_not_written(vault: Vault) -> None:
    """If the field already has the value that `set` would write, nothing is written, and `set` says so."""
    before = vault.current()
    done = vault.run("set", "secrets", "prod/db", "--field", "user", text="app")
    assert "has this value already; nothing was written" in done.stderr
    assert before == vault.current()


def test_a_file_is_written_with_or_without_its_last_newline(vault: Vault, tmp_path: Path) -> None:
    """`set` removes one newline at the end of a file, unless `--keep-newline` is set.

    Bytes that are not text become SecretBinary.
    """
    (tmp_path / "key").write_text("PEM\n")
    vault.run("set", "secrets", "prod/db", "--from-file", "key")
    assert "PEM" == vault.value()
    vault.run("set", "secrets", "prod/db", "--from-file", "key", "--keep-newline")
    assert "PEM\n" == vault.value()
    vault.run("set", "secrets", "prod/db", text=b"\xff\x00\xfe")
    assert b"\xff\x00\xfe" == vault.secrets.get_secret_value(SecretId="prod/db")["SecretBinary"]


def test_a_new_secret_needs_create(vault: Vault) -> None:
    """If the secret is missing, the error names `--create`; an existing secret is not created again."""
    missing = vault.run("set", "secrets", "prod/new", text="hush-3", code=4)
    assert "error[secret.not-found]" in missing.stderr
    assert "`dsops set secrets prod/new --create` makes a new one" in missing.stderr

    vault.run("set", "secrets", "prod/new", "--create", text="hush-3")
    assert "hush-3" == vault.value("prod/new")

    exists = vault.run("set", "secrets", "prod/new", "--create", text="hush-4", code=4)
    assert "error[secret.exists]" in exists.stderr
    assert "hush-3" == vault.value("prod/new")


def test_the_value_is_typed_twice_and_never_shown(vault: Vault) -> None:
    """On a terminal, `set` names the region and account, and asks twice without showing what is typed."""
    with vault.on_terminal("set", "secrets", "prod/db") as terminal:
        shown = terminal.expect("Value of the secret `prod/db`") + terminal.expect(f"{IN_THE_ACCOUNT}: ")
        terminal.type("hush-5\n")
        shown += terminal.expect("The same value again: ")
        terminal.type("hush-5\n")
        shown += terminal.expect("is current")
        assert 0 == terminal.code()
    assert "hush-5" == vault.value()
    assert "hush-5" not in shown

    with vault.on_terminal("set", "secrets", "prod/db") as terminal:
        terminal.expect(f"{IN_THE_ACCOUNT}: ")
        terminal.type("hush-6\n")
        terminal.expect("again: ")
        terminal.type("hush-7\n")
        terminal.expect("the two values differ")
        assert 2 == terminal.code()
    assert "hush-5" == vault.value()


def test_expect_refuses_another_version(vault: Vault) -> None:
    """With `--expect`, `set` writes only if that version is current."""
    before = vault.current()
    vault.run("set", "secrets", "prod/db", "--expect", before, text="hush-8")
    refused = vault.run("set", "secrets", "prod/db", "--expect", before, text="hush-9", code=4)
    assert "error[secret.changed]" in refused.stderr
    assert "hush-8" == vault.value()


@pytest.mark.parametrize(
    ("words", "text", "message"),
    [
        (("secrets", "prod/db"), "x" * 65537, "the value has 65,537 bytes, but the limit is 65,536"),
        (("parameters", "new", "--create"), "x" * 4097, "the limit of the tier Standard is 4,096"),
        (("parameters", "new", "--create", "--tier", "Advanced"), "x" * 8193, "tier Advanced is 8,192"),
        (("parameters", "new", "--create"), b"\xff", "the value is not text"),
        (("secrets", "prod/db", "--field", "port"), "hush-10", "the new value of the field `port` is not JSON"),
        (("secrets", "prod/db", "--from-file", "-"), "", "the value is empty"),
        (("secrets", "prod/db"), "", "the value of the secret `prod/db`"),
        (("secrets", "prod/db#password"), "x", "names a field of a secret"),
        (("parameters", "a:3"), "x", "`a:3` names a version of a parameter"),
        (("parameters", "arn:aws:ssm:us-east-1:111111111111:parameter/a"), "x", "use its name instead of an ARN"),
        (("secrets", "prod/db", "--kms-key", "k"), "x", "has an effect only on a new secret"),
        (("secrets", "new", "--create", "--type", "String"), "x", "a secret has no `--type`"),
        (("secrets", "prod/db", "--create", "--field", "a"), "x", "`--create` can't be combined with `--field`"),
        (("writer", "prod/db"), "x", "dsops can't write to store `writer`: its type is aws.sts"),
        (("read-only", "prod/db"), "x", "but never writing"),
    ],
)
def test_what_cannot_be_written_is_refused(
    vault: Vault, words: tuple[str, ...], text: str | bytes, message: str
) -> None:
    """Each write that AWS does not allow has an error with a hint, and changes nothing."""
    refused = vault.run("set", *words, text=text, code=2)
    assert message in refused.stderr
    assert "hint: " in refused.stderr
    assert "hush-10" not in refused.stderr
    assert STORED == vault.value()


def test_a_session_policy_of_an_environment_names_other_stores(vault: Vault) -> None:
    """If `set` names a store with `session_policy: auto`, the error names the stores that can write."""
    refused = vault.run("set", "read-only", "prod/db", text="x", code=2)
    assert "hint: write through secrets, parameters, denied\n" in refused.stderr


def test_a_store_that_only_signs_is_told_from_one_that_writes(vault: Vault) -> None:
    """If dsops can't write to any store, the hint shows a store to add that uses the named session."""
    config = "version: 1\nsecretStores:\n  only: {type: aws.sts, region: us-east-1, role_arn: 'ROLE'}\n"
    (vault.program.folder / "dsops.yaml").write_text(config.replace("ROLE", f"arn:aws:iam::{ACCOUNT}:role/Writer"))
    refused = vault.run("set", "only", "prod/db", text="x", code=2)
    assert (
        "hint: add a store to dsops.yaml: `secrets: {type: aws.secretsmanager, credentials_from: only}`"
        in refused.stderr
    )


@pytest.mark.parametrize("words", [("hush-11",), ("hush-11", "-"), ("--create", "hush-11")])
def test_a_value_on_the_command_line_is_refused_and_not_repeated(vault: Vault, words: tuple[str, ...]) -> None:
    """A value on the command line, as an extra word or as `KEY=VALUE`, causes an error that does not repeat it."""
    refused = vault.run("set", "secrets", "prod/db", *words, code=2)
    assert "hush-11" not in refused.stderr
    refused = vault.run("set", "secrets", "password=hush-11", "--debug", code=2)
    assert "hush-11" not in refused.stderr


def test_a_denied_action_is_explained(vault: Vault) -> None:
    """If AWS denies one of the actions, the error names the action, and says that the old version is still current."""
    before = vault.current()
    refused = vault.run("set", "denied", "prod/db", text="hush-12", code=3)
    assert "allow secretsmanager:UpdateSecretVersionStage on it to the role Short" in refused.stderr
    assert f"version {before} is still current" in refused.stderr
    assert before == vault.current()
    (vault.program.folder / "error.txt").write_text(refused.stderr)
    explained = vault.run("explain", "--message", "error.txt", "writer", code=6, AWS_REGION="us-east-1")
    assert "UpdateSecretVersionStage" in explained.stdout


def test_versions_are_listed_compared_and_brought_back(vault: Vault) -> None:
    """`history`, `diff` and `rollback` name versions and show values only with `--show`."""
    first = vault.current()
    vault.run("set", "secrets", "prod/db", "--field", "password", text="hush-13")
    second = vault.current()

    table = vault.run("history", "secrets", "prod/db").stdout
    assert [f"{second}  current  AWSCURRENT", f"{first}           AWSPREVIOUS"] == [
        line.partition("  20")[0].rstrip() for line in table.splitlines()[1:]
    ]
    assert "hush" not in table
    shown = vault.answer("history", "secrets", "prod/db", "--show")
    assert [(second, True, ["AWSCURRENT"]), (first, False, ["AWSPREVIOUS"])] == [
        (each["version"], each["is_current"], each["labels"]) for each in shown
    ]
    assert STORED == shown[1]["value"]

    assert "changed  password: *** -> ***\n" == vault.run("diff", "secrets", "prod/db").stdout
    assert "changed  password: hush-old -> hush-13\n" == vault.run("diff", "secrets", "prod/db", "--show").stdout
    assert [] == vault.answer("diff", "secrets", "prod/db", second, "AWSCURRENT")["changes"]

    rolled = vault.answer("rollback", "secrets", "prod/db", "--yes")
    assert (first, second) == (rolled["version"], rolled["previous"])
    assert STORED == vault.value()
    vault.run("rollback", "secrets", "prod/db", second, "--yes")
    assert second == vault.current()
    again = vault.run("rollback", "secrets", "prod/db", second, "--yes")
    assert "is current already; nothing was changed" in again.stderr


def test_a_version_that_does_not_exist_is_an_error(vault: Vault) -> None:
    """If `rollback` or `diff` gets a missing version, the error names it, and nothing changes."""
    vault.run("set", "secrets", "prod/db", text="hush-14")
    for command in (("rollback", "--yes"), ("diff",)):
        for version in ("11111111-1111-1111-1111-111111111111", "NOPE"):
            refused = vault.run(command[0], "secrets", "prod/db", version, *command[1:], code=4)
            assert f"`{version}`" in refused.stderr
            assert "`dsops history secrets prod/db` shows the versions" in refused.stderr
    assert "hush-14" == vault.value()


def test_rollback_and_rm_ask_on_a_terminal(vault: Vault) -> None:
    """`rollback` and `rm` show region and account and need a yes at the terminal, or `--yes` without a terminal."""
    vault.run("set", "secrets", "prod/db", text="hush-15")
    for command in ("rollback", "rm"):
        with vault.on_terminal(command, "secrets", "prod/db") as terminal:
            assert IN_THE_ACCOUNT in terminal.expect("[y/N] ")
            terminal.type("n\n")
            assert 2 == terminal.code()
        assert "`--yes`" in vault.run(command, "secrets", "prod/db", code=2).stderr
    assert "hush-15" == vault.value()


def test_a_deleted_secret_can_be_restored(vault: Vault) -> None:
    """After `rm`, `set` is refused, and the error has the command that cancels the deletion."""
    gone = vault.run("rm", "secrets", "prod/db", "--yes", "--days", "7")
    assert "`dsops rm secrets prod/db --undo` cancels that" in gone.stderr
    left = vault.secrets.describe_secret(SecretId="prod/db")["DeletedDate"].timestamp() - time.time()
    assert 6.9 < left / 86400 < 7.1

    refused = vault.run("set", "secrets", "prod/db", text="hush-16", code=4)
    assert "error[secret.scheduled-for-deletion]" in refused.stderr
    assert "`dsops rm secrets prod/db --undo`" in refused.stderr

    vault.run("rm", "secrets", "prod/db", "--undo")
    assert STORED == vault.value()
    assert "deleted" in vault.answer("rm", "secrets", "prod/db", "--now", "--yes")
    with pytest.raises(vault.secrets.exceptions.ResourceNotFoundException):
        vault.value()


@pytest.mark.parametrize("days", ["6", "31"])
def test_a_window_that_aws_refuses_is_refused_at_once(vault: Vault, days: str) -> None:
    """`--days` accepts 7 to 30, and can't be combined with `--now`."""
    assert "AWS takes 7 to 30 days" in vault.run("rm", "secrets", "prod/db", "--days", days, "--yes", code=2).stderr
    assert "can't be combined" in vault.run("rm", "secrets", "prod/db", "--days", "9", "--now", "--yes", code=2).stderr
    assert STORED == vault.value()


def test_parameters_are_written_too(vault: Vault) -> None:
    """A new parameter gets the store's prefix and type SecureString; rollback adds a version; `rm` needs `--now`."""
    vault.run("set", "parameters", "token", text="x", code=4)
    vault.run("set", "parameters", "token", "--create", text="hush-17")
    vault.run("set", "parameters", "token", text="hush-18")
    written = vault.parameters.get_parameter(Name="/app/token", WithDecryption=True)["Parameter"]
    assert ("hush-18", "SecureString", 2) == (written["Value"], written["Type"], written["Version"])

    assert [("2", True), ("1", False)] == [
        (each["version"], each["is_current"]) for each in vault.answer("history", "parameters", "token")
    ]
    assert "changed  the whole value: *** -> ***\n" == vault.run("diff", "parameters", "token").stdout
    vault.run("rollback", "parameters", "token", "--yes")
    written = vault.parameters.get_parameter(Name="/app/token", WithDecryption=True)["Parameter"]
    assert ("hush-17", 3) == (written["Value"], written["Version"])

    assert "deleted at once and for good" in vault.run("rm", "parameters", "token", "--yes", code=2).stderr
    vault.run("rm", "parameters", "token", "--now", "--yes")
    assert "can't be restored" in vault.run("rm", "parameters", "token", "--undo", code=2).stderr
    with pytest.raises(vault.parameters.exceptions.ParameterNotFound):
        vault.parameters.get_parameter(Name="/app/token")


def test_the_editor_gets_a_private_file_in_memory(vault: Vault) -> None:
    """The editor gets the object indented, in a file (mode 0600) in a folder (0700) that is removed afterwards."""
    note = vault.program.folder / "note"
    script = f'stat -c %a "$1" "$(dirname "$1")" > {note}; echo "$1" >> {note}; cp "$1" {note}.text'
    editor = vault.editor("ed", f'{script}; sed -i s/hush-old/hush-19/ "$1"')

    vault.run("edit", "secrets", "prod/db", EDITOR=editor)

    assert STORED.replace("hush-old", "hush-19") == vault.value()
    file_mode, folder_mode, path = note.read_text().splitlines()
    assert ("600", "700") == (file_mode, folder_mode)
    assert '{\n  "user": "app",\n' == Path(f"{note}.text").read_text()[:19]
    assert path.startswith(f"{vault.memory}/dsops-edit-")
    assert not Path(path).parent.exists()


@pytest.mark.parametrize(
    ("script", "code", "message"),
    [
        ("true", 0, "is unchanged; nothing was written"),
        ('touch "$1"', 0, "is unchanged; nothing was written"),
        ('sed -i s/user/x/ "$1"; exit 3', 2, "ended with exit code 3"),
        ("kill -9 $$", 2, "ended with signal 9"),
        ('rm "$1"', 2, "the editor has removed the file"),
        (': > "$1"', 2, "the file is empty"),
    ],
)
def test_an_editor_that_changes_nothing_or_fails(vault: Vault, script: str, code: int, message: str) -> None:
    """If the editor fails or does not change the text, nothing is written, and the file is removed."""
    before = vault.current()
    done = vault.run("edit", "secrets", "prod/db", code=code, EDITOR=vault.editor("ed", script))
    assert message in done.stderr
    assert before == vault.current()
    assert [] == vault.files_in_memory()


def test_a_change_during_the_edit_is_not_overwritten(vault: Vault) -> None:
    """If the secret changes while the editor is open, it is not overwritten, and the error says where the text is."""
    started, go = vault.program.folder / "started", vault.program.folder / "go"
    wait = f"touch {started}; while [ ! -e {go} ]; do sleep 0.05; done"
    editor = vault.editor("ed", f'sed -i s/hush-old/hush-20/ "$1"; {wait}')
    with Child(
        vault.program.command("edit", "secrets", "prod/db"),
        cwd=vault.program.folder,
        env={**vault.program.environ, "VISUAL": editor, "EDITOR": "false"},
        stderr=subprocess.PIPE,
        text=True,
    ) as editing:
        appears(started)
        vault.secrets.put_secret_value(SecretId="prod/db", SecretString="another's")
        go.touch()
        _, errors = editing.communicate(timeout=30)

    assert (4, "another's") == (editing.returncode, vault.value())
    assert "was changed by another client, and nothing was overwritten" in errors
    folder = errors.partition("delete it with `rm -r ")[2].partition("`")[0]
    file = Path(folder) / "secret"
    assert f"your text is in {file}" in errors
    assert "hush-20" in file.read_text()
    file.unlink()
    Path(folder).rmdir()


def appears(path: Path) -> None:
    """Wait until the file exists."""
    end = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < end, f"{path} does not appear"
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_editor_and_removes_the_file(vault: Vault, number: int) -> None:
    """SIGTERM and SIGHUP end dsops and the editor; nothing is written, and no file is left."""
    started = vault.program.folder / "started"
    editor = vault.editor(
        "ed", f'sed -i s/hush-old/x/ "$1"; echo $$ > {started}.part; mv {started}.part {started}; exec sleep 60'
    )
    with Child(
        vault.program.command("edit", "secrets", "prod/db"),
        cwd=vault.program.folder,
        env={**vault.program.environ, "EDITOR": editor},
        stderr=subprocess.DEVNULL,
    ) as editing:
        appears(started)
        assert 1 == len(vault.files_in_memory())
        editing.send_signal(number)
        assert -number == editing.wait(timeout=20)

    assert [] == vault.files_in_memory()
    with pytest.raises(ProcessLookupError):
        os.kill(int(started.read_text()), 0)
    assert STORED == vault.value()


def test_ctrl_c_in_the_editor_belongs_to_the_editor(vault: Vault) -> None:
    """Ctrl-C reaches the editor, which may continue; dsops waits for it and writes what it saves."""
    ready = 'trap "echo caught" INT; echo ready; sleep 2; sed -i s/hush-old/hush-21/ "$1"'
    vault.program.environ["EDITOR"] = vault.editor("ed", ready)
    with vault.on_terminal("edit", "secrets", "prod/db") as terminal:
        terminal.expect("ready")
        terminal.type("\x03")
        terminal.expect("caught")
        terminal.expect("is current")
        assert 0 == terminal.code()
    assert "hush-21" in vault.value()


def test_editing_needs_an_editor_and_text(vault: Vault) -> None:
    """If the editor does not exist, or the secret is binary, `edit` fails before it writes a file."""
    assert "the editor `nope` was not found" in vault.run("edit", "secrets", "prod/db", code=2, EDITOR="nope -w").stderr
    assert "VISUAL is not a valid command line" in vault.run("edit", "secrets", "prod/db", code=2, VISUAL="a 'b").stderr
    vault.secrets.put_secret_value(SecretId="prod/db", SecretBinary=b"\xff\xfe")
    assert "the value is binary" in vault.run("edit", "secrets", "prod/db", code=2, EDITOR="true").stderr


def test_a_dry_run_sends_nothing_and_its_policy_suffices(vault: Vault, sandbox: LocalAws) -> None:
    """`--dry-run` makes no call, and a role with exactly the printed policy can make the planned calls."""
    nowhere = "http://127.0.0.1:1"
    words = ("set", "secrets", "prod/db", "--field", "password", "--dry-run")
    planned = vault.answer(*words, AWS_ENDPOINT_URL=nowhere)
    assert [
        "secretsmanager:DescribeSecret",
        "secretsmanager:GetSecretValue",
        "secretsmanager:PutSecretValue",
        "secretsmanager:UpdateSecretVersionStage",
    ] == planned["calls"]
    assert "secretsmanager:PutSecretValue" in vault.run(*words, AWS_ENDPOINT_URL=nowhere).stdout

    account = sandbox.account(ACCOUNT)
    trust = {
        "Version": "2012-10-17",
        "Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": account.root_arn}},
    }
    account.add_role("Exact", trust=trust, policies=[planned["policy"]])
    config = vault.program.folder / "dsops.yaml"
    config.write_text(CONFIG.replace("role/Short", "role/Exact"))
    vault.run("set", "denied", "prod/db", "--field", "password", text="hush-22")
    assert "hush-22" in vault.value()
    vault.run("rm", "denied", "prod/db", "--yes", code=3)


@pytest.mark.parametrize("operation", ["edit", "history", "diff", "rollback", "rm"])
def test_every_command_has_a_dry_run(vault: Vault, operation: str) -> None:
    """Each command prints its calls without making one."""
    for store, service in (("secrets", "secretsmanager"), ("parameters", "ssm")):
        done = vault.run(operation, store, "prod/db", "--dry-run", AWS_ENDPOINT_URL="http://127.0.0.1:1")
        assert f"{service}:" in done.stdout


def test_no_value_is_left_anywhere(vault: Vault) -> None:
    """Values occur in no output, log, audit trail, command line or file, also with `--debug` and `--verbose`."""
    arguments = vault.program.folder / "arguments"
    editor = vault.editor("ed", f'cat /proc/[0-9]*/cmdline > {arguments}; sed -i s/hush-old/hush-23/ "$1"')
    runs = [
        vault.run("edit", "secrets", "prod/db", "--debug", "--verbose", EDITOR=editor),
        vault.run("set", "secrets", "prod/db", "--debug", "--verbose", text="hush-24"),
        vault.run("set", "secrets", "prod/db", "--field", "a", "--debug", text="hush-25", code=4),
        vault.run("set", "denied", "prod/db", "--debug", "--verbose", text="hush-26", code=3),
        vault.run("set", "parameters", "p", "--create", "--verbose", text="hush-27"),
        vault.run("diff", "secrets", "prod/db", "--debug", "--verbose"),
        vault.run("rollback", "secrets", "prod/db", "--yes", "--debug"),
    ]
    for done in runs:
        assert "hush" not in done.stdout + done.stderr
    files = [path for path in vault.program.folder.rglob("*") if path.is_file()]
    trail = next(path for path in files if b"PutSecretValue" in path.read_bytes())
    assert b"hush" not in arguments.read_bytes()
    assert [Path(editor)] == [path for path in files if b"hush" in path.read_bytes()]
    records = [json.loads(line) for line in trail.read_text().splitlines() if line.startswith("{")]
    names = [record["eventName"] for record in records]
    assert {"PutSecretValue", "UpdateSecretVersionStage", "PutParameter", "Set", "Edit", "Rollback"} <= set(names)
    written = next(record for record in records if record["eventName"] == "Set" and "errorCode" not in record)
    facts = written["additionalEventData"]
    assert ("secrets", "prod/db") == (facts["store"], facts["secret"])
    assert facts["version"] in vault.secrets.describe_secret(SecretId="prod/db")["VersionIdsToStages"]


def test_the_session_of_an_agent_is_used_again(tmp_path: Path, sandbox: LocalAws) -> None:
    """With an agent, two writes use one session."""
    with Agent(tmp_path) as program:
        for vault in prepared(Vault(program, sandbox)):
            vault.run("set", "secrets", "prod/db", text="hush-28")
            vault.run("set", "secrets", "prod/db", text="hush-29")
            assert "hush-29" == vault.value()
            assert 1 == len(program.status()["sessions"])

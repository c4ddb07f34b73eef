"""`dsops mfa` as a real process, with a stub backend of the package `keyring`."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pyotp
import pytest

from dsops.keyring import seeds
from dsops.keyring.items import Keyring
from dsops.secret import Secret
from dsops.totp import seconds_left
from tests.stubs.keyrings import StubKeyring
from tests.terminal import Terminal
from tests.unit.cli.stub_aws import Agent, Dsops, StubAws

DEVICE = "arn:aws:iam::111122223333:mfa/ada"
SEED = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
SECOND = SEED[::-1]


class Given(Dsops):
    """The program with a keyring, and data for its standard input."""

    def __init__(self, folder: Path, keyring: StubKeyring) -> None:
        super().__init__(folder)
        self.keyring = keyring
        self.environ |= keyring.environ

    def add(self, text: str, *words: str) -> tuple[int, str, str]:
        """Run `dsops mfa add` with the text as its standard input."""
        file = self.folder / "piped"
        file.write_text(text)
        done = self.run_with(file, "mfa", "add", *(words or (DEVICE,)))
        assert SECOND not in done[1] + done[2]
        assert SEED not in done[1] + done[2]
        return done

    def run_with(self, file: Path, *words: str) -> tuple[int, str, str]:
        """Run the program with the file as stdin; return its exit code, stdout and stderr."""
        with file.open("rb") as stream:
            done = subprocess.run(
                self.command(*words),
                cwd=self.folder,
                env=self.environ,
                stdin=stream,
                capture_output=True,
                text=True,
                check=False,
                start_new_session=True,
                timeout=60,
            )
        return done.returncode, done.stdout, done.stderr


@pytest.fixture
def dsops(tmp_path: Path, home: Path) -> Given:
    """The program in its own folder."""
    return Given(tmp_path, StubKeyring(home))


def test_a_seed_is_added_listed_used_and_removed(dsops: Given) -> None:
    """A seed is added, listed, used and removed, and only the keyring contains the seed."""
    code, out, err = dsops.add(f"{SEED}\n")
    assert (code, dsops.keyring.secrets) == (0, {f"dsops mfa/{DEVICE}": SEED})
    assert out.startswith(f"the keyring (file keyring FileKeyring) has the seed of {DEVICE}; its current code ")
    assert f"dsops mfa code {DEVICE}" in err
    assert SEED not in dsops.keyring.list.read_text()
    assert stat.S_IMODE(dsops.keyring.list.stat().st_mode) == 0o600

    listed = json.loads(dsops.run("mfa", "list", "--json").stdout)
    assert [entry["serial_number"] for entry in listed] == [DEVICE]
    before = pyotp.TOTP(SEED).now()
    shown = json.loads(dsops.run("mfa", "code", "--json").stdout)
    assert shown["code"] in {before, pyotp.TOTP(SEED).now()}
    assert 1 <= shown["seconds_left"] <= 30

    assert dsops.run("mfa", "remove", DEVICE).returncode == 0
    assert (dsops.keyring.secrets, json.loads(dsops.run("mfa", "list", "--json").stdout)) == ({}, [])


def test_a_code_is_all_that_stdout_has(dsops: Given) -> None:
    """`mfa code` prints only the code on stdout, for pipes and `mfa_process`; stderr shows its remaining time."""
    dsops.add(SEED)
    done = dsops.run("mfa", "code", DEVICE)
    assert done.stdout.decode().strip().isdigit()
    assert len(done.stdout) == 7
    assert b"by the clock of this machine" in done.stderr


def test_a_seed_is_typed_unseen(dsops: Given) -> None:
    """A seed typed at the terminal is not echoed, even if stdout is a pipe."""
    with Terminal(
        ["env", *(f"{name}={value}" for name, value in dsops.environ.items()), *dsops.command("mfa", "add", DEVICE)]
    ) as terminal:
        terminal.expect(f"Seed of {DEVICE}: ")
        terminal.type(f"{SEED}\n")
        assert SEED not in terminal.expect("its current code changes in ")
        assert terminal.code() == 0
    assert dsops.keyring.secrets == {f"dsops mfa/{DEVICE}": SEED}


def test_ctrl_c_at_the_question_keeps_nothing(dsops: Given) -> None:
    """Ctrl-C at the prompt for the seed stores no seed and prints nothing."""
    with Terminal(
        ["env", *(f"{name}={value}" for name, value in dsops.environ.items()), *dsops.command("mfa", "add", DEVICE)]
    ) as terminal:
        terminal.expect(f"Seed of {DEVICE}: ")
        terminal.type("\x03")
        assert terminal.code() == 130
    assert (dsops.keyring.secrets, dsops.keyring.list.exists()) == ({}, False)


def test_a_file_is_read_and_what_is_left_of_it_is_told(dsops: Given) -> None:
    """`--from-file` warns that the file still contains the seed and that others can read the file."""
    file = dsops.folder / "seed.txt"
    file.write_text(f"otpauth://totp/Amazon%20Web%20Services:ada@x?secret={SEED}&issuer=Amazon%20Web%20Services\n")
    file.chmod(0o644)
    done = dsops.run("mfa", "add", DEVICE, "--from-file", str(file))
    assert (done.returncode, dsops.keyring.secrets) == (0, {f"dsops mfa/{DEVICE}": SEED})
    assert b"still contains the secret and others can read it" in done.stderr


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("apple", "has 5 letters"),
        ("123456", "it is a code"),
        (SEED + "!", "it is not base32"),
        (" \n", "was not entered"),
    ],
)
def test_an_invalid_seed_is_not_stored(dsops: Given, text: str, told: str) -> None:
    """An invalid seed is refused with a reason that does not show the seed."""
    code, out, err = dsops.add(text)
    assert (code, out, dsops.keyring.secrets) == (2, "", {})
    assert told in err


@pytest.mark.parametrize(
    "words",
    [(DEVICE, SEED), (SEED,), (SEED, DEVICE), ("arn:aws:iam::111122223333:u2f/ada",), ("arn:aws:iam::1:user/a",)],
)
def test_an_invalid_device_or_a_seed_as_argument_is_refused(dsops: Given, words: tuple[str, ...]) -> None:
    """An invalid device is refused; a seed given as an argument is refused and not shown in the error."""
    code, _, err = dsops.add(SEED, *words)
    assert (code, dsops.keyring.secrets) == (2, {})
    assert "hint" in err


def test_a_seed_is_not_replaced_unasked(dsops: Given) -> None:
    """Without `--replace` an existing seed is kept, because it could not be recovered."""
    dsops.add(SEED)
    code, _, err = dsops.add(SECOND)
    assert (code, dsops.keyring.secrets) == (2, {f"dsops mfa/{DEVICE}": SEED})
    assert "--replace" in err
    assert dsops.add(SECOND, DEVICE, "--replace")[0] == 0
    assert dsops.keyring.secrets == {f"dsops mfa/{DEVICE}": SECOND}


def test_a_keyring_that_is_locked_leaves_everything_as_it_was(dsops: Given) -> None:
    """If the keyring is locked, neither the list nor the keyring is changed."""
    dsops.keyring.set_mood("locked")
    code, _, err = dsops.add(SEED)
    assert (code, dsops.keyring.secrets, dsops.keyring.list.exists()) == (3, {}, False)
    assert "keyring.locked" in err
    dsops.keyring.set_mood("")
    dsops.add(SEED)
    dsops.keyring.set_mood("locked")
    assert dsops.run("mfa", "remove", DEVICE).returncode == 3
    assert json.loads(dsops.run("mfa", "list", "--json").stdout) != []


def test_a_device_that_is_not_there_is_told_with_those_that_are(dsops: Given) -> None:
    """An unknown device, or an omitted name with two devices, is an error that lists the known devices."""
    dsops.add(SEED)
    done = dsops.run("mfa", "code", DEVICE.replace("ada", "adda"))
    assert (done.returncode, done.stdout) == (3, b"")
    assert f"did you mean {DEVICE}?".encode() in done.stderr
    dsops.add(SEED, DEVICE.replace("ada", "bob"))
    assert dsops.run("mfa", "remove").returncode == 2


def test_a_list_that_others_may_write_is_not_believed(dsops: Given) -> None:
    """A device list that other users can write is refused."""
    dsops.add(SEED)
    dsops.keyring.list.chmod(0o666)
    done = dsops.run("mfa", "list")
    assert done.returncode == 3
    assert b"chmod 600" in done.stderr


def test_without_a_home_there_is_no_place_for_the_list(dsops: Given) -> None:
    """Without HOME the device list has no location, so the command fails."""
    dsops.environ.pop("HOME")
    code, _, err = dsops.add(SEED)
    assert code == 2
    assert "neither XDG_DATA_HOME nor HOME is set" in err
    assert sorted(os.listdir(dsops.folder)) == ["dsops.yaml", "piped"]


CONFIG = f"""
version: 1
secretStores:
  target:
    type: aws.sts
    region: us-east-1
    role_arn: arn:aws:iam::111122223333:role/Target
    role_session_name: test
    serial_number: {DEVICE}
"""


def test_the_agent_asks_the_keyring_of_its_client(tmp_path: Path, home: Path) -> None:
    """The agent uses the client's keyring, not the one in its own home, which lacks the seed."""
    mine, other = StubKeyring(home), StubKeyring(tmp_path)
    with StubAws() as aws, Agent(tmp_path, aws) as agent:
        (tmp_path / "dsops.yaml").write_text(CONFIG)
        seeds.add_seed(Keyring({**agent.environ, **mine.environ}, "/"), DEVICE, Secret(SEED), "", replaces=False)
        words = ("credentials", "target", "--config", "dsops.yaml")
        done = agent.run(*words, **other.environ)
        assert (done.returncode, aws.calls) == (3, [])
        assert b"mfa.required" in done.stderr
        done = agent.run(*words, **mine.environ)
        assert (done.returncode, done.stderr) == (0, b"")
        code = aws.server.seen[0].body.decode().partition("TokenCode=")[2][:6]
        assert pyotp.TOTP(SEED).verify(code, valid_window=1)
        assert [session["store"] for session in agent.status()["sessions"]] == ["target"]


def test_the_agents_client_sees_the_countdown(tmp_path: Path, home: Path) -> None:
    """The agent does not send a code twice, and the client shows the countdown to the next code."""
    keyring = StubKeyring(home)
    with StubAws() as aws, Agent(tmp_path, aws) as agent:
        (tmp_path / "dsops.yaml").write_text(CONFIG)
        agent.environ |= keyring.environ
        seeds.add_seed(Keyring(agent.environ, "/"), DEVICE, Secret(SEED), "", replaces=False)
        words = ("credentials", "target", "--config", "dsops.yaml")
        environ = [f"{name}={value}" for name, value in agent.environ.items()]
        command = ["env", "-i", f"--chdir={tmp_path}", "TERM=xterm", *environ, *agent.command(*words)]
        while not _shows_countdown(agent, words, command):
            pass
        assert len(aws.calls) % 2 == 1  # each pair of runs with two codes has made two calls


def _shows_countdown(agent: Agent, words: tuple[str, ...], command: list[str]) -> bool:
    """Run the command twice; return whether the second run shows the countdown, False if it got the next code."""
    while seconds_left(time.time()) < 12:
        time.sleep(0.2)
    until = time.time() + seconds_left(time.time())
    agent.run(*words)
    agent.run("agent", "clear")
    with Terminal(command) as terminal:
        try:
            terminal.expect("s for the next MFA code of")
        except AssertionError:
            if time.time() < until:
                raise
            return False
    return True


def test_what_is_allowed_to_get_codes_is_shown(dsops: Given) -> None:
    """`dsops allow` names the MFA device, whether or not the keyring has the device's seed."""
    (dsops.folder / "dsops.yaml").write_text(CONFIG)
    for _ in range(2):
        assert f"uses     a code of your MFA device {DEVICE}".encode() in dsops.run("allow").stdout
        dsops.add(SEED)


def test_devices_are_completed(dsops: Given) -> None:
    """Completion offers the ARNs of known MFA devices."""
    dsops.add(SEED)
    assert dsops.run("complete", "--", "mfa", "code", "").stdout.decode().split() == [DEVICE]


def test_a_sandbox_does_not_use_the_keyring(dsops: Given) -> None:
    """Commands in a sandbox run with the keyring disabled, so they neither read nor change it."""
    dsops.add(SEED)
    program = f"{sys.executable} -m dsops"
    for words in (("mfa", "code"), ("mfa", "remove"), ("mfa", "add", DEVICE, "--replace")):
        done = dsops.run("sandbox", "run", "--", "sh", "-c", f"echo {SECOND} | {program} {' '.join(words)}")
        assert (done.returncode, done.stdout) == (3, b"")
        assert b"unset DSOPS_KEYRING" in done.stderr
    assert dsops.keyring.secrets == {f"dsops mfa/{DEVICE}": SEED}

"""`dsops mfa` and `dsops keys` without a desktop, as real processes: at a terminal, through the agent, in a pipe."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pyotp
import pytest

from dsops.keyring.kernel import KernelKeyring
from tests.stubs.one_password import StubOnePassword
from tests.stubs.password_store import NEEDS_PASS, password_store
from tests.terminal import Terminal
from tests.unit.cli.stub_aws import Agent, Dsops, StubAws

DEVICE = f"arn:aws:iam::111122223333:mfa/of-test-{os.getpid()}"
SEED = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
PASSPHRASE = "correct horse battery"
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


@pytest.fixture
def dsops(tmp_path: Path, home: Path) -> Dsops:
    """The program in an empty home folder, without a desktop."""
    dsops = Dsops(tmp_path)
    dsops.environ["HOME"] = str(home)
    return dsops


def at_terminal(dsops: Dsops, *words: str) -> Terminal:
    """Start the program at a terminal."""
    environ = [f"{name}={value}" for name, value in dsops.environ.items()]
    return Terminal(["env", "-i", f"--chdir={dsops.folder}", *environ, *dsops.command(*words)])


def add_to_file(dsops: Dsops) -> None:
    """Add the seed to the encrypted file, at a terminal."""
    with at_terminal(dsops, "mfa", "add", DEVICE) as terminal:
        for question, answer in (
            (f"Seed of {DEVICE}: ", SEED),
            ("New passphrase for ", PASSPHRASE),
            ("again: ", PASSPHRASE),
        ):
            terminal.expect(question)
            terminal.type(f"{answer}\n")
        shown = terminal.expect("its current code changes in ")
        assert "the keyring (encrypted file " in shown
        assert not any(text in shown for text in (SEED, PASSPHRASE))
        assert terminal.code() == 0


def test_a_server_without_a_desktop_uses_the_file(dsops: Dsops) -> None:
    """In an empty home folder without a desktop, `mfa add` asks for a passphrase; `mfa code` asks for it again."""
    add_to_file(dsops)
    (entry,) = json.loads(dsops.run("mfa", "list", "--json").stdout)
    assert (entry["serial_number"], entry["backend"]) == (DEVICE, "file")
    with at_terminal(dsops, "mfa", "code") as terminal:
        terminal.expect("Passphrase of ")
        terminal.type("not this one\n")
        terminal.expect("that passphrase is wrong (2 more tries)")
        terminal.type(f"{PASSPHRASE}\n")
        terminal.expect("for the next ")
        assert terminal.code() == 0
    done = dsops.run("mfa", "code")
    assert (done.returncode, done.stdout) == (3, b"")
    assert b"error[keyring.locked]" in done.stderr
    assert b"there is no terminal to ask" in done.stderr


def test_ctrl_c_at_the_passphrase_keeps_nothing(dsops: Dsops, home: Path) -> None:
    """Ctrl-C at the prompt for a new passphrase stores nothing."""
    with at_terminal(dsops, "mfa", "add", DEVICE) as terminal:
        terminal.expect(f"Seed of {DEVICE}: ")
        terminal.type(f"{SEED}\n")
        terminal.expect("New passphrase for ")
        terminal.type("\x03")
        assert terminal.code() == 130
    assert not list(home.rglob("keyring.sealed"))
    assert json.loads(dsops.run("mfa", "list", "--json").stdout) == []


def test_without_a_terminal_each_backend_is_named(dsops: Dsops) -> None:
    """In a pipe without desktop, password store and terminal, the error has the reason for each backend."""
    seed = dsops.folder / "seed"
    seed.write_text(SEED)
    done = dsops.run("mfa", "add", DEVICE, "--from-file", str(seed))
    assert done.returncode == 3
    error = done.stderr.decode()
    assert "none of the keyring's backends can be used here" in error
    assert all(f"{name}: " in error for name in ("desktop", "pass", "file"))
    assert SEED not in error


@pytest.mark.parametrize("words", [("--backend", "files"), ("--backend", "op:"), ("--backend", "file,pass")])
def test_a_mistyped_backend_is_told_before_the_seed_is_asked_for(dsops: Dsops, words: tuple[str, str]) -> None:
    """A mistyped backend is an error before dsops prompts for the seed."""
    done = dsops.run("mfa", "add", DEVICE, *words)
    assert done.returncode == 2
    assert b"the backends are desktop, kernel, pass, op, file" in done.stderr


def test_the_agent_asks_its_client_and_remembers_no_passphrase(tmp_path: Path, home: Path) -> None:
    """The agent's client asks for the passphrase; the agent caches the session but not the passphrase."""
    with StubAws() as aws, Agent(tmp_path, aws) as agent:
        (tmp_path / "dsops.yaml").write_text(CONFIG)
        agent.environ["HOME"] = str(home)
        add_to_file(agent)
        words = ("credentials", "target", "--config", "dsops.yaml", "--format", "env")
        with at_terminal(agent, *words) as terminal:
            terminal.expect("Passphrase of ")
            terminal.type(f"{PASSPHRASE}\n")
            terminal.expect("AWS_SESSION_TOKEN")
            assert terminal.code() == 0
        code = aws.server.seen[0].body.decode().partition("TokenCode=")[2][:6]
        assert pyotp.TOTP(SEED).verify(code, valid_window=1)
        assert [session["store"] for session in agent.status()["sessions"]] == ["target"]
        assert agent.run(*words).returncode == 0  # the cached session, without a terminal
        agent.run("agent", "clear")
        with at_terminal(agent, *words) as terminal:
            terminal.expect("Passphrase of ")
            terminal.type("\x03")


def added_used_removed(dsops: Dsops, backend: str, label: str) -> None:
    """Add, list, use and remove a seed in a backend that asks for nothing."""
    seed = dsops.folder / "seed"
    seed.write_text(SEED)
    done = dsops.run("mfa", "add", DEVICE, "--from-file", str(seed), "--backend", backend)
    assert (done.returncode, done.stdout.decode().partition(")")[0]) == (0, f"the keyring ({label}"), done.stderr
    assert f"{DEVICE}  " in (listed := dsops.run("mfa", "list").stdout.decode())
    assert listed.rstrip().endswith(backend)
    before = pyotp.TOTP(SEED).now()
    shown = dsops.run("mfa", "code").stdout.decode().strip()
    assert shown in {before, pyotp.TOTP(SEED).now()}
    assert dsops.run("mfa", "remove", DEVICE).returncode == 0
    assert json.loads(dsops.run("mfa", "list", "--json").stdout) == []


@pytest.fixture
def kernel() -> Iterator[KernelKeyring]:
    """The kernel's keyring, which has nothing of this test afterwards."""
    kernel = KernelKeyring()
    why = kernel.check()
    if why:
        pytest.skip(why)
    yield kernel
    kernel.delete("dsops mfa", DEVICE)


def test_the_kernels_keyring_is_used_if_it_is_named(dsops: Dsops, kernel: KernelKeyring) -> None:
    """`--backend kernel` works without any package or program, and the output says that a reboot deletes the seed."""
    added_used_removed(dsops, "kernel", "kernel, until the next reboot")
    assert kernel.get("dsops mfa", DEVICE) is None


def test_1password_is_used_if_it_is_named(dsops: Dsops, tmp_path_factory: pytest.TempPathFactory) -> None:
    """With `--backend op:Work`, the seed is stored in the 1Password vault `Work`."""
    stub = StubOnePassword(tmp_path_factory.mktemp("op"))
    dsops.environ["PATH"] = f"{stub.bin}:{os.environ['PATH']}"
    added_used_removed(dsops, "op:Work", "1Password, vault Work")
    assert stub.titles == []


@NEEDS_PASS
def test_pass_is_used_if_there_is_a_store(dsops: Dsops) -> None:
    """With `--backend pass`, the seed is stored in the user's password store."""
    with password_store() as store:
        dsops.environ |= store.environ
        added_used_removed(
            dsops, "pass", "pass, dsops/mfa/arn:aws:iam::111122223333:mfa%2Fof-test-" + DEVICE.rpartition("-")[2]
        )

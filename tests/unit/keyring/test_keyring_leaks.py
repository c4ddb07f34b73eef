"""A seed and a key are stored only in the keyring, whether commands succeed or fail.

The tests search both streams, every file left behind, and the arguments and environment of every process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import Self

import pytest

from dsops.keyring.kernel import KernelKeyring
from tests.children import SECONDS
from tests.groups import IN_CI
from tests.stubs.aws import assume_role_answer, parameters_of, sts_error
from tests.stubs.keyrings import SECRETS_FILE, StubKeyring
from tests.stubs.one_password import StubOnePassword
from tests.stubs.password_store import NEEDS_PASS, password_store
from tests.stubs.server import Answer, Seen, StubServer
from tests.unit.keys.test_rotation import NEW, OLD, SlowAws
from tests.unit.test_no_leaks import WATCHED

pytestmark = IN_CI  # many real programs: 1 s of processor time for each test

DEVICE = "arn:aws:iam::111122223333:mfa/ada"
SEED = "PLANTEDSEEDPLANTEDSEEDPLANTEDSEEDPLANTEDSEEDPLANTEDSEEDPLANTEDSE"
OLD_SECRET, NEW_SECRET = "PLANTED/old+secret+of+forty+letters+0000", "the-new-secret"
PASSPHRASE = "PLANTED passphrase of the file"
CONFIG = f"""
version: 1
secretStores:
  ada: {{type: aws.keys, key_name: ada}}
  r:
    type: aws.sts
    region: us-east-1
    role_arn: arn:aws:iam::111122223333:role/R
    role_session_name: ada
    credentials_from: ada
    serial_number: {DEVICE}
envs: {{e: {{ID: {{from: "r:access_key_id"}}}}}}
"""
_KEEPERS = (SECRETS_FILE, "items.json")
"""The files of the stub keyring and of the stub of 1Password, which have the secrets in plain text."""
MOODS = ("", "locked", "absent", "breaks", "dies", "refuses", "forgets", "prints")


class Desk:
    """A home folder with a keyring, and an AWS stub that can repeat requests."""

    def __init__(self, home: Path, folder: Path) -> None:
        self.keyring = StubKeyring(home)
        self.folder, self.home = folder, home
        (folder / "dsops.yaml").write_text(CONFIG)
        self.is_careless = False
        self.environ = self.keyring.environ
        """Variables that choose the backend."""
        self._slow = SlowAws()
        self.server = StubServer(self._answer)

    def _answer(self, seen: Seen) -> Answer:
        if self.is_careless:
            # A proxy's error page that contains the whole request.
            return Answer(502, b"<html>" + seen.body + str(seen.headers).encode() + b"</html>")
        if seen.body and parameters_of(seen)["Action"] == "AssumeRole":
            return assume_role_answer(expiration="2099-01-01T00:00:00Z")
        return self._slow(seen) if seen.body else sts_error("AccessDenied", "no")

    def search(self, *words: str, given: str = "") -> int:
        """Run the command and return the exit code; fail if a secret appears outside the keyring."""
        watch = self.folder / "watched"
        watch.write_text("")
        done = subprocess.run(
            [sys.executable, "-c", WATCHED, *words, "--debug", "--verbose"],
            cwd=self.folder,
            env={
                "PATH": os.environ["PATH"],
                "DSOPS_AGENT": "off",
                "AWS_ENDPOINT_URL": self.server.url,
                "AWS_EC2_METADATA_DISABLED": "true",
                "WATCH_FILE": str(watch),
                **self.environ,
            },
            input=given,
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,
            timeout=60,
        )
        files = [path for place in (self.folder, self.home) for path in place.rglob("*") if path.is_file()]
        texts = {str(path): path.read_text(errors="replace") for path in files if path.name not in _KEEPERS}
        texts |= {"stdout": done.stdout, "stderr": done.stderr}
        found = {
            name
            for name, text in texts.items()
            for secret in (SEED, OLD_SECRET, NEW_SECRET, PASSPHRASE)
            if secret in text or secret[-12:] in text
        }
        assert found == set()
        return done.returncode

    def processes(self) -> list[str]:
        """Return the command lines of the processes that the last run started."""
        lines = (self.folder / "watched").read_text().splitlines()
        return [" ".join(json.loads(line)[1]) for line in lines]


@pytest.fixture
def desk(home: Path, tmp_path: Path) -> Iterator[Desk]:
    """Yield a desk whose keyring and AWS work."""
    desk = Desk(home, tmp_path)
    with desk.server:
        yield desk


def test_when_all_is_well(desk: Desk) -> None:
    """Adding, listing, using and rotating keys leave secrets only in the keyring and its child process."""
    assert desk.search("mfa", "add", DEVICE, given=SEED) == 0
    assert desk.search("keys", "add", "ada", given=f"{OLD}\n{OLD_SECRET}") == 0
    assert desk.search("mfa", "list") == desk.search("keys", "list") == 0
    assert desk.search("mfa", "code", DEVICE) == 0
    assert desk.search("exec", "--config", "dsops.yaml", "--env", "e", "--", "true") == 0
    assert sum("dsops.keyring.child" in process for process in desk.processes()) == 2
    assert desk.search("keys", "rotate", "ada") == 0
    assert desk.keyring.secrets == {
        f"dsops mfa/{DEVICE}": SEED,
        "dsops keys/ada": json.dumps({OLD: OLD_SECRET, NEW: NEW_SECRET}),
    }


@pytest.mark.parametrize("mood", MOODS)
def test_in_every_mood_of_the_keyring(desk: Desk, mood: str) -> None:
    """No secret leaks if the keyring is locked, broken, loses contents, or repeats its input in an error."""
    desk.search("mfa", "add", DEVICE, given=SEED)
    desk.search("keys", "add", "ada", given=f"{OLD}\n{OLD_SECRET}")
    desk.keyring.set_mood(mood)
    desk.search("mfa", "add", DEVICE, "--replace", given=SEED)
    desk.search("keys", "add", "ada", "--replace", given=f"{OLD}\n{OLD_SECRET}")
    desk.search("mfa", "code")
    desk.search("exec", "--config", "dsops.yaml", "--env", "e", "--", "true")
    desk.search("keys", "rotate", "ada")


def test_when_aws_or_something_before_it_repeats_the_request(desk: Desk) -> None:
    """No secret leaks if AWS or a proxy repeats the request's MFA codes and signatures in its response."""
    desk.search("mfa", "add", DEVICE, given=SEED)
    desk.search("keys", "add", "ada", given=f"{OLD}\n{OLD_SECRET}")
    desk.is_careless = True
    assert desk.search("exec", "--config", "dsops.yaml", "--env", "e", "--", "true") != 0
    assert desk.search("keys", "rotate", "ada") != 0
    assert desk.search("keys", "add", "bob", given=f"{OLD}\n{OLD_SECRET}") != 0


@pytest.mark.parametrize(
    "given",
    [
        f"{OLD_SECRET}\n{OLD}",
        f"{OLD} {OLD_SECRET}",
        f"{OLD}\n{OLD_SECRET} x",
        f'{{"AccessKey": "{OLD_SECRET}"',
        f"{OLD},{OLD_SECRET}",
        f"{OLD}\n{OLD_SECRET}\n{OLD_SECRET}",
        OLD_SECRET * 500,
        f"{SEED}1",
    ],
    ids=range(8),
)
def test_when_what_is_given_is_wrong(desk: Desk, given: str) -> None:
    """Swapped, joined, truncated or overlong input is an error with a reason that does not repeat the input."""
    assert desk.search("keys", "add", "ada", given=given) == 2
    assert desk.search("mfa", "add", DEVICE, given=given) == 2
    assert desk.keyring.secrets == {}


@contextmanager
def backend_of(name: str, folder: Path) -> Iterator[dict[str, str]]:
    """Yield the variables of a client that uses this backend and needs no terminal."""
    bin_folder = folder / "bin"
    bin_folder.mkdir()
    path = f"{bin_folder}:{os.environ['PATH']}"
    common = {"DSOPS_KEYRING": name, "PATH": path}
    if name == "op":
        stub = StubOnePassword(folder)
        stub.set_mood("repeats" if folder.name.startswith("repeats") else "")
        yield {**common, "PATH": f"{stub.bin}:{path}"}
    elif name == "pass":
        with password_store() as store:
            yield {**common, "PASSWORD_STORE_DIR": str(store.folder), "GNUPGHOME": store.environ["GNUPGHOME"]}
    elif name == "file":
        # A dialog window asks for the passphrase, because the process has no terminal.
        (bin_folder / "zenity").write_text(f"#!/bin/sh\necho '{PASSPHRASE}'\n")
        (bin_folder / "zenity").chmod(0o755)
        yield {**common, "DISPLAY": ":0", "CI": ""}
    else:
        why = KernelKeyring().check()
        if why:
            pytest.skip(why)
        yield common
        for service, account in (("dsops mfa", DEVICE), ("dsops keys", "ada")):
            KernelKeyring().delete(service, account)


class ProcessWatch:
    """Reads the command lines and environments of all processes from /proc, again and again."""

    def __init__(self) -> None:
        self._is_over = Event()
        self._thread = Thread(target=self._look, daemon=True)
        self.seen: set[bytes] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join(timeout=SECONDS)

    def _look(self) -> None:
        while not self._is_over.is_set():
            for process in Path("/proc").glob("[0-9]*"):
                for name in ("cmdline", "environ"):
                    with suppress(OSError):
                        self.seen.add((process / name).read_bytes())


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc")
@pytest.mark.parametrize("name", ["kernel", pytest.param("pass", marks=NEEDS_PASS), "op", "file"])
def test_no_backend_shows_a_secret(desk: Desk, tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    """With each backend, secrets occur in no output, file, argument or environment of any process."""
    with backend_of(name, tmp_path_factory.mktemp("backend")) as variables:
        desk.environ = {"HOME": str(desk.home), **variables}
        with ProcessWatch() as watch:
            assert desk.search("mfa", "add", DEVICE, given=SEED) == 0
            assert desk.search("keys", "add", "ada", given=f"{OLD}\n{OLD_SECRET}") == 0
            assert desk.search("mfa", "code", DEVICE) == 0
            assert desk.search("exec", "--config", "dsops.yaml", "--env", "e", "--", "true") == 0
            assert desk.search("keys", "rotate", "ada") == 0
            assert desk.search("keys", "remove", "ada") == 0
        shown = b" ".join(watch.seen)
        assert b"dsops.yaml" in shown
        assert not any(secret.encode() in shown for secret in (SEED, OLD_SECRET, NEW_SECRET, PASSPHRASE))
        assert desk.keyring.secrets == {}


def test_a_backend_that_repeats_its_input_shows_no_secret(desk: Desk, tmp_path_factory: pytest.TempPathFactory) -> None:
    """If `op` repeats the template with the secret in its error message, dsops does not."""
    with backend_of("op", tmp_path_factory.mktemp("repeats")) as variables:
        desk.environ = {"HOME": str(desk.home), **variables}
        assert desk.search("mfa", "add", DEVICE, given=SEED) == 3
        assert desk.search("keys", "add", "ada", given=f"{OLD}\n{OLD_SECRET}") == 3

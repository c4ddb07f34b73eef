"""`dsops each`: one command with the session of many stores, side by side."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dsops.sandbox.control.launch import identity_variables, open_server
from dsops.sandbox.control.server import SandboxServer
from dsops.sandbox.seed.file import read_seed
from tests.children import Child
from tests.permission import allow_found

SEED = """
accounts:
  "111111111111":
    users:
      alice:
        policies: [{Version: "2012-10-17", Statement: {Effect: Allow, Action: "sts:AssumeRole", Resource: "*"}}]
    roles:
      Jump: &role
        trust: {Version: "2012-10-17", Statement: {Effect: Allow, Action: "sts:AssumeRole",
          Principal: {AWS: "arn:aws:iam::111111111111:root"}}}
        policies: [{Version: "2012-10-17", Statement: {Effect: Allow, Action: "sts:AssumeRole", Resource: "*"}}]
      A: *role
      B: *role
"""
STORE = (
    "  {}: {{type: aws.sts, region: us-east-1, role_session_name: me, credentials_from: jump, "
    'role_arn: "arn:aws:iam::111111111111:role/{}"}}\n'
)
CONFIG = (
    "secretStores:\n"
    "  jump: {type: aws.sts, region: us-east-1, role_session_name: me, "
    'role_arn: "arn:aws:iam::111111111111:role/Jump"}\n'
    + "".join(STORE.format(name, role) for name, role in (("prod-a", "A"), ("prod-b", "B"), ("gone", "Gone")))
    + "  values: {type: literal, values: {a: b}}\n"
)


class World:
    """A sandbox, a folder with a configuration, and alice's keys."""

    def __init__(self, folder: Path, server: SandboxServer) -> None:
        self.folder = folder
        self.server = server
        (folder / "dsops.yaml").write_text(CONFIG)
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "DSOPS_AGENT": "off",
            **identity_variables(server, "alice"),
        }
        allow_found(folder, self.environ)

    def command(self, *words: str) -> list[str]:
        """The command line of `dsops each`."""
        return [sys.executable, "-m", "dsops", "each", *words]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `dsops each` until it ends."""
        return subprocess.run(
            self.command(*words),
            cwd=self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def calls(self, name: str) -> int:
        """The number of calls of this operation."""
        return sum(record["eventName"] == name for record in self.server.sandbox.events.records())


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A separate sandbox and folder for each test."""
    with open_server(read_seed(SEED, "seed.yaml")) as server:
        yield World(tmp_path, server)


WHO = "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'].split('/')[1])"


def test_the_command_gets_the_session_of_each_store(world: World) -> None:
    """Each command gets its store's session, and its lines begin with the store's name.

    A shared hop is assumed once.
    """
    done = world.run("prod-*", "--", sys.executable, "-c", WHO)
    assert sorted(done.stdout.splitlines()) == ["prod-a | A", "prod-b | B"]
    assert done.returncode == 0
    assert "2 stores, all ok" in done.stderr
    assert world.calls("AssumeRole") == 3


def test_grouped_output_keeps_the_lines_of_a_store_together(world: World) -> None:
    """With `--output group` all lines of a store follow its name, in the order of the configuration."""
    done = world.run("prod-*", "--output", "group", "--", "sh", "-c", "echo 1; sleep 0.1; printf 2")
    assert done.stdout == "== prod-a\n1\n2\n== prod-b\n1\n2\n"


def test_a_carriage_return_does_not_replace_the_stores_name(world: World) -> None:
    """After a carriage return, which moves to the beginning of the line, the store's name is printed again."""
    done = subprocess.run(
        world.command("prod-a", "--", "printf", "one\\rprod-b | two\\r\\n"),
        cwd=world.folder,
        env=world.environ,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == b"prod-a | one\rprod-a | prod-b | two\n"


def test_json_is_one_object_per_line(world: World) -> None:
    """With `--json` each store is one line with exit code, output and error, and nothing else is printed."""
    done = world.run("prod-a", "gone", "--json", "--", "sh", "-c", "echo out; echo err >&2; exit 7")
    failed, ended = (json.loads(line) for line in done.stdout.splitlines())
    assert (failed["store"], failed["exit_code"], failed["error"]["code"]) == ("gone", 125, "sts.access-denied")
    del ended["seconds"]
    assert ended == {"store": "prod-a", "exit_code": 7, "stdout": "out\n", "stderr": "err\n", "error": None}
    assert (done.returncode, done.stderr) == (125, "")


def test_a_failure_of_one_store_does_not_stop_the_others(world: World) -> None:
    """A store without a session, or whose command fails, is shown in the table; other stores' commands run."""
    done = world.run("gone", "prod-?", "--", "sh", "-c", 'test "$(dirname $PWD)" = /')
    assert done.returncode == 125
    table = done.stderr[done.stderr.index("STORE ") :].splitlines()
    assert [line.split()[0] for line in table[1:4]] == ["prod-a", "prod-b", "gone"]
    assert table[1].split()[1] == "1"
    assert "sts.access-denied" in table[3]
    assert table[4] == "3 stores, 3 failed"
    assert world.run("prod-a", "--", "false").returncode == 1


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("nothing-*", "--", "true"), "the stores with a session are: jump, prod-a, prod-b, gone"),
        (("values", "--", "true"), "no store matches `values`"),
        (("prod-*", "--jobs", "0", "--", "true"), "`--jobs` can't be 0"),
        (("prod-*", "--"), "there is no command to run"),
        (("prod-*", "--", "no-such-program"), "no-such-program"),
    ],
)
def test_mistakes_are_found_before_any_call(world: World, words: tuple[str, ...], text: str) -> None:
    """A wrong pattern, number or command is an error before the first session is issued."""
    done = world.run(*words)
    assert text in done.stderr
    assert done.returncode in {125, 127}
    assert world.calls("AssumeRole") == 0


def test_at_most_so_many_run_at_the_same_time(world: World) -> None:
    """`--jobs 1` runs one command after another."""
    program = "mkdir busy || exit 9; sleep 0.2; rmdir busy"
    assert world.run("prod-*", "jump", "--jobs", "1", "--", "sh", "-c", program).returncode == 0


def test_interrupt_ends_all_commands(world: World) -> None:
    """Ctrl-C ends the running commands, starts no other, and ends dsops with 130."""
    command = world.command("prod-*", "--jobs", "1", "--", "sh", "-c", "echo up; exec sleep 60")
    with Child(
        command, cwd=world.folder, env=world.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "prod-a | up\n"
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert time.monotonic() - began < 50
    assert "not run" in stderr
    assert "Traceback" not in stderr


def test_a_closed_pipe_ends_it(world: World) -> None:
    """If the process that reads stdout ends, dsops ends too, without a traceback."""
    words = " ".join(world.command("prod-*", "--", "yes"))
    done = subprocess.run(
        ["sh", "-c", f"{words} | head -1"],
        cwd=world.folder,
        env=world.environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.endswith(" | y\n")
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr


def test_every_session_is_on_the_audit_trail(world: World) -> None:
    """The audit trail has one record of the run for each store, also for a store without a session."""
    world.run("prod-*", "gone", "--reason", "a check", "--", "true")
    trail = world.folder / ".local/state/dsops/audit.jsonl"
    events = [json.loads(line) for line in trail.read_text().splitlines()]
    runs = [event for event in events if event["eventName"] == "Each"]
    assert [event["additionalEventData"].get("store") for event in runs if "errorCode" not in event] == [
        "prod-a",
        "prod-b",
    ]
    assert len([event for event in runs if "errorCode" in event]) == 1

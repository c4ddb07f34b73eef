"""`dsops graph` as a real process: it makes no call without `--check`, and uses red only on a terminal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from dsops.graph.make import ends_first
from tests.graphs import many
from tests.plans import config_of
from tests.terminal import Terminal
from tests.unit.cli.stub_aws import Dsops, StubAws
from tests.unit.cli.test_plan import PROGRAM

RED = "\x1b[31m"


def test_no_call_is_made(tmp_path: Path) -> None:
    """Without `--check` no format opens a socket, starts a process, or needs an AWS client or credentials."""
    with StubAws() as aws:
        dsops = Dsops(tmp_path, aws)
        environ = {name: value for name, value in dsops.environ.items() if "KEY" not in name}
        for words in (("--format", "text"), ("--format", "mermaid"), ("--format", "svg"), ("--json",)):
            done = subprocess.run(
                [sys.executable, "-c", PROGRAM, "graph", *words],
                cwd=dsops.folder,
                env=environ,
                capture_output=True,
                text=True,
                check=False,
                timeout=60,
            )
            assert (0, "") == (done.returncode, done.stderr.strip())
            assert "role Target" in done.stdout
            assert "the-external-id" not in done.stdout
        assert [] == aws.calls


def test_on_a_terminal_what_is_denied_is_red_and_says_so(tmp_path: Path) -> None:
    """On a terminal a denied node is red; with NO_COLOR or in a file or pipe only the word `denied` marks the node."""
    with StubAws(denies=True) as aws:
        dsops = Dsops(tmp_path, aws)
        command = dsops.command("graph", "--check", "--env", "production")
        settings = [f"{name}={value}" for name, value in dsops.environ.items()]
        for more, is_red in ((["TERM=xterm"], True), (["TERM=xterm", "NO_COLOR=1"], False), (["TERM=dumb"], False)):
            words = ["env", "-i", "-C", str(dsops.folder), *settings, *more, *command]
            with Terminal(words) as terminal:
                shown = terminal.expect("target [denied: sts.access-denied]")
                assert is_red == (RED in shown)
        assert RED.encode() not in dsops.run("graph", "--check", "--env", "production").stdout


def test_where_mermaid_stops_is_noted(tmp_path: Path) -> None:
    """A Mermaid diagram beyond Mermaid's limits causes a note."""
    dsops = Dsops(tmp_path)
    assert dsops.run("graph", "--format", "mermaid").stderr == b""
    (dsops.folder / "dsops.yaml").write_text("version: 1\n" + many(1200, 5))
    done = dsops.run("graph", "--out", "large.mmd")
    assert b"Mermaid draws at most 500 edges" in done.stderr
    assert (done.returncode, done.stdout) == (0, b"")


def test_drawings_tell_errors_on_stderr(tmp_path: Path) -> None:
    """With `--check` the drawing goes to stdout, errors go to stderr, and the exit code is the check's."""
    with StubAws(denies=True) as aws:
        dsops = Dsops(tmp_path, aws)
        done = dsops.run("graph", "--check", "--env", "production", "--format", "svg")
        assert (done.returncode, done.stdout.count(b"<svg")) == (6, 1)
        assert b"error[sts.access-denied]" in done.stderr
        assert b"error[" not in done.stdout


def test_an_existing_file_is_drawn_again(tmp_path: Path) -> None:
    """`--out` overwrites an existing file with the default file mode, because a drawing contains no secret."""
    dsops = Dsops(tmp_path)
    old = dsops.folder / "credentials.svg"
    old.write_text("x" * 100_000)
    assert dsops.run("graph", "--out", "credentials.svg").returncode == 0
    assert old.read_text().endswith("</svg>\n")
    assert os.access(old, os.R_OK)


def test_each_variable_has_its_outcome(tmp_path: Path) -> None:
    """With `--check` a missing optional variable is ok, a missing required one fails, and their shared store is ok."""
    with StubAws() as aws:
        dsops = Dsops(tmp_path, aws)
        done = dsops.run("graph", "--check", "--env", "missing")
        shown = done.stdout.decode()
        assert done.returncode == 6
        assert "secrets [ok]: aws.secretsmanager" in shown
        assert "PRESENT [ok]: prod/token" in shown
        assert "ABSENT [failed: secret.not-found]: prod/absent" in shown
        assert "OPTIONAL [ok: left out, since there is no value]: prod/absent" in shown
        assert dsops.run("graph", "--check", "--env", "optional").returncode == 0


def test_a_role_of_many_environments_is_refused_once(tmp_path: Path) -> None:
    """A refused role that several environments share is reported once, and nodes that depend on it are skipped."""
    with StubAws(denies=True) as aws:
        done = Dsops(tmp_path, aws).run("graph", "--check", "--json")
        answer = json.loads(done.stdout)
        by_name = {(node["kind"], node["name"]): (node["status"], node["told"]) for node in answer["nodes"]}
        assert [error["code"] for error in answer["errors"]] == ["sts.access-denied"]
        assert by_name["hop", "target"] == ("denied", "sts.access-denied")
        assert by_name["store", "secrets"] == ("skipped", "needs target")
        assert by_name["variable", "TOKEN"] == ("skipped", "needs secrets")
        assert by_name["variable", "PLAIN"] == (None, None)
        assert by_name["caller", "base credentials"] == ("ok", "found")


def test_what_cant_be_reached_is_not_called_denied(tmp_path: Path) -> None:
    """An unreachable service is shown as a failure, not as a denial."""
    dsops = Dsops(tmp_path)
    done = dsops.run("graph", "--check", "--env", "production", AWS_ENDPOINT_URL="http://127.0.0.1:9")
    assert done.returncode == 6
    assert b"target [failed: service.unreachable]" in done.stdout
    assert b"denied" not in done.stdout


def test_a_chain_is_planned_from_its_end() -> None:
    """Stores are planned from the ends of their chains: stores that others depend on come last."""
    config = config_of(many(4, 1).replace("role1: {", "role1: {credentials_from: role0, "))
    assert ends_first(config) == ["secrets0", "secrets1", "role0", "role1"]


def test_a_long_chain_is_drawn(tmp_path: Path) -> None:
    """A chain of 100 hops is drawn with each hop below the previous one."""
    dsops = Dsops(tmp_path)
    role = "{type: aws.sts, region: us-east-1, role_arn: 'arn:aws:iam::111122223333:role/R', role_session_name: ada"
    hops = [f"  hop{at}: {role}, credentials_from: hop{at - 1}}}" for at in range(1, 100)]
    text = "\n".join(["version: 1", "secretStores:", f"  hop0: {role}}}", *hops, "envs: {}"])
    (dsops.folder / "dsops.yaml").write_text(text)
    lines = dsops.run("graph").stdout.decode().splitlines()
    assert lines[1] == "1 caller, 100 hops, 0 stores, 0 variables"
    assert lines[-1].startswith(" " * 2 * 100 + "hop99: AssumeRole")

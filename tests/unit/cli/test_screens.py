"""What a person sees at terminals of several widths: tables, errors, and the line of a wait."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.golden_screens import WIDTHS, GoldenScreens
from tests.terminal import PATIENCE_SECONDS, Screen

CONFIG = """\
version: 1
secretStores:
  landing:
    type: aws.sts
    role_arn: arn:aws:iam::111122223333:role/LandingZoneReadOnly
    region: eu-central-1
    endpoint_url: http://127.0.0.1:{port}
  production-deploy:
    type: aws.sts
    role_arn: arn:aws:iam::444455556666:role/Deploy
    region: eu-central-1
    credentials_from: landing
    endpoint_url: http://127.0.0.1:{port}
  production-secrets:
    type: aws.secretsmanager
    region: eu-central-1
    credentials_from: production-deploy
    endpoint_url: http://127.0.0.1:{port}
envs:
  production:
    DATABASE_PASSWORD: {{from: "store://production-secrets/prod/database"}}
  staging:
    DATABASE_PASSWORD: {{from: "store://production-secrets/staging/database"}}
"""
DSOPS = [sys.executable, "-m", "dsops"]


@pytest.fixture
def hanging() -> Iterator[socket.socket]:
    """A server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PATIENCE_SECONDS)
        yield server


@pytest.fixture
def folder(tmp_path: Path, hanging: socket.socket) -> Path:
    """A project folder with three stores, which all call the hanging server."""
    project = tmp_path / "project"
    project.mkdir()
    (project / "dsops.yaml").write_text(CONFIG.format(port=hanging.getsockname()[1]))
    return project


def environ(folder: Path, *, is_audited: bool = False, **more: str) -> Mapping[str, str]:
    """The variables of a user at a terminal with colours, with an empty home folder and keys of AWS."""
    home = folder.parent / "home"
    (home / ".config" / "dsops").mkdir(parents=True, exist_ok=True)
    (home / ".config" / "dsops" / "config.yaml").write_text("" if is_audited else "audit: off\n")
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "invented-secret",
        "DSOPS_AGENT": "off",
        **more,
    }


def seen(folder: Path, *words: str, columns: int, variables: Mapping[str, str] | None = None) -> Screen:
    """The screen after a command that has ended."""
    with Screen(
        [*DSOPS, *words], columns=columns, environ={**environ(folder), **(variables or {})}, folder=folder
    ) as screen:
        screen.finish()
    return screen


def test_the_table_of_stores_fits_the_terminal(folder: Path) -> None:
    """`dsops stores` shows whole names at any width; a narrow terminal gets fewer columns, or blocks."""
    with GoldenScreens("stores") as golden:
        for columns in (20, *WIDTHS):
            with Screen([*DSOPS, "stores"], columns=columns, rows=40, environ=environ(folder), folder=folder) as screen:
                golden.check(screen, "dsops stores")
                assert screen.style("STORE") == ("bold" if columns > 20 else "")
                assert max(map(len, screen.rows())) <= columns


def test_an_error_has_a_bold_first_line_and_a_dim_hint(folder: Path) -> None:
    """An error's code is red and its message bold; on a narrow terminal, continuation lines are indented."""
    words = ["--config", "dsops.yaml", "exec", "-e", "prod", "--", "true"]
    with GoldenScreens("error") as golden:
        for columns in (20, *WIDTHS):
            with Screen([*DSOPS, *words], columns=columns, environ=environ(folder), folder=folder) as screen:
                golden.check(screen, "dsops exec -e prod -- true")
                if columns > 20:
                    assert screen.style("error[config.environment-unknown]") == "bold red"
                    assert screen.style("there is no") == "bold"
                    assert screen.style("hint:") == ""


def test_a_sentence_of_an_answer_is_wrapped_between_words(folder: Path) -> None:
    """The sentences that `allow` and `validate` print fit a narrow terminal, with whole words."""
    for words in (["allow"], ["validate"]):
        rows = seen(folder, *words, columns=40).rows()
        assert max(map(len, rows)) <= 40
        assert rows[-1].endswith(("current content", "content", "environments", "2 environments"))


@pytest.mark.parametrize("variable", [{"NO_COLOR": "1", "CLICOLOR_FORCE": "1"}, {"TERM": "dumb"}])
def test_colours_can_be_switched_off(folder: Path, variable: Mapping[str, str]) -> None:
    """NO_COLOR and TERM=dumb switch colours off."""
    screen = seen(folder, "stors", columns=80, variables=variable)
    assert screen.style("error[usage]") == ""
    assert "did you mean `dsops stores`?" in screen.shown()


def test_after_a_second_of_waiting_a_line_says_for_what(folder: Path) -> None:
    """If an endpoint hangs, a line names the hop after one second. Ctrl-C erases the line and ends dsops with 130."""
    command = [*DSOPS, "--config", "dsops.yaml", "whoami", "production-deploy"]
    with GoldenScreens("waiting") as golden:
        for columns in (20, *WIDTHS):
            with Screen(command, columns=columns, environ=environ(folder), folder=folder) as screen:
                assert screen.wait_for("dsops: assuming") > 1
                golden.check(screen, "dsops whoami production-deploy, at an endpoint that hangs")
                screen.type("\x03")
                assert screen.finish() == 130
                assert screen.shown() == ""


def test_quiet_shows_no_line(folder: Path, hanging: socket.socket) -> None:
    """With `-q`, no line is shown while an endpoint hangs, and no note about the audit trail afterwards."""
    command = [*DSOPS, "--config", "dsops.yaml", "whoami", "production-deploy", "-q"]
    with Screen(command, columns=80, environ=environ(folder), folder=folder) as screen, hanging.accept()[0]:
        screen.look(2)  # the line is shown after a second
        assert screen.shown() == ""
        screen.type("\x03")
        assert screen.finish() == 130
        assert screen.shown() in {"", "^C"}


def test_the_note_about_the_trail_does_not_land_on_the_line(folder: Path) -> None:
    """The first-run note has rows of its own, even if the progress line was shown before."""
    words = ["--config", "dsops.yaml", "credentials", "production-deploy", "--no-agent"]
    config = (folder / "dsops.yaml").read_text().replace("region: eu", "timeout_ms: 2500\n    region: eu")
    (folder / "dsops.yaml").write_text(config)
    with Screen([*DSOPS, *words], columns=120, environ=environ(folder, is_audited=True), folder=folder) as screen:
        screen.wait_for("assuming landing (hop 1 of 2)")
        assert screen.finish() == 5
        assert screen.rows()[0].startswith("dsops: note: ")
        assert "assuming landing (" not in screen.shown()
        assert "error[service.timed-out]" in screen.shown()


def test_a_stopped_wait_leaves_a_sane_terminal(folder: Path) -> None:
    """Ctrl-Z stops dsops and turns the terminal's echo on for the shell; `fg` continues dsops, and Ctrl-C ends it."""
    variables = environ(folder, PS1="shell> ")
    # The path of Python can be long, and bash wraps the command.
    with Screen(["bash", "--norc", "-i"], columns=250, environ=variables, folder=folder) as screen:
        screen.wait_for("shell>")
        screen.type(f"{' '.join(DSOPS)} --config dsops.yaml whoami landing\n")
        screen.wait_for("dsops: assuming landing ...")
        screen.type("\x1a")
        screen.wait_for("Stopped")
        screen.type("echo still-$((40 + 2)); stty -a | grep -o ' echo '\n")
        screen.wait_for("still-42\n echo")
        screen.type("fg\n")
        screen.wait_for("whoami landing\ndsops: assuming landing ...")
        screen.type("\x03")
        screen.wait_for("whoami landing\nshell>")
        # bash drops the first keys if they come while it takes the terminal back.
        screen.type("   echo code-$?\n")
        screen.wait_for("code-130")

"""The picker on a real terminal: filter, choose, cancel; small, dumb and plain terminals; never without a person."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.groups import IN_CI
from tests.stubs.aws import assume_role_answer, parameters_of
from tests.stubs.server import Answer, Seen
from tests.terminal import Screen
from tests.unit.cli.stub_aws import Agent, Dsops, StubAws
from tests.unit.cli.test_console import Signin
from tests.unit.stores.test_saml import response_of

pytestmark = IN_CI  # real programs in real terminals

ENTER, ESCAPE, DOWN, CTRL_C, CTRL_O, CTRL_Y, CTRL_Z = "\r", "\x1b", "\x1b[B", "\x03", "\x0f", "\x19", "\x1a"
HELP = "Esc: cancel"
PROFILES = """\
[profile ada]
region = us-east-1
[profile shop-prod]
role_arn = arn:aws:iam::111122223333:role/Shop
source_profile = ada
[profile "two words 📦"]
role_arn = arn:aws:iam::444455556666:role/Boxes
source_profile = ada
[profile \x1b]0;title\x07-x]
role_arn = arn:aws:iam::777788889999:role/Odd
source_profile = ada
"""
KEYS = "[ada]\naws_access_key_id = AKIAEXAMPLEEXAMPLE02\naws_secret_access_key = hush-profile-key\n"


@pytest.fixture
def aws() -> Iterator[StubAws]:
    """A stub of STS."""
    with StubAws() as server:
        yield server


@pytest.fixture
def dsops(tmp_path: Path, aws: StubAws) -> Dsops:
    """The program in a folder with a dsops.yaml and with a home folder that has four profiles."""
    program = Dsops(tmp_path, aws)
    home = tmp_path / "home"
    (home / ".aws").mkdir(parents=True)
    (home / ".aws" / "config").write_text(PROFILES)
    (home / ".aws" / "credentials").write_text(KEYS)
    program.environ |= {"HOME": str(home), "TERM": "xterm-256color", "LANG": "C.UTF-8"}
    return program


def shown(
    dsops: Dsops, *words: str, columns: int = 100, rows: int = 24, environ: Mapping[str, str] | None = None
) -> Screen:
    """The program on a terminal."""
    return Screen(
        dsops.command(*words),
        environ={**dsops.environ, **(environ or {})},
        folder=dsops.folder,
        columns=columns,
        rows=rows,
    )


def without_project(dsops: Dsops) -> None:
    """Leave the program with profiles only."""
    (dsops.folder / "dsops.yaml").unlink()
    dsops.allows = False


def test_an_environment_is_chosen_by_typing(dsops: Dsops) -> None:
    """Without a default environment, `exec` shows environments and stores; typing filters, Enter chooses."""
    with shown(dsops, "exec", "--", "sh", "-c", "echo $PLAIN-$0", "ran") as screen:
        screen.wait_for(HELP)
        assert screen.lines()[0] == "environment or store>"
        assert screen.lines()[1].split() == ["production", "environment,", "2", "variables"] or ">" in screen.lines()[1]
        screen.type("plain")
        screen.wait_for("environment or store> plain")
        screen.wait_for("> plain ")
        screen.type(ENTER)
        screen.wait_for("info-ran")
        assert screen.finish() == 0
        assert HELP not in screen.shown()


def test_a_profile_is_chosen_without_any_file(dsops: Dsops, aws: StubAws) -> None:
    """Without a dsops.yaml, `exec` offers the profiles, and the command gets the session of the chosen one."""
    without_project(dsops)
    with shown(dsops, "exec", "--", "sh", "-c", "echo key=$AWS_ACCESS_KEY_ID") as screen:
        screen.wait_for(HELP)
        screen.type("444455556666")
        screen.wait_for("1/4")
        assert "two words 📦" in screen.shown().replace("📦 ", "📦")
        screen.type(ENTER)
        screen.wait_for("key=ASIAEXAMPLEEXAMPLE01")
        assert screen.finish() == 0
    assert aws.calls == ["AssumeRole"]
    assert b"role%2FBoxes" in aws.server.seen[-1].body


def test_enter_twice_takes_the_recent_one(dsops: Dsops) -> None:
    """The name that the user has chosen last is the first one in the next list, so Enter chooses it again."""
    for keys in (["plain", ENTER], [ENTER]):
        with shown(dsops, "exec", "--", "sh", "-c", "echo $PLAIN-ran") as screen:
            screen.wait_for(HELP)
            for key in keys:
                screen.type(key)
                screen.wait_for("plain")
            screen.wait_for("info-ran")
            assert screen.finish() == 0


@pytest.mark.parametrize("key", [ESCAPE, CTRL_C, "\x04"])
def test_cancel_runs_nothing(dsops: Dsops, aws: StubAws, key: str) -> None:
    """Esc, Ctrl-C and Ctrl-D close the list, run nothing, and exit with code 130 without an error."""
    with shown(dsops, "exec", "--", "echo", "ran") as screen:
        screen.wait_for(HELP)
        screen.type(key)
        assert screen.finish() == 130
        assert screen.lines() == []
    assert aws.calls == []


def test_the_terminal_is_restored_after_a_signal(dsops: Dsops) -> None:
    """If SIGTERM ends the process during a list, the terminal's echo is restored; the exit status has the signal."""
    shell = ["/bin/sh", "-c", '"$@"; echo status $?; stty -a', "sh", *dsops.command("exec", "--", "true")]
    with Screen(shell, columns=80, environ=dsops.environ, folder=dsops.folder) as screen:
        screen.wait_for(HELP)
        children = Path(f"/proc/{screen.pid}/task/{screen.pid}/children").read_text().split()
        os.kill(int(children[0]), signal.SIGTERM)
        screen.wait_for(f"status {128 + signal.SIGTERM}")
        screen.wait_for(" echo ")
        assert " icanon" in screen.shown()


def test_keys_typed_too_early_choose_nothing(dsops: Dsops) -> None:
    """Keys from before the list is visible, such as the next line of a pasted text, are dropped."""
    with shown(dsops, "exec", "--", "echo", "ran") as screen:
        screen.type("plain\n")
        screen.wait_for(HELP)
        assert screen.lines()[-1].split()[0] == "13/13"
        screen.type(CTRL_C)
        assert screen.finish() == 130


def test_pasted_lines_only_filter(dsops: Dsops) -> None:
    """A newline in a pasted text does not confirm the choice."""
    with shown(dsops, "exec", "--", "echo", "ran") as screen:
        screen.wait_for(HELP)
        screen.type("\x1b[200~plain\nrm -rf\n\x1b[201~")
        screen.wait_for("> plain rm -rf")
        screen.wait_for("no match")
        screen.type(CTRL_C)
        assert screen.finish() == 130


def test_texts_of_files_can_not_draw(dsops: Dsops) -> None:
    """Control characters in a profile's name are shown as text."""
    with shown(dsops, "whoami", "--pick") as screen:
        screen.wait_for(HELP)
        assert r"\x1b]0;title\x07-x" in screen.shown()
        assert b"\x1b]0;" not in screen.written
        screen.type(CTRL_C)
        assert screen.finish() == 130


@pytest.mark.parametrize("columns", [20, 40])
def test_a_narrow_terminal(dsops: Dsops, columns: int) -> None:
    """At 20 columns, each choice has one line, cut at the right, and the typed text is visible."""
    with shown(dsops, "console", "--pick", columns=columns, rows=8) as screen:
        screen.wait_for("> target")
        assert screen.lines()[0] == "store>"
        assert len(screen.lines()) <= 8
        screen.type("shop")
        screen.wait_for("store> shop")
        screen.wait_for("> shop-prod"[:columns])
        screen.type(CTRL_C)
        assert screen.finish() == 130


def test_a_resize_redraws(dsops: Dsops) -> None:
    """If the terminal changes its size, the list is drawn again, and a choice still works."""
    with shown(dsops, "exec", "--", "echo", "ran") as screen:
        screen.wait_for(HELP)
        screen.resize(24, 10)
        screen.type("pl")
        screen.wait_for("> plain")
        screen.resize(120, 30)
        screen.type("ain")
        screen.wait_for(HELP)
        screen.type(ENTER)
        screen.wait_for("ran")
        assert screen.finish() == 0


def test_without_utf8_every_character_is_ascii(dsops: Dsops) -> None:
    """In the C locale, a name with an emoji is shown with question marks, and can be chosen."""
    with shown(dsops, "whoami", "--pick", environ={"LANG": "C"}) as screen:
        screen.wait_for(HELP)
        assert "two words ?" in screen.shown()
        assert screen.written.isascii()
        screen.type("boxes" + ENTER)
        screen.wait_for("arn:aws:iam::111122223333:user/ada")
        assert screen.finish() == 0


def test_a_dumb_terminal_gets_a_numbered_list(dsops: Dsops) -> None:
    """With TERM=dumb, words filter a numbered list, a number chooses, and no control sequence is written."""
    with shown(dsops, "exec", "--", "sh", "-c", "echo $PLAIN-ran", environ={"TERM": "dumb"}) as screen:
        screen.wait_for("a number, or words to filter (an empty line cancels):")
        screen.type("plain\n")
        screen.wait_for("   1  plain  environment, 1 variable")
        screen.type("1\n")
        screen.wait_for("info-ran")
        assert screen.finish() == 0
        assert b"\x1b[" not in screen.written


def test_an_empty_line_cancels_a_numbered_list(dsops: Dsops) -> None:
    """On a dumb terminal, Enter alone ends with exit code 130."""
    with shown(dsops, "exec", "--", "echo", "ran", environ={"TERM": "dumb"}) as screen:
        screen.wait_for("(an empty line cancels):")
        screen.type("\n")
        assert screen.finish() == 130


def test_two_thousand_profiles(dsops: Dsops) -> None:
    """A list of 2,000 profiles takes no more lines than a short list, and typing finds a profile."""
    without_project(dsops)
    config = Path(dsops.environ["HOME"], ".aws", "config")
    roles = [
        f"[profile team-{n:04d}]\nrole_arn = arn:aws:iam::{n:012d}:role/R\nsource_profile = ada\n" for n in range(2000)
    ]
    config.write_text("".join(["[profile ada]\nregion = us-east-1\n", *roles]))
    with shown(dsops, "exec", "--", "sh", "-c", "echo key=$AWS_ACCESS_KEY_ID") as screen:
        screen.wait_for("2001/2001")
        assert len(screen.lines()) == 14
        screen.type("1999")
        screen.wait_for("1/2001")
        screen.type(ENTER)
        screen.wait_for("key=ASIAEXAMPLEEXAMPLE01")
        assert screen.finish() == 0


BROWSER = """
import http.client, sys, urllib.parse
address = urllib.parse.urlsplit(sys.argv[1])
connection = http.client.HTTPConnection(address.netloc)
connection.request("GET", f"{{address.path}}?{{address.query}}" if address.query else address.path)
open("{folder}/opened", "w").write(connection.getresponse().getheader("Location"))
"""


def test_a_key_opens_the_console_instead(dsops: Dsops, tmp_path: Path) -> None:
    """Ctrl-O on a store opens the sign-in link in the browser, without printing it, instead of running the command."""
    browser = tmp_path / "browser"
    browser.write_text(f"#!{sys.executable}\n{BROWSER.format(folder=tmp_path)}")
    browser.chmod(0o755)
    signin = Signin()
    with signin.server:
        environ = {"BROWSER": str(browser), "DSOPS_SIGNIN_ENDPOINT": signin.endpoint}
        with shown(dsops, "exec", "--", "echo", "ran", environ=environ) as screen:
            screen.wait_for(HELP)
            screen.type("shop-prod")
            screen.wait_for("1/13")
            screen.type(CTRL_O)
            assert screen.finish() == 0
            assert "ran" not in screen.shown()
            assert "SigninToken" not in screen.shown()
    assert "SigninToken=" in (tmp_path / "opened").read_text()


def test_a_key_prints_export_lines_instead(dsops: Dsops) -> None:
    """Ctrl-Y on a store prints the lines of `credentials --format env`."""
    with shown(dsops, "exec", "--", "echo", "ran") as screen:
        screen.wait_for(HELP)
        screen.type("shop-prod")
        screen.wait_for("1/13")
        screen.type(CTRL_Y)
        screen.wait_for("export AWS_ACCESS_KEY_ID='ASIAEXAMPLEEXAMPLE01'")
        assert screen.finish() == 0


def test_an_environment_has_neither_console_nor_session(dsops: Dsops) -> None:
    """Ctrl-O and Ctrl-Y do nothing on an environment."""
    with shown(dsops, "exec", "--", "echo", "ran") as screen:
        screen.wait_for(HELP)
        screen.type("plain" + CTRL_O + CTRL_Y)
        screen.wait_for("> plain ")
        screen.type(ENTER)
        screen.wait_for("ran")
        assert screen.finish() == 0


def test_pick_overrides_a_default(dsops: Dsops) -> None:
    """`--pick` and DSOPS_PICK show the list although there is a default environment."""
    file = dsops.folder / "dsops.yaml"
    file.write_text(f"{file.read_text()}default_env: plain\n")
    for words, environ in ((["--pick"], None), ([], {"DSOPS_PICK": "1"})):
        with shown(dsops, "exec", *words, "--", "sh", "-c", "echo key=$AWS_ACCESS_KEY_ID", environ=environ) as screen:
            screen.wait_for(HELP)
            screen.type("role/target")
            screen.wait_for("1/13")
            screen.type(ENTER)
            screen.wait_for("key=ASIAEXAMPLEEXAMPLE01")
            assert screen.finish() == 0


def test_pick_draws_on_the_terminal_while_stdout_is_a_pipe(dsops: Dsops) -> None:
    """`$(dsops credentials --pick --format env)` shows the list, and stdout has the answer only."""
    line = 'answer=$("$@"); echo "lines: $(echo "$answer" | grep -c "^export AWS_") of $(echo "$answer" | wc -l)"'
    command = dsops.command("credentials", "--pick", "--format", "env")
    with Screen(
        ["/bin/sh", "-c", line, "sh", *command], columns=80, environ=dsops.environ, folder=dsops.folder
    ) as screen:
        screen.wait_for("store>")
        screen.type("shop" + ENTER)
        screen.wait_for("lines: 4 of 4")
        assert screen.finish() == 0


def test_a_missing_store_is_chosen(dsops: Dsops) -> None:
    """`credentials` without STORE shows the stores that have a session, and no environments."""
    with shown(dsops, "credentials", "--format", "env") as screen:
        screen.wait_for(HELP)
        assert "production" not in screen.shown()
        screen.type("shop")
        screen.wait_for("> shop-prod")
        screen.type(ENTER)
        screen.wait_for("export AWS_SECRET_ACCESS_KEY=")
        assert screen.finish() == 0


@pytest.mark.parametrize("words", [["revoke"], ["explain", "--pick"], ["console"], ["whoami", "--pick"]])
def test_commands_about_a_store_show_the_stores(dsops: Dsops, words: list[str]) -> None:
    """Commands that need a store, or get `--pick`, list the stores and profiles that have a session."""
    with shown(dsops, *words) as screen:
        screen.wait_for(HELP)
        assert screen.lines()[0] == "store>"
        screen.wait_for("6/6")
        screen.type(CTRL_C)
        assert screen.finish() == 130


@pytest.mark.parametrize("words", [["login"], ["logout"], ["login", "--pick"]])
def test_a_login_is_chosen_among_several(dsops: Dsops, words: list[str]) -> None:
    """If there are several logins, `login` and `logout` list the stores of IAM Identity Center."""
    config = Path(dsops.environ["HOME"], ".aws", "config")
    logins = [
        f"[profile center-{n}]\nsso_start_url = https://center{n}.awsapps.com/start\nsso_region = us-east-1\n"
        f"sso_account_id = 11112222333{n}\nsso_role_name = ReadOnly\n"
        for n in (1, 2)
    ]
    config.write_text("".join([config.read_text(), *logins]))
    with shown(dsops, *words) as screen:
        screen.wait_for("2/2")
        assert screen.lines()[0] == "store>"
        assert [line.split("profile")[0].strip(" >") for line in screen.lines()[1:3]] == ["center-1", "center-2"]
        screen.type(CTRL_C)
        assert screen.finish() == 130


@pytest.mark.parametrize("command", ["plan", "render"])
def test_commands_about_an_environment_show_the_environments(dsops: Dsops, command: str) -> None:
    """Commands that need an environment list only environments, and run with the chosen one."""
    with shown(dsops, command) as screen:
        screen.wait_for("Enter: use, Esc: cancel")
        assert screen.lines()[0] == "environment>"
        assert "target" not in screen.shown()
        screen.type("plain")
        screen.wait_for("1/7")
        screen.type(ENTER)
        screen.wait_for("Esc: cancel", is_there=False)
        assert screen.finish() == 0


@pytest.mark.parametrize(
    ("words", "environ"),
    [
        (["exec", "--pick", "--", "true"], {"CI": "true"}),
        (["exec", "--", "true"], {"CI": "true"}),
        (["exec", "--pick", "--json", "--", "true"], {}),
        (["exec", "--json", "--", "true"], {}),
        (["whoami", "--pick", "--json"], {}),
    ],
)
def test_no_picker_in_ci_or_for_programs(dsops: Dsops, words: list[str], environ: dict[str, str]) -> None:
    """In CI and with `--json`, `--pick` shows the error at once, and no list, even at a terminal."""
    with shown(dsops, *words, environ=environ) as screen:
        assert screen.finish() in {2, 125}
        assert HELP not in screen.shown()
        assert "--pick" in screen.shown() or "no environment is selected" in screen.shown()


def test_no_picker_in_a_pipe(dsops: Dsops) -> None:
    """If stdout is a pipe, an error lists the choices; without dsops.yaml it lists the profiles."""
    piped = ["/bin/sh", "-c", '"$@" | cat', "sh", *dsops.command("exec", "--", "true")]
    with Screen(piped, columns=80, environ=dsops.environ, folder=dsops.folder) as screen:
        screen.wait_for("production, plain, keys")
        assert screen.finish() == 0
        assert HELP not in screen.shown()
    without_project(dsops)
    done = dsops.run("exec", "--", "true")
    assert done.returncode == 125
    assert b"name one of ada, shop-prod, two words" in done.stderr
    assert b"\x1b]0;" not in done.stderr
    done = dsops.run("credentials")
    assert (done.returncode, b"there are ada, shop-prod" in done.stderr) == (2, True)


def test_pick_and_a_name_contradict(dsops: Dsops) -> None:
    """`--pick` together with a name on the command line is an error."""
    for words in (["whoami", "--pick", "target"], ["exec", "--pick", "--env", "plain", "--", "true"]):
        done = dsops.run(*words)
        assert done.returncode in {2, 125}
        assert b"`--pick` can't be combined with a name" in done.stderr


def test_nothing_to_choose_from(dsops: Dsops) -> None:
    """In an empty home folder, `--pick` says that there are no names, and `exec` that there is no dsops.yaml."""
    without_project(dsops)
    (dsops.folder / "home" / ".aws" / "config").unlink()
    (dsops.folder / "home" / ".aws" / "credentials").unlink()
    with shown(dsops, "whoami", "--pick") as screen:
        screen.wait_for("there is nothing to choose from")
        assert screen.finish() == 2
    with shown(dsops, "exec", "--", "true") as screen:
        screen.wait_for("there is no dsops.yaml")
        assert screen.finish() == 125


def test_a_profile_to_import_is_chosen(dsops: Dsops) -> None:
    """`import aws-config --pick` asks for one profile and imports it."""
    with shown(dsops, "import", "aws-config", "--pick") as screen:
        screen.wait_for("profile>")
        screen.type("shop" + ENTER)
        screen.wait_for("role/Shop")
        assert screen.finish() == 0
        assert "Boxes" not in screen.shown()


def test_suspend_and_resume(dsops: Dsops) -> None:
    """Ctrl-Z restores the terminal and stops the process; when it continues, the list is drawn again."""
    shell = Screen(
        ["/bin/bash", "--norc", "-i"], environ={**dsops.environ, "PS1": "ready$ "}, folder=dsops.folder, columns=100
    )
    with shell as screen:
        screen.wait_for("ready$")
        (dsops.folder / "run.sh").write_text(
            "exec " + " ".join(f"'{word}'" for word in dsops.command("exec", "--", "echo", "it ran"))
        )
        screen.type("sh run.sh\n")
        screen.wait_for(HELP)
        screen.type(CTRL_Z)
        screen.wait_for("Stopped")
        screen.type("fg\n")
        screen.wait_for(HELP)
        screen.type("plain" + ENTER)
        screen.wait_for("it ran")


class SamlStub(StubAws):
    """A stub of STS that also exchanges SAML responses."""

    def _answer(self, seen: Seen) -> Answer:
        if seen.method != "GET" and parameters_of(seen).get("Action") == "AssumeRoleWithSAML":
            return assume_role_answer(action="AssumeRoleWithSAML", expiration="2099-01-01T00:00:00Z")
        return super()._answer(seen)


SAML_CONFIG = """\
secretStores:
  company: {type: aws.sts, region: us-east-1, saml_assertion_file: response.xml}
"""


@pytest.mark.parametrize("kind", [Dsops, Agent])
def test_a_role_of_a_saml_response_is_chosen(tmp_path: Path, kind: type[Dsops]) -> None:
    """If a SAML response has several roles, the user chooses one, also if the agent makes the call."""
    roles = [f"arn:aws:iam::{n}11122223333:role/Role{n}" for n in range(1, 4)]
    with SamlStub() as aws, ExitStack() as stack:
        program = kind(tmp_path, aws)
        if isinstance(program, Agent):
            stack.enter_context(program)
        (tmp_path / "dsops.yaml").write_text(SAML_CONFIG)
        (tmp_path / "response.xml").write_text(response_of(*roles))
        program.environ |= {"HOME": str(tmp_path), "TERM": "xterm-256color"}
        with shown(program, "exec", "company", "--", "sh", "-c", "echo key=$AWS_ACCESS_KEY_ID") as screen:
            screen.wait_for("role of store `company`>")
            screen.type("role2")
            screen.wait_for("1/3")
            screen.type(ENTER)
            screen.wait_for("key=ASIAEXAMPLEEXAMPLE01")
            assert screen.finish() == 0
        assert [parameters_of(seen)["RoleArn"] for seen in aws.server.seen if seen.method != "GET"] == [roles[1]]


def test_a_choice_is_open_in_a_run_with_the_agent(tmp_path: Path) -> None:
    """If `exec` has no environment, the agent leaves the request to its client, which shows the list."""
    with StubAws() as aws, Agent(tmp_path, aws) as program:
        program.environ |= {"HOME": str(tmp_path), "TERM": "xterm-256color"}
        assert program.run("exec", "--env", "production", "--", "true").returncode == 0
        with shown(program, "exec", "--", "sh", "-c", "echo $PLAIN-ran") as screen:
            screen.wait_for(HELP)
            screen.type("plain")
            screen.wait_for("> plain ")
            screen.type(ENTER)
            screen.wait_for("info-ran")
            assert screen.finish() == 0


@pytest.mark.skipif(not shutil.which("tmux"), reason="there is no tmux")
@pytest.mark.clients
def test_in_tmux(dsops: Dsops) -> None:
    """In a pane of tmux, the list is drawn, a choice works, and nothing of the list remains on the screen."""
    tmux = [str(shutil.which("tmux")), "-f", "/dev/null", "-S", str(dsops.folder / "tmux.sock")]
    command = dsops.command("exec", "--", "sh", "-c", "echo $PLAIN-ran; sleep 30")
    with Screen(
        [*tmux, "new-session", "-s", "picker", *command], environ=dsops.environ, folder=dsops.folder, columns=90
    ) as screen:
        try:
            screen.wait_for(HELP)
            screen.type("plain")
            screen.wait_for("environment or store> plain")
            screen.wait_for("1/13")
            screen.type(ENTER)
            screen.wait_for("info-ran")
            capture = [*tmux, "capture-pane", "-p", "-t", "picker"]
            pane = subprocess.run(
                capture, check=True, env=dsops.environ, capture_output=True, text=True, timeout=60
            ).stdout
            assert "info-ran" in pane
            assert HELP not in pane
        finally:
            subprocess.run([*tmux, "kill-session", "-t", "picker"], check=False, env=dsops.environ, timeout=60)


def test_a_store_for_production_is_marked(dsops: Dsops) -> None:
    """A store with `danger: true` is marked in the list, and its name is red unless NO_COLOR is set."""
    file = dsops.folder / "dsops.yaml"
    file.write_text(file.read_text().replace("  target:\n", "  target:\n    danger: true\n", 1))
    for no_color, style in (("", "bold red"), ("1", "bold")):
        with shown(dsops, "exec", "--", "echo", "ran", environ={"NO_COLOR": no_color}) as screen:
            screen.wait_for(HELP)
            screen.type("role/target")
            screen.wait_for("1/13")
            screen.wait_for("> target")
            screen.wait_for("danger: aws.sts")
            assert screen.style("> target") == style
            screen.type(ESCAPE)
            assert screen.finish() == 130

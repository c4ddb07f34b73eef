"""Scenes of a new user on a real terminal, compared with golden screens at the usual widths."""

from __future__ import annotations

import shutil
import socket
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.golden_screens import WIDTHS, GoldenScreens
from tests.groups import IN_CI
from tests.terminal import PATIENCE_SECONDS, Screen
from tests.unit.cli.stub_aws import StubAws

ENTER, ESCAPE, DOWN, CTRL_C, CTRL_U, CTRL_Z = "\r", "\x1b", "\x1b[B", "\x03", "\x15", "\x1a"
PROFILES = """\
[profile ada]
region = eu-central-1
[profile shop-production]
role_arn = arn:aws:iam::111122223333:role/ShopDeployment
source_profile = ada
[profile shop-staging]
role_arn = arn:aws:iam::444455556666:role/ShopDeployment
source_profile = ada
[profile administration]
role_arn = arn:aws:iam::111122223333:role/Administration
source_profile = ada
mfa_serial = arn:aws:iam::111122223333:mfa/ada
"""
KEYS = "[ada]\naws_access_key_id = AKIAEXAMPLEEXAMPLE02\naws_secret_access_key = hush-profile-key\n"
BASH = """\
PROMPT_COMMAND='code=$?; modes=$(stty -a | grep -ow -e "-\\?icanon" -e "-\\?echo" | tr "\\n" " ")'
PS1='[$code ${modes% }] $ '
"""
"""bash whose prompt shows the exit code and the terminal's modes."""

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="dsops does not run on Windows"),
    *IN_CI,  # real programs in real terminals: 2 s of processor time for each scene
]


class Person:
    """A user with a home folder, and `dsops` on the PATH."""

    def __init__(self, home: Path) -> None:
        self.home = home
        program = home.parent / "bin" / "dsops"
        program.parent.mkdir()
        program.write_text(f"#!{sys.executable}\nimport sys\nfrom dsops.__main__ import main\nsys.exit(main())\n")
        program.chmod(0o755)
        self.environ = {
            "PATH": f"{program.parent}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(home),
            "TERM": "xterm-256color",
            "LANG": "C.UTF-8",
            "AWS_EC2_METADATA_DISABLED": "true",
            "DSOPS_AGENT": "off",
        }

    def has_profiles(self, endpoint: str) -> None:
        """Give the user four profiles, one with a key, and switch the audit trail off."""
        for file, text in (
            (".aws/config", PROFILES),
            (".aws/credentials", KEYS),
            (".config/dsops/config.yaml", "audit: off\n"),
        ):
            (self.home / file).parent.mkdir(parents=True, exist_ok=True)
            (self.home / file).write_text(text)
        self.environ["AWS_ENDPOINT_URL"] = endpoint

    def screen(self, *command: str, columns: int, rows: int = 24, environ: Mapping[str, str] | None = None) -> Screen:
        """Run a command in the home folder, on a terminal of its own."""
        variables = {**self.environ, **(environ or {})}
        return Screen(list(command), columns=columns, rows=rows, environ=variables, folder=self.home)


@pytest.fixture
def person(tmp_path: Path) -> Person:
    """A user with an empty home folder."""
    home = tmp_path / "home"
    home.mkdir()
    return Person(home)


@pytest.fixture
def aws() -> Iterator[StubAws]:
    """A stub of STS."""
    with StubAws() as server:
        yield server


@pytest.fixture
def hanging() -> Iterator[str]:
    """The URL of a server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def enter(screen: Screen, line: str) -> None:
    """Type a line at a shell's prompt; again if the shell drops keys, as while it takes the terminal back."""
    for _ in range(3):
        screen.type(line)
        for _ in range(PATIENCE_SECONDS * 2):
            if screen.rows() and screen.rows()[-1].endswith(line):
                screen.type(ENTER)
                return
            screen.look(0.05)
        screen.type(CTRL_U)
    raise AssertionError(f"the shell does not take {line!r}:\n{screen.shown()}")


def test_first_run(person: Person) -> None:
    """With an empty home folder each command says what is missing, and names the next step."""
    lines = ("", "exec", "exec -- aws s3 ls", "exec production -- aws s3 ls", "plan", "whoami", "console")
    with GoldenScreens("first-run") as golden:
        for columns in WIDTHS:
            for number, line in enumerate(lines, 1):
                shutil.rmtree(person.home / ".local", ignore_errors=True)
                with person.screen("dsops", *line.split(), columns=columns) as screen:
                    golden.check(screen, f"{number}. dsops {line}".rstrip())
                    assert screen.finish() in {2, 3, 125}


def test_first_questions(person: Person) -> None:
    """`dsops login` and `dsops init` prompt in an empty home folder; Ctrl-C or the answer no writes nothing."""
    with GoldenScreens("first-questions") as golden:
        for columns in WIDTHS:
            with person.screen("dsops", "login", columns=columns) as screen:
                golden.check(screen, "1. dsops login")
                screen.type("my company\n")
                golden.check(screen, "2. a text that is no address")
                screen.type(CTRL_C)
                assert screen.finish() == 130
            with person.screen("dsops", "init", columns=columns) as screen:
                golden.check(screen, "3. dsops init")
                screen.type("n\n")
                golden.check(screen, "4. no")
                assert screen.finish() == 2
    assert not (person.home / "dsops.yaml").exists()
    assert not (person.home / ".aws").exists()


def test_picker(person: Person, aws: StubAws) -> None:
    """Typing filters the list, Esc and Ctrl-C leave nothing on the screen, and Enter runs the command."""
    person.has_profiles(aws.server.url)
    line = ("dsops", "exec", "--", "sh", "-c", "echo session $AWS_ACCESS_KEY_ID")
    with GoldenScreens("picker") as golden:
        for columns in (20, 40, *WIDTHS):
            for key in (ESCAPE, CTRL_C):
                with person.screen(*line, columns=columns) as screen:
                    golden.check(screen, "1. dsops exec -- COMMAND")
                    screen.type("shop")
                    golden.check(screen, "2. `shop` typed")
                    screen.type(key)
                    assert screen.finish() == 130
                    assert screen.shown() == ""
        assert aws.calls == []
        for columns in (20, 40, *WIDTHS):
            with person.screen(*line, columns=columns) as screen:
                screen.wait_for("4/4")
                screen.type("shop-stag")
                screen.wait_for("1/4")
                screen.type(ENTER)
                golden.check(screen, "3. Enter")
                assert screen.finish() == 0


def test_mfa(person: Person, aws: StubAws) -> None:
    """dsops prompts for an MFA code again if the code has letters or AWS refuses it; no code is shown."""
    person.has_profiles(aws.server.url)
    aws.wrong_codes = {"111111"}
    with GoldenScreens("mfa") as golden:
        for columns in (20, *WIDTHS):
            with person.screen("dsops", "exec", "administration", "--", "echo", "ran", columns=columns) as screen:
                golden.check(screen, "1. dsops exec administration -- echo ran")
                screen.type("one\n")
                golden.check(screen, "2. a code with letters")
                screen.type("111111\n")
                golden.check(screen, "3. a wrong code")
                screen.type("222222\n")
                golden.check(screen, "4. a right code")
                assert screen.finish() == 0


@pytest.mark.parametrize(
    ("moment", "line", "seen"),
    [
        ("wait", "dsops whoami shop-staging", "assuming"),
        ("list", "dsops exec -- true", "Esc: cancel"),
        ("question", "dsops whoami administration", "MFA code"),
    ],
)
def test_stopped(person: Person, hanging: str, moment: str, line: str, seen: str) -> None:
    """Ctrl-Z restores the shell's line and terminal modes, `fg` shows dsops' line again, and Ctrl-C exits with 130."""
    person.has_profiles(hanging)
    rc = person.home / "rc"
    rc.write_text(BASH)
    with GoldenScreens(f"stopped-{moment}") as golden:
        for columns in WIDTHS:
            with person.screen("bash", "--noprofile", "--rcfile", str(rc), "-i", columns=columns) as screen:
                screen.wait_for("[0 icanon echo] $")
                enter(screen, line)
                screen.wait_for(seen)
                screen.type(CTRL_Z)
                golden.check(screen, "1. Ctrl-Z")
                enter(screen, "fg")
                golden.check(screen, "2. fg")
                screen.type(CTRL_C)
                golden.check(screen, "3. Ctrl-C")


RC = {
    "bash": (".bashrc", "PS1='own> '\neval \"$(dsops hook prompt bash)\"\n"),
    "zsh": (".zshrc", "PROMPT='own> '\neval \"$(dsops hook prompt zsh)\"\n"),
    "fish": (
        ".config/fish/config.fish",
        "set -g fish_greeting\nfunction fish_prompt; echo -n 'own> '; end\ndsops hook prompt fish | source\n",
    ),
}


@pytest.mark.parametrize("shell", RC)
def test_subshell(person: Person, aws: StubAws, shell: str) -> None:
    """`dsops shell` opens the user's shell with a mark in the prompt; a nested `dsops shell` is refused."""
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    person.has_profiles(aws.server.url)
    file, text = RC[shell]
    (person.home / file).parent.mkdir(parents=True, exist_ok=True)
    (person.home / file).write_text(text)
    with GoldenScreens(f"shell-{shell}") as golden:
        for columns in WIDTHS if shell == "bash" else (80,):
            environ = {"SHELL": program, "ZDOTDIR": str(person.home), "DSOPS_PROMPT": "1"}
            with person.screen("dsops", "shell", "shop-staging", columns=columns, environ=environ) as screen:
                golden.check(screen, "1. dsops shell shop-staging")
                enter(screen, "dsops shell shop-production")
                golden.check(screen, "2. a shell in the shell")
                enter(screen, "exit 3")
                assert screen.finish() == 3

"""Shell completion: the candidates at the cursor, both computed and as offered by real shells."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dsops.cli.framework.complete import complete
from dsops.cli.framework.completion import SCRIPTS
from tests.fakes import make_runtime

CONFIG = """\
version: 1
secretStores:
  jump: {type: aws.sts, role_arn: "arn:aws:iam::111111111111:role/Jump"}
  secrets: {type: aws.secretsmanager, region: eu-west-1, credentials_from: jump}
envs:
  production:
    TOKEN: {from: "secrets:token"}
    TOOL: {literal: x}
  staging:
    OTHER: {literal: x}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a configuration."""
    (tmp_path / "dsops.yaml").write_text(CONFIG)
    (tmp_path / "deploy.sh").write_text("")
    return tmp_path


def offered(line: str, folder: Path, environ: dict[str, str] | None = None) -> list[str]:
    """The candidates at the end of the line."""
    runtime = make_runtime({"HOME": str(folder), **(environ or {})}, folder=str(folder))
    return [candidate.partition("\t")[0] for candidate in complete(line.split(" ")[1:], runtime)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("dsops pl", ["plan"]),
        ("dsops co", ["console", "completion"]),
        ("dsops --config dsops.yaml pl", ["plan"]),
        ("dsops sandbox s", ["serve", "saml", "save"]),
        ("dsops sandbox saml --out ", [":files"]),
        ("dsops sandbox saml --tag team=red --ta", ["--tag"]),
        ("dsops policy simulate --trust ", [":files"]),
        ("dsops policy simulate --identity a.json --ide", ["--identity"]),
        ("dsops policy simulate --boundary a.json --bou", []),
        ("dsops policy simulate --expect ex", ["explicit-deny"]),
        ("dsops plan --en", ["--env"]),
        ("dsops plan --env ", ["production", "staging"]),
        ("dsops plan --env s", ["staging"]),
        ("dsops plan --env=s", ["--env=staging"]),
        ("dsops plan --env = s", ["staging"]),
        ("dsops plan --env =", ["production", "staging"]),
        ("dsops render --format ya", ["yaml"]),
        ("dsops render --out ", [":files"]),
        ("dsops render --out=x", [":files"]),
        ("dsops whoami ", ["jump", "secrets"]),
        ("dsops whoami jump ", []),
        ("dsops revoke jump --with ", ["jump", "secrets"]),
        ("dsops export aws-config --store ju", ["jump"]),
        ("dsops set secrets ", ["token"]),
        ("dsops edit secrets t", ["token"]),
        ("dsops rm jump ", []),
        ("dsops diff secrets token ", []),
        ("dsops migrate ", [":files"]),
        ("dsops get ", ["TOKEN", "TOOL", "OTHER"]),
        ("dsops get --env production TO", ["TOKEN", "TOOL"]),
        ("dsops get --env staging ", ["OTHER"]),
        ("dsops explain --env staging O", ["OTHER"]),
        ("dsops completion z", ["zsh"]),
        ("dsops help ex", ["exec", "explain", "export"]),
        ("dsops exec ", ["production", "staging", "jump", "secrets"]),
        ("dsops shell s", ["staging", "secrets"]),
        ("dsops console jump -s ia", ["iam"]),
        ("dsops console jump --browser ", ["firefox", "chrome"]),
        ("dsops hook prompt ", ["bash", "zsh", "fish"]),
        ("dsops nonsense ", []),
    ],
)
def test_what_could_stand_at_the_cursor(line: str, expected: list[str], folder: Path) -> None:
    """Completion offers commands, flags, their values, and names from the discovered configuration."""
    assert offered(line, folder) == expected or (line.startswith("dsops nonsense") and "plan" in offered(line, folder))


def test_profiles_of_aws_files_are_stores(folder: Path) -> None:
    """Completion offers a profile of ~/.aws/config in the same places as a store of the configuration."""
    (folder / "config").write_text(
        "[profile office]\nrole_arn = arn:aws:iam::111111111111:role/A\ncredential_source = Environment\n"
    )
    assert ["office"] == offered("dsops shell of", folder, {"AWS_CONFIG_FILE": str(folder / "config")})


def test_flags_that_stand_there_already_are_not_offered_again(folder: Path) -> None:
    """Flags that are already on the command line are not offered again."""
    assert "--env" in offered("dsops exec --", folder)
    assert "--env" not in offered("dsops exec --env production --", folder)
    assert "--pristine" not in offered("dsops exec --pristine --", folder)


@pytest.mark.parametrize(
    ("line", "position"),
    [("dsops exec -- ", "3"), ("dsops exec --env staging -- git lo", "5"), ("dsops exec gi x", "2")],
)
def test_the_command_is_the_shells_to_complete(line: str, position: str, folder: Path) -> None:
    """After `exec`, completion returns the command's index (`dsops` is 0); the shell completes the command."""
    assert offered(line, folder) == [":command", position]


def test_variables_count_as_flags_do(folder: Path) -> None:
    """Completion uses the values of DSOPS_ENV and DSOPS_CONFIG like those of the flags."""
    assert offered("dsops get ", folder, {"DSOPS_ENV": "staging"}) == ["OTHER"]
    assert offered("dsops get ", folder, {"DSOPS_CONFIG": "/no/such/file"}) == []


def test_a_broken_configuration_is_no_reason_to_speak(folder: Path) -> None:
    """Completion with a broken configuration offers no name and prints no error."""
    (folder / "dsops.yaml").write_text("version: [")
    assert offered("dsops whoami ", folder) == []


def shell_environment(folder: Path) -> dict[str, str]:
    """An environment with `dsops` on the PATH and no variables of the user who runs the tests."""
    bin_folder = folder / "bin"
    bin_folder.mkdir(exist_ok=True)
    program = bin_folder / "dsops"
    program.write_text(f"#!{sys.executable}\nimport sys\nfrom dsops.cli import main\nsys.exit(main())\n")
    program.chmod(0o755)
    return {"PATH": f"{bin_folder}:/usr/bin:/bin", "HOME": str(folder), "LC_ALL": "C.UTF-8", "TERM": "dumb"}


def ask_bash(line: str, folder: Path) -> set[str]:
    """The candidates of bash (COMPREPLY) at the end of the line."""
    words = line.replace("=", " = ").split(" ")
    program = """
    eval "$(dsops completion bash)"
    COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 ))
    _dsops 2>/dev/null
    printf '%s\\n' "${COMPREPLY[@]}"
    """
    out = subprocess.run(
        ["bash", "--norc", "-c", program, "bash", *words],
        cwd=folder,
        env=shell_environment(folder),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return set(out.stdout.split())


def ask_zsh(line: str, folder: Path) -> set[str]:
    """The candidates of zsh; the test replaces `compadd`, because zsh's line editor needs a terminal."""
    program = """
    autoload -Uz compinit; compinit -u 2>/dev/null
    eval "$(dsops completion zsh)"
    _describe() { local name=$2; printf '%s\\n' "${(@P)name}" }
    _files() { ls }
    _normal() { print -r -- "words ${words[*]} at $CURRENT" }
    words=("$@"); CURRENT=$#
    _dsops
    """
    out = subprocess.run(
        ["zsh", "-f", "-c", program, "zsh", *line.split(" ")],
        cwd=folder,
        env=shell_environment(folder),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return {each.partition(":")[0] for each in out.stdout.splitlines()}


def ask_fish(line: str, folder: Path) -> set[str]:
    """The candidates that fish prints."""
    program = "dsops completion fish | source; complete -C $argv[1]"
    out = subprocess.run(
        ["fish", "--no-config", "-c", program, line],
        cwd=folder,
        env=shell_environment(folder),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return {each.partition("\t")[0] for each in out.stdout.splitlines()}


SHELLS = {"bash": ask_bash, "zsh": ask_zsh, "fish": ask_fish}


@pytest.mark.parametrize("shell", SHELLS)
def test_real_shells_offer_it(shell: str, folder: Path) -> None:
    """bash, zsh and fish offer commands, environments, stores, files, and the command after `--`."""
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    ask = SHELLS[shell]
    assert ask("dsops valid", folder) == {"validate"}
    assert ask("dsops plan --env pro", folder) == {"production"}
    assert ask("dsops whoami ", folder) == {"jump", "secrets"}
    if shell != "zsh":  # this test replaces zsh's own completion of commands
        assert "env" in ask("dsops exec --env staging -- en", folder)
    if shell == "zsh":
        assert ask("dsops exec --env staging -- git lo", folder) == {"words git lo at 2"}
    if shell == "fish":
        assert "deploy.sh" in ask("dsops plan --config de", folder)
    if shell == "bash":
        assert ask("dsops plan --env=pro", folder) == {"production"}


@pytest.mark.parametrize("shell", SHELLS)
def test_the_scripts_are_what_the_command_prints(shell: str, folder: Path) -> None:
    """Evaluating the completion script in a shell produces no output."""
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    done = subprocess.run(
        [shell, "-c", "dsops completion $0" if shell != "fish" else "dsops completion fish", shell],
        env=shell_environment(folder),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == SCRIPTS[shell].lstrip()
    subprocess.run([shell, "-n"], input=done.stdout, text=True, check=True, env=os.environ, timeout=60)


HOSTILE = r"""
secretStores:
  "one;sh<x": {type: literal, values: {}}
  two: {type: "l\u001b]0;owned\u0007\n:command\n1\u009b2J", values: {}}
envs:
  "production;sh<x": {}
  "a`id`": {}
  "a&b": {}
  "a|b": {}
  "(a)": {}
  "a'b": {}
  "a*": {}
  größe-2.0: {}
"""


def test_nothing_of_a_strangers_configuration_is_put_on_the_line_that_a_shell_would_run(tmp_path: Path) -> None:
    """Completion omits names that a shell would interpret, and escapes control characters in descriptions."""
    (tmp_path / "dsops.yaml").write_text(HOSTILE)
    assert offered("dsops exec --env ", tmp_path) == ["größe-2.0"]
    runtime = make_runtime({"HOME": str(tmp_path)}, folder=str(tmp_path))
    (line,) = complete(["whoami", ""], runtime)
    assert line.startswith("two\tl\\x1b]0;owned\\x07 :command 1\\x9b2J")
    assert line.replace("\t", "").isprintable()


def test_a_broken_keyring_list_gives_no_candidates(folder: Path) -> None:
    """With a broken list of keyring keys, completion offers no key and prints no message."""
    kept = folder / ".local" / "share" / "dsops"
    kept.mkdir(parents=True)
    (kept / "keyring.json").write_text("{")
    assert offered("dsops keys remove ", folder) == []

"""`dsops hook` in real shells: what it loads, restores and refuses, and what it does at each prompt."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dsops.errors import NotAllowed
from dsops.hook.loading import hook_code
from dsops.hook.names import require_harmless
from dsops.process.dsops_command import own_program
from dsops.render.fish import quote_bytes
from tests.stubs.aws import parameters_of
from tests.stubs.server import Answer, Seen
from tests.terminal import PATIENCE_SECONDS, Terminal
from tests.unit.cli.stub_aws import BINARY, CONFIG, QUOTED, Agent, StubAws

SHELLS = ("bash", "zsh", "fish")
START = {
    "bash": ["bash", "--norc", "--noprofile", "--noediting", "-i"],
    "zsh": ["zsh", "-f", "-i"],
    "fish": ["fish", "--no-config", "-i"],
}
LITERALS = """\
version: 1
envs:
  production:
    GREETING: {literal: hello}
    NUMBER: {literal: "1"}
  staging:
    GREETING: {literal: from staging}
default_env: production
"""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="dsops does not run on Windows")


class House:
    """A home with a project, an agent if needed, and shells with the hook."""

    def __init__(self, dsops: Agent) -> None:
        self.dsops = dsops
        self.home = dsops.folder
        self.project = self.home / "project"
        (self.project / "below").mkdir(parents=True)
        (self.home / "elsewhere").mkdir()
        (self.home / "dsops.yaml").unlink()
        (self.project / "dsops.yaml").write_text(LITERALS)
        self.runs = self.home / "runs"
        self.runs.write_text("")
        program = self.home / "bin" / "dsops"
        program.parent.mkdir()
        program.write_text(
            f"#!{sys.executable}\nimport sys\nopen({str(self.runs)!r}, 'a').write(' '.join(sys.argv[1:]) + '\\n')\n"
            "from dsops.__main__ import main\nsys.exit(main())\n"
        )
        program.chmod(0o755)
        dsops.environ |= {
            "PATH": f"{program.parent}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.home),
            "DSOPS_AGENT": "off",
            "LC_ALL": "C.UTF-8",
            "TERM": "dumb",
            "PS1": "",
        }

    def allow(self, folder: Path | None = None, **environ: str) -> str:
        """Run `dsops hook allow` in the folder; return its output."""
        done = subprocess.run(
            ["dsops", "hook", "allow"],
            cwd=folder or self.project,
            env={**self.dsops.environ, **environ},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def loads(self) -> int:
        """How often a shell has started dsops for its hook."""
        return self.runs.read_text().count("hook-load")

    def shell(self, name: str, *lines: str, **environ: str) -> list[str]:
        """The lines that the shell prints; a prompt precedes each input line. `said` then has the hook's messages.

        The hook is installed first, unless the first line does that.
        """
        if name == "fish":
            # Without a terminal fish shows no prompt, so the test emits fish's prompt event.
            lines = tuple(f"{line}\nemit fish_prompt" for line in lines)
        start = {"fish": "dsops hook fish | source"}.get(name, f'eval "$(dsops hook {name})"')
        has_hook = any("dsops hook" in line and "eval" in line for line in lines)
        script = "\n".join([*([] if has_hook else [start]), *(["emit fish_prompt"] * (name == "fish")), *lines]) + "\n"
        file = self.home / "script"
        file.write_text(script)
        command = [*START[name], "-c", f"source {file}"] if name == "fish" else START[name]
        with file.open() as commands:
            done = subprocess.run(
                command,
                cwd=self.home,
                env={**self.dsops.environ, **environ},
                stdin=commands,
                check=False,
                timeout=60,
                capture_output=True,
            )
        said = [line for line in done.stderr.decode().splitlines() if "dsops" in line]
        self.said = [line[line.index("dsops") :] for line in said]
        self.errors = done.stderr.decode()
        return done.stdout.decode("utf-8", "surrogateescape").splitlines()


class SlowAws(StubAws):
    """A stub of AWS that answers late on request."""

    delay_seconds = 0.0

    def _answer(self, seen: Seen) -> Answer:
        return super()._answer(seen)._replace(delay_seconds=self.delay_seconds)


@pytest.fixture
def aws() -> Iterator[SlowAws]:
    """Stubs of STS and Secrets Manager."""
    with SlowAws() as server:
        yield server


@pytest.fixture
def house(tmp_path: Path, aws: StubAws) -> Iterator[House]:
    """A home folder with a project."""
    with Agent(tmp_path, aws) as dsops:
        yield House(dsops)


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> str:
    """The name of each installed shell, as a parameter."""
    name: str = request.param
    if not shutil.which(name):
        pytest.skip(f"{name} is not installed")
    return name


def show(*names: str) -> str:
    """A line that prints environment variables in any of the three shells."""
    return "; ".join(f'echo "{name}=$(printenv {name} || echo unset)"' for name in names)


def put(shell: str, name: str, value: str, *, exported: bool = True) -> str:
    """A shell line that sets a variable."""
    if shell == "fish":
        return f"set -g{'x' if exported else 'u'} {name} {value}"
    return f"export {name}={value}" if exported else f"{name}={value}"


class TestLoading:
    """The hook loads variables on entering a folder and restores them on leaving it."""

    def test_a_folder_has_its_variables_and_no_other_folder(self, house: House, shell: str) -> None:
        """The variables are set in the folder and its subfolders, and unset on leaving it."""
        house.allow()
        printed = house.shell(
            shell,
            show("GREETING"),
            "cd project",
            show("GREETING"),
            "cd below",
            show("NUMBER"),
            "cd ../../elsewhere",
            show("GREETING", "NUMBER", "DSOPS_HOOK_VARS"),
        )
        assert printed == [
            "GREETING=unset",
            "GREETING=hello",
            "NUMBER=1",
            "GREETING=unset",
            "NUMBER=unset",
            "DSOPS_HOOK_VARS=unset",
        ]
        assert house.said == ["dsops: hook: environment production is loaded: GREETING, NUMBER"]
        assert house.loads() == 1

    def test_previous_values_come_back_on_leaving(self, house: House, shell: str) -> None:
        """Leaving the folder restores a variable's previous value and whether it was exported."""
        house.allow()
        printed = house.shell(
            shell,
            put(shell, "GREETING", "'it was  this'"),
            put(shell, "NUMBER", "quiet", exported=False),
            "cd project",
            show("GREETING", "NUMBER"),
            "cd ..",
            show("GREETING", "NUMBER"),
            'echo "$NUMBER"',
        )
        assert printed == ["GREETING=hello", "NUMBER=1", "GREETING=it was  this", "NUMBER=unset", "quiet"]

    def test_what_the_user_has_changed_since_stays(self, house: House, shell: str) -> None:
        """A variable that the user changed after loading keeps the user's value on leaving and on reloading."""
        house.allow()
        printed = house.shell(
            shell,
            "cd project",
            put(shell, "GREETING", "mine"),
            "touch dsops.yaml",
            show("GREETING", "NUMBER"),
            "cd ..",
            show("GREETING", "NUMBER"),
        )
        assert printed == ["GREETING=mine", "NUMBER=1", "GREETING=mine", "NUMBER=unset"]
        assert house.loads() == 2

    def test_any_bytes_arrive_and_nothing_in_them_runs(self, house: House, shell: str) -> None:
        """Values with quotes, dollars, newlines and invalid bytes arrive unchanged, and nothing in them runs."""
        (house.project / "dsops.yaml").write_text(CONFIG + "default_env: odd\n")
        house.allow()
        house.shell(shell, "cd project", "env -0 > ../seen")
        seen = dict(each.partition(b"=")[::2] for each in (house.home / "seen").read_bytes().split(b"\0"))
        assert (seen[b"EMPTY"], seen[b"BINARY"], seen[b"QUOTED"]) == (b"", BINARY, QUOTED.encode())

    def test_an_inner_file_replaces_the_outer_one(self, house: House, shell: str) -> None:
        """The file of an inner folder replaces the outer file, which is loaded again on leaving that folder."""
        inner = house.project / "below"
        (inner / "dsops.yaml").write_text("version: 1\nenvs: {only: {GREETING: {literal: inner}}}\n")
        house.allow()
        house.allow(inner)
        printed = house.shell(
            shell, "cd project", "cd below", show("GREETING", "NUMBER"), "cd ..", show("GREETING", "NUMBER")
        )
        assert printed == ["GREETING=inner", "NUMBER=unset", "GREETING=hello", "NUMBER=1"]

    def test_a_folder_may_be_called_anything(self, house: House, shell: str) -> None:
        """A folder name may contain quotes, blanks, a newline and a command."""
        odd = house.home / "it's $(touch MARK)" / 'a \n"b" `touch MARK` \\ *'
        odd.mkdir(parents=True)
        (odd / "dsops.yaml").write_text(LITERALS)
        house.allow(odd)
        printed = house.shell(
            shell,
            'cd "$ODD"',
            show("GREETING"),
            "touch dsops.yaml",
            show("NUMBER"),
            "cd ..",
            show("GREETING"),
            ODD=str(odd),
        )
        assert printed == ["GREETING=hello", "NUMBER=1", "GREETING=unset"]
        assert house.loads() == 2
        assert not list(house.home.rglob("MARK"))

    def test_a_repository_ends_the_search(self, house: House, shell: str) -> None:
        """The search for dsops.yaml stops at a repository's root, and follows a symbolic link."""
        (house.project / "below" / ".git").mkdir()
        (house.home / "link").symlink_to(house.project)
        house.allow()
        printed = house.shell(shell, "cd project/below", show("GREETING"), "cd ../../link", show("GREETING"))
        assert printed == ["GREETING=unset", "GREETING=hello"]

    def test_a_folder_that_is_removed_takes_its_variables_along(self, house: House, shell: str) -> None:
        """Removing the folder unsets its variables without a message."""
        house.allow()
        printed = house.shell(
            shell, "cd project/below", show("GREETING"), "rmdir ../below", show("GREETING"), "cd /", show("GREETING")
        )
        assert printed == ["GREETING=hello", "GREETING=unset", "GREETING=unset"]
        assert len(house.said) == 1

    def test_the_environment_can_be_chosen(self, house: House, shell: str) -> None:
        """DSOPS_HOOK_ENV selects the environment and can change at any time; DSOPS_ENV and DSOPS_CONFIG are ignored."""
        house.allow()
        (house.home / "other.yaml").write_text("version: 1\nenvs: {x: {GREETING: {literal: other}}}\n")
        printed = house.shell(
            shell,
            "cd project",
            show("GREETING"),
            put(shell, "DSOPS_HOOK_ENV", "staging"),
            show("GREETING", "NUMBER"),
            DSOPS_CONFIG=str(house.home / "other.yaml"),
            DSOPS_ENV="x",
        )
        assert printed == ["GREETING=hello", "GREETING=from staging", "NUMBER=unset"]

    def test_an_identity_is_one_value(self, house: House, shell: str) -> None:
        """Loading keys unsets AWS_PROFILE, and leaving the folder restores it."""
        (house.project / "dsops.yaml").write_text(CONFIG + "default_env: keys\n")
        house.allow()
        printed = house.shell(
            shell,
            "cd project",
            show("AWS_PROFILE", "AWS_ACCESS_KEY_ID"),
            "cd ..",
            show("AWS_PROFILE", "AWS_ACCESS_KEY_ID"),
            AWS_PROFILE="work",
        )
        assert printed == [
            "AWS_PROFILE=unset",
            "AWS_ACCESS_KEY_ID=ASIAEXAMPLEEXAMPLE01",
            "AWS_PROFILE=work",
            "AWS_ACCESS_KEY_ID=AKIAEXAMPLEEXAMPLE01",
        ]

    def test_a_session_that_ends_is_renewed(self, house: House, aws: StubAws, shell: str) -> None:
        """The first prompt after the deadline renews the session with the user's original keys."""
        (house.project / "dsops.yaml").write_text(CONFIG + "default_env: keys\n")
        house.allow()
        later = "set -g __dsops_deadline 1" if shell == "fish" else "SECONDS=4000000000"
        printed = house.shell(shell, "cd project", later, show("AWS_ACCESS_KEY_ID"))
        assert printed == ["AWS_ACCESS_KEY_ID=ASIAEXAMPLEEXAMPLE01"]
        signers = [
            each.header("Authorization").partition("Credential=")[2].partition("/")[0]
            for each in aws.server.seen
            if parameters_of(each).get("Action") == "AssumeRole"
        ]
        assert signers == ["AKIAEXAMPLEEXAMPLE01"] * 2

    def test_a_nested_shell_unloads_what_it_loaded(self, house: House, shell: str) -> None:
        """A nested shell inherits the loaded variables and unsets them when it leaves the folder."""
        inner = {"bash": "bash", "zsh": "fish", "fish": "zsh"}[shell]
        if not shutil.which(inner):
            pytest.skip(f"{inner} is not installed")
        house.allow()
        house.shell(shell, "cd project", "env > ../seen", GREETING="before")
        environ = dict(line.split("=", 1) for line in (house.home / "seen").read_text().splitlines() if "=" in line)
        assert environ["GREETING"] == "hello"
        printed = house.shell(inner, show("GREETING", "NUMBER"), **environ)
        assert printed == ["GREETING=hello", "NUMBER=1"]
        once = ["cd project", show("GREETING", "NUMBER"), "cd ..", show("GREETING", "NUMBER")]
        mine = "set -gx NUMBER mine" if inner == "fish" else "export NUMBER=mine"
        printed = house.shell(inner, *once, mine, *once, **environ)
        assert printed == [
            "GREETING=hello",
            "NUMBER=1",
            "GREETING=unset",
            "NUMBER=unset",
            "GREETING=hello",
            "NUMBER=1",
            "GREETING=unset",
            "NUMBER=mine",
        ]


class TestPermission:
    """A cloned repository loads nothing before it is allowed."""

    def test_nothing_is_loaded_that_was_not_allowed(self, house: House, shell: str) -> None:
        """A file is loaded only at the prompt after `dsops hook allow`; until then it is reported once."""
        printed = house.shell(
            shell, "cd project", show("GREETING"), "cd below", show("GREETING"), "dsops hook allow", show("GREETING")
        )
        assert [line for line in printed if line.startswith("GREETING")] == [
            "GREETING=unset",
            "GREETING=unset",
            "GREETING=hello",
        ]
        assert ["dsops hook allow" in line for line in house.said] == [True, False]
        assert house.loads() == 2

    def test_a_changed_file_must_be_allowed_again(self, house: House, shell: str) -> None:
        """If the file, an included file or a new local file changes, it is unloaded until it is allowed again."""
        (house.project / "dsops.yaml").write_text(f"include: part.yaml\n{LITERALS}")
        (house.project / "part.yaml").write_text("envs: {production: {PART: {literal: x}}}\n")
        for change in (
            "echo '#' >> dsops.yaml",
            "echo '#' >> part.yaml",
            "echo 'envs: {}' > dsops.local.yaml",
            "mv other.yaml dsops.yaml",
        ):
            (house.project / "dsops.local.yaml").unlink(missing_ok=True)
            # The file is replaced by one with an older modification time, so times can't show the change.
            (house.project / "other.yaml").write_text(LITERALS + "# other\n")
            os.utime(house.project / "other.yaml", (1, 1))
            house.allow()
            printed = house.shell(shell, "cd project", show("GREETING"), change, show("GREETING"))
            assert printed == ["GREETING=hello", "GREETING=unset"], change

    def test_a_permission_can_be_revoked(self, house: House, shell: str) -> None:
        """After `dsops hook deny` every shell unloads at its next prompt."""
        house.allow()
        printed = house.shell(shell, "cd project", "dsops hook deny", show("GREETING"))
        assert printed[-1] == "GREETING=unset"

    def test_hook_allow_and_allow_are_separate(self, house: House) -> None:
        """`dsops hook allow` and `dsops allow` are separate permissions.

        `dsops hook allow` also shows what the file can do.
        """
        environ = house.dsops.environ
        subprocess.run(["dsops", "allow"], cwd=house.project, env=environ, check=True, capture_output=True, timeout=60)
        assert house.shell("bash", "cd project", show("GREETING")) == ["GREETING=unset"]
        subprocess.run(
            ["dsops", "allow", "--revoke"], cwd=house.project, env=environ, check=True, capture_output=True, timeout=60
        )
        assert "  sets     GREETING (production, staging)\n" in house.allow()
        assert house.shell("bash", "cd project", show("GREETING")) == ["GREETING=hello"]
        refused = ["dsops", "exec", "--", "true"]
        done = subprocess.run(
            refused,
            cwd=house.project,
            env=environ,
            check=False,
            capture_output=True,
            start_new_session=True,
            timeout=60,
        )
        assert b"error[config.not-allowed]" in done.stderr

    def test_a_file_of_another_user_is_refused_by_the_hook(self, house: House) -> None:
        """The hook refuses a file that belongs to another user, as other commands do with a discovered file."""
        if os.geteuid():
            pytest.skip("only root can give files away")
        house.allow()
        os.chown(house.project / "dsops.yaml", 12345, -1)
        assert house.shell("bash", "cd project", show("GREETING")) == ["GREETING=unset"]
        assert "belongs to another user" in house.said[0]

    def test_the_hook_ignores_a_named_configuration(self, house: House) -> None:
        """The hook ignores DSOPS_CONFIG, because a configuration named by the user needs no permission."""
        house.allow()
        done = house.dsops.run("hook-load", "bash", "1", DSOPS_CONFIG=str(house.project / "dsops.yaml"))
        assert (done.returncode, done.stdout) == (2, b"")


class TestRefusals:
    """Variables that control a shell, which the hook refuses to set."""

    @pytest.mark.parametrize(
        "name",
        [
            "PATH",
            "LD_PRELOAD",
            "PROMPT_COMMAND",
            "BASH_ENV",
            "PS1",
            "IFS",
            "ENV",
            "ZDOTDIR",
            "HISTFILE",
            "USERNAME",
            "UID",
            "SECONDS",
            "HTTPS_PROXY",
            "AWS_ENDPOINT_URL",
            "GIT_SSH",
            "DSOPS_CONFIG",
            "DSOPS_HOOK_ENV",
            "BASH_FUNC_ls",
            "PWD",
            "path",
            "prompt",
            "status",
            "fish_trace",
            "https_proxy",
            "_",
        ],
    )
    def test_a_variable_that_steers_is_refused(self, name: str) -> None:
        """A variable that controls any of the shells (such as PROMPT_COMMAND) is refused by name in every shell."""
        with pytest.raises(NotAllowed, match=name):
            require_harmless(["FINE", name])

    def test_others_are_not(self) -> None:
        """Variables that control programs but not the shell, such as AWS_REGION, are accepted."""
        require_harmless(["DATABASE_URL", "AWS_ACCESS_KEY_ID", "AWS_REGION", "A1", "TOKEN_PATH", "_INNER"])

    def test_the_whole_environment_is_refused_also_when_allowed(self, house: House, shell: str) -> None:
        """One refused variable (PROMPT_COMMAND) blocks its whole environment, both in `hook allow` and in the hook."""
        (house.project / "dsops.yaml").write_text(
            "version: 1\nenvs: {p: {GREETING: {literal: x}, PROMPT_COMMAND: {literal: touch MARK}}}\n"
        )
        printed = house.shell(
            shell, "cd project", "dsops allow", "dsops hook allow", "dsops hook status", show("GREETING")
        )
        assert "GREETING=unset" in printed
        assert [
            line
            for line in printed
            if line.startswith("problem      the hook does not set `PROMPT_COMMAND` in a shell")
        ]
        assert "error[config.not-allowed]: the hook does not set `PROMPT_COMMAND` in a shell" in house.errors
        assert not list(house.home.rglob("MARK"))

    def test_a_variable_that_the_shell_has_otherwise_is_left_alone(self, house: House) -> None:
        """A variable that is read-only or an array in the shell is skipped, and the other variables are loaded."""
        house.allow()
        house.shell("bash", "readonly GREETING=fixed", "cd project", show("NUMBER"), "cd ..", show("NUMBER"))
        assert "dsops: hook: GREETING is left alone: in this shell it is not a plain variable" in house.said
        printed = house.shell(
            "bash", "GREETING=(a b)", "cd project", 'echo "${GREETING[*]} $NUMBER"', "cd ..", show("NUMBER")
        )
        assert printed == ["a b 1", "NUMBER=unset"]


class TestFailures:
    """Failures, each of which the hook reports once, in one line."""

    def test_what_is_wrong_is_told_once_and_tried_when_it_is_mended(self, house: House, shell: str) -> None:
        """A mistake in a file is reported once, not at each prompt, and the file is tried again after an edit."""
        good = house.home / "good.yaml"
        good.write_text(LITERALS)
        house.allow()
        (house.project / "dsops.yaml").write_text("version: 1\nenvs: [\n")
        printed = house.shell(
            shell,
            "cd project",
            show("GREETING"),
            "cd below",
            show("GREETING"),
            "cp ../../good.yaml ../dsops.yaml",
            show("GREETING"),
        )
        assert printed == ["GREETING=unset", "GREETING=unset", "GREETING=hello"]
        assert len(house.said) == 2
        assert "is not loaded: the file changed since you allowed it" in house.said[0]

    def test_a_denial_is_reported_in_one_line(self, house: House, aws: StubAws, shell: str) -> None:
        """A denial is reported in one line and nothing is loaded; `dsops hook allow` makes the hook try again."""
        (house.project / "dsops.yaml").write_text(CONFIG + "default_env: production\n")
        house.allow()
        aws.denies = True
        house.shell(shell, "cd project", "cd below", show("PLAIN"))
        assert len(house.said) == 1
        assert "may not assume" in house.said[0]
        aws.denies = False
        house.allow()
        assert house.shell(shell, "cd project", show("TOKEN")) == ["TOKEN=hush-token"]

    def test_a_role_that_demands_mfa_asks_at_the_prompt(self, house: House, shell: str) -> None:
        """A role with MFA shows the prompt on the terminal; without a terminal the hook prints a one-line warning."""
        mfa = "role_session_name: test\n    serial_number: arn:aws:iam::111122223333:mfa/ada"
        text = CONFIG.replace("role_session_name: test", mfa)
        assert text != CONFIG
        (house.project / "dsops.yaml").write_text(text + "default_env: production\n")
        house.allow()
        environ = [f"{name}={value}" for name, value in house.dsops.environ.items()]
        start = {"fish": "dsops hook fish | source"}.get(shell, f'eval "$(dsops hook {shell})"')
        with Terminal(["env", "-i", "-C", str(house.home), *environ, *START[shell]]) as terminal:
            terminal.type(f"{start}\rcd project\r")
            terminal.expect("mfa/ada")
            terminal.type("123456\r")
            terminal.expect("is loaded: TOKEN, PLAIN")
        assert house.shell(shell, "cd project", show("TOKEN")) == ["TOKEN=unset"]
        assert len(house.said) == 1

    def test_an_unset_variable_is_told_where_it_matters(self, house: House) -> None:
        """`dsops hook allow` accepts a file with unset `${...}` variables; loading the file reports them."""
        (house.project / "dsops.yaml").write_text(
            "version: 1\nsecretStores: {s: {type: aws.ssm, region: '${NOWHERE}'}}\nenvs: {p: {KEY: {from: 's:/a'}}}\n"
        )
        house.allow()
        printed = house.shell("bash", "cd project", "dsops hook status")
        assert "variables    KEY" in printed
        assert [line for line in printed if line.startswith("problem") and "NOWHERE" in line]
        assert "NOWHERE" in house.said[0]

    def test_a_folder_without_a_file_has_nothing_to_allow(self, house: House) -> None:
        """`dsops hook allow` without a dsops.yaml is an error, even if DSOPS_CONFIG names a file."""
        done = subprocess.run(
            ["dsops", "hook", "allow"],
            cwd=house.home,
            env={**house.dsops.environ, "DSOPS_CONFIG": str(house.home / "project" / "dsops.yaml")},
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (house.home / "project" / "dsops.yaml").exists()
        assert done.returncode == 2
        assert "hint: `dsops init` writes one; the hook takes no other name, and no DSOPS_CONFIG" in done.stderr

    def test_an_environment_that_is_not_there_is_told(self, house: House) -> None:
        """An unknown DSOPS_HOOK_ENV is reported with a suggestion."""
        house.allow()
        assert house.shell("bash", "cd project", show("GREETING"), DSOPS_HOOK_ENV="stagin") == ["GREETING=unset"]
        assert "did you mean `staging`?" in house.said[0]

    def test_ctrl_c_gives_the_prompt_back(self, house: House, aws: SlowAws, shell: str) -> None:
        """Ctrl-C during loading returns to the prompt, and loading is not retried."""
        (house.project / "dsops.yaml").write_text(CONFIG + "default_env: production\n")
        house.allow()
        aws.delay_seconds = 20.0
        environ = [f"{name}={value}" for name, value in house.dsops.environ.items()]
        start = {"fish": "dsops hook fish | source"}.get(shell, f'eval "$(dsops hook {shell})"')
        with Terminal(["env", "-i", "-C", str(house.home), *environ, *START[shell]]) as terminal:
            terminal.type(f"{start}\rcd project\r")
            end = time.monotonic() + PATIENCE_SECONDS
            while not aws.server.seen:
                assert time.monotonic() < end
                time.sleep(0.01)
            terminal.type("\x03")
            terminal.expect("interrupted")
            terminal.type("\r\recho en''d \"$TOKEN.\"\r")
            terminal.expect("end .")
            assert house.loads() == 1

    def test_no_private_folder_is_an_error(self, house: House) -> None:
        """Without a private folder for mark files nothing is loaded: a revoked permission would go unnoticed."""
        house.allow()
        (Path(house.dsops.sockets) / "dsops").write_text("in the way")
        assert house.shell("bash", "cd project", show("GREETING")) == ["GREETING=unset"]
        assert "can't store its state" in house.said[0]


class TestPrompts:
    """What the hook does at each prompt of the user's shell."""

    def test_nothing_is_started_when_nothing_has_changed(self, house: House, shell: str) -> None:
        """If nothing has changed, a prompt starts no process."""
        house.allow()
        house.shell(shell, "true", "cd elsewhere", "true", "cd ../project", "true", "cd below", "true", "true")
        assert house.loads() == 1

    def test_the_exit_code_stays(self, house: House, shell: str) -> None:
        """The hook keeps the last exit code for the next line and for other prompt commands."""
        house.allow()
        start = {"fish": "dsops hook fish | source"}.get(shell, f'eval "$(dsops hook {shell})"')
        code = "$status" if shell == "fish" else "$?"
        environ = [f"{name}={value}" for name, value in house.dsops.environ.items()]
        with Terminal(["env", "-i", "-C", str(house.home), *environ, *START[shell]]) as terminal:
            terminal.type(f"{start}\r")
            terminal.type("cd project; sh -c 'exit 7'\r")
            terminal.expect("is loaded: GREETING, NUMBER")
            terminal.type(f"echo co''de {code}; sh -c 'exit 3'\r")
            terminal.expect("code 7")
            terminal.type(f"echo co''de {code}\r")
            terminal.expect("code 3")

    @pytest.mark.parametrize("shell", ["bash", "zsh"], indirect=True)
    def test_strict_shells_work(self, house: House, shell: str) -> None:
        """The hook works with `set -u`, `set -e`, `set -f` and an unusual IFS, and a trace shows no value."""
        house.allow()
        printed = house.shell(
            shell,
            "set -euf; IFS=:,",
            "cd project",
            show("GREETING", "NUMBER"),
            "set -x",
            "cd ..",
            "cd project",
            "set +x",
            show("GREETING"),
            "cd ..",
            show("GREETING"),
            "echo end",
        )
        assert printed == ["GREETING=hello", "NUMBER=1", "GREETING=hello", "GREETING=unset", "end"]
        assert "hello" not in house.errors

    @pytest.mark.clients
    def test_a_trace_of_fish_shows_no_value(self, house: House) -> None:
        """A trace in fish (fish_trace) shows no value."""
        if not shutil.which("fish"):
            pytest.skip("fish is not installed")
        house.allow()
        house.shell("fish", "set -g fish_trace 1", "cd project")
        assert "hello" not in house.errors

    def test_other_commands_of_the_prompt_are_kept(self, house: House) -> None:
        """The hook is added to PROMPT_COMMAND once and keeps the other commands in it."""
        house.allow()
        evaluate = 'eval "$(dsops hook bash)"'
        for value in ("'echo mine $?'", "'echo mine $?;'", "('echo mine $?')"):
            printed = house.shell(
                "bash",
                f"PROMPT_COMMAND={value}",
                evaluate,
                evaluate,
                "cd project; false",
                "unset PROMPT_COMMAND",
                show("GREETING"),
            )
            assert printed.count("mine 1") == 1
            assert printed[-1] == "GREETING=hello"
            assert house.loads() == 1
            house.runs.write_text("")

    @pytest.mark.clients
    def test_other_hooks_of_zsh_are_kept(self, house: House) -> None:
        """The hook keeps other functions in precmd_functions, even with KSH_ARRAYS."""
        if not shutil.which("zsh"):
            pytest.skip("zsh is not installed")
        house.allow()
        printed = house.shell(
            "zsh",
            "setopt ksh_arrays sh_word_split glob_subst; other() { echo other; }; precmd_functions+=(other)",
            "mine() { echo mine $?; }; precmd_functions+=(mine)",
            'eval "$(dsops hook zsh)"',
            "cd project; false",
            "precmd_functions=()",
            show("GREETING"),
        )
        assert printed.count("mine 1") == 1
        assert printed.count("other") >= 3
        assert printed[-1] == "GREETING=hello"
        assert house.loads() == 1

    def test_it_can_be_switched_off(self, house: House, shell: str) -> None:
        """DSOPS_HOOK=off unloads the variables in a running shell."""
        house.allow()
        off = put(shell, "DSOPS_HOOK", "off", exported=False)
        assert house.shell(shell, "cd project", off, show("GREETING")) == ["GREETING=unset"]
        assert house.shell(shell, "cd project", show("GREETING"), DSOPS_HOOK="off") == ["GREETING=unset"]

    @pytest.mark.parametrize("shell", SHELLS, indirect=True)
    def test_a_script_is_left_alone(self, house: House, shell: str) -> None:
        """The hook does nothing in scripts, because only interactive shells have prompts."""
        house.allow()
        start = {"fish": "dsops hook fish | source"}.get(shell, f'eval "$(dsops hook {shell})"')
        options = {"bash": ["--norc"], "zsh": ["-f"], "fish": ["--no-config"]}[shell]
        after = "emit fish_prompt" if shell == "fish" else "echo ${PROMPT_COMMAND-none}${precmd_functions-none}"
        done = subprocess.run(
            [shell, *options, "-c", f"{start}\ncd project\n{after}\n{show('GREETING')}"],
            cwd=house.home,
            env=house.dsops.environ,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        assert done.stdout.splitlines()[-1] == "GREETING=unset"
        assert "__dsops" not in done.stdout
        assert house.loads() == 0

    def test_the_history_has_no_hook_commands(self, house: House) -> None:
        """The shell's history contains no command of the hook."""
        house.allow()
        printed = house.shell("bash", "set -o history", "cd project", "history")
        assert not [line for line in printed if "__dsops" in line or "hello" in line]

    @pytest.mark.parametrize("shell", SHELLS, indirect=True)
    def test_it_works_at_a_terminal(self, house: House, shell: str) -> None:
        """The hook works at a terminal with the shell's own prompts."""
        house.allow()
        start = {"fish": "dsops hook fish | source"}.get(shell, f'eval "$(dsops hook {shell})"')
        environ = [f"{name}={value}" for name, value in house.dsops.environ.items()]
        with Terminal(["env", "-i", "-C", str(house.home), *environ, *START[shell]]) as terminal:
            terminal.type(f"{start}\r")
            terminal.type("cd project\r")
            terminal.expect("is loaded: GREETING, NUMBER")
            terminal.type(f"{show('GREETING')}; echo en''d\r")
            assert "GREETING=hello" in terminal.expect("end")

    def test_shells_share_the_agents_session(self, house: House, aws: StubAws) -> None:
        """Two shells share one session of the agent."""
        (house.project / "dsops.yaml").write_text(CONFIG + "default_env: production\n")
        house.allow()
        for _ in range(2):
            assert house.shell("bash", "cd project", show("TOKEN"), DSOPS_AGENT="") == ["TOKEN=hush-token"]
        assert aws.calls.count("AssumeRole") == 1

    def test_marks_of_shells_that_are_gone_are_removed(self, house: House) -> None:
        """Mark files of ended shells are removed, so that they do not accumulate."""
        house.allow()
        for _ in range(3):
            house.shell("bash", "cd project")
        left = [each.name for each in (Path(house.dsops.sockets) / "dsops").iterdir() if each.name.startswith("hook-")]
        assert len(left) == 1


class TestTelling:
    """`dsops hook status` and the other subcommands."""

    def test_status_shows_what_would_be_and_is_loaded(self, house: House) -> None:
        """`dsops hook status` shows what would be loaded in this folder and what is loaded, as text and as JSON."""
        house.allow()
        printed = house.shell("bash", "cd project", "dsops hook status", "dsops hook status --json")
        assert printed[:5] == [
            "file         dsops.yaml",
            "allowed      yes, with its current content",
            "environment  production",
            "variables    GREETING, NUMBER",
            "this shell   GREETING, NUMBER loaded",
        ]
        assert json.loads("\n".join(printed[5:])) == {
            "file": "dsops.yaml",
            "is_allowed": True,
            "environment": "production",
            "variables": ["GREETING", "NUMBER"],
            "problem": None,
            "loaded": ["GREETING", "NUMBER"],
        }
        printed = house.shell("bash", "cd elsewhere", "dsops hook status")
        assert printed == ["file         none here", "this shell   no environment loaded"]

    def test_the_hook_starts_the_dsops_that_printed_it(self, tmp_path: Path) -> None:
        """The hook starts the same dsops that printed it, by a quoted absolute path, whatever PATH a project sets."""
        program = tmp_path / "it's" / "dsops"
        program.parent.mkdir()
        program.touch(0o755)
        assert own_program(str(program), "/usr/bin/python3") == [str(program)]
        assert own_program("-c", "/usr/bin/python3") == ["/usr/bin/python3", "-P", "-m", "dsops"]
        assert f" '{tmp_path}/it'\\''s/dsops' hook-load".encode() in hook_code("bash", [str(program)])

    def test_fish_reads_any_bytes(self) -> None:
        """For fish, bytes that are not UTF-8 are written as numeric escapes."""
        assert quote_bytes(b"") == b"''"
        assert quote_bytes(b"a'\xff\xfeb") == b"'a'\\'''\\Xff\\Xfe'b'"

"""A discovered configuration has no effect before the user has allowed it, whichever command finds it."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import dsops as library
from dsops.cli.framework.parser import parse
from dsops.cli.framework.permission import ask_permission
from dsops.cli.hook import load as hook_load
from dsops.config import files as config_files
from dsops.config import load
from dsops.config.allow import disallow, permission_folder
from dsops.config.capabilities import powers_of
from dsops.errors import ConfigError, ConfigUnreadable, NotAllowed
from dsops.plan import Plan
from dsops.resolve import Resolver
from dsops.stores import StoreTypes
from tests.fakes import make_runtime
from tests.groups import nightly_rest
from tests.permission import allow_found
from tests.terminal import Terminal
from tests.unit.cli.stub_aws import Agent, Dsops, StubAws

if TYPE_CHECKING:
    from collections.abc import Iterator

ROLE = "arn:aws:iam::111122223333:role/Target"

HANDING_OUT = {
    "exec": "exec --env production -- printenv TOKEN",
    "exec with a literal": "exec --env plain -- printenv PLAIN",
    "exec with a session": "exec --credentials target -- true",
    "exec that serves": "exec --credentials target --serve -- true",
    "exec that masks": "exec --env production --mask -- true",
    "get": "get --env production TOKEN",
    "get of a literal": "get --env plain PLAIN",
    "render": "render --env production",
    "render to a file": "render --env plain --out out.env",
    "credentials": "credentials target",
    "credentials of a profile": "--config dsops.yaml credentials target --for-profile target",
    "console": "console target",
    "login": "login target",
    "logout": "logout target",
    "whoami": "whoami target",
    "doctor": "doctor --env production",
    "explain": "explain --env production",
    "explain with policies": "explain --env production --policies seed.json",
    "explain a message": "explain target --message message.txt",
    "revoke": "revoke target",
    "revoke with a store": f"revoke {ROLE} --apply --yes --before 2020-01-01T00:00:00Z --with target",
    "export": "export aws-config",
    "export a named file": "--config dsops.yaml export aws-config",
    "graph --check": "graph --check",
    "plan --sandbox": "plan --env production --check --sandbox http://127.0.0.1:9",
    "audit sql": "audit sql summary --run --begin 2026-11-01 --store target",
}
"""Every command line that makes calls with a configuration, or outputs something from it."""

COMPUTING = {
    "validate": "validate",
    "validate an environment": "validate --env production",
    "plan": "plan --env production",
    "graph": "graph",
    "policy generate": "policy generate --env production",
    "schema": "schema",
    "stores": "stores",
    "completion": "complete -- get --env production T",
}

VARIABLES = ("DSOPS_CONFIG", "DSOPS_HOOK_VARS", "DSOPS_HOOK_WAS_PATH", "dsops_config")
LINES = ("validate", "plan --env dev", "exec --env dev -- true", "get X", "render", "allow")


@pytest.fixture
def aws() -> Iterator[StubAws]:
    """Stubs of STS and Secrets Manager that count their calls."""
    with StubAws() as server:
        yield server


@pytest.fixture
def dsops(tmp_path: Path, aws: StubAws) -> Dsops:
    """A dsops run beside a configuration that is not allowed."""
    (tmp_path / "message.txt").write_text(f"User: x is not authorized to perform: sts:AssumeRole on resource: {ROLE}\n")
    (tmp_path / "seed.json").write_text("{}")
    return Dsops(tmp_path, aws)


PROGRAM = [sys.executable, "-c", "import sys; from dsops.__main__ import main; sys.exit(main())"]


def run(dsops: Dsops, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run dsops once without a terminal and without allowing the file (`Dsops.run` allows it first)."""
    return subprocess.run(
        [*PROGRAM, *words],
        cwd=dsops.folder,
        env={**dsops.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        timeout=60,
    )


@pytest.mark.parametrize("line", HANDING_OUT.values(), ids=HANDING_OUT)
def test_no_command_carries_it_out(dsops: Dsops, aws: StubAws, line: str) -> None:
    """Without permission no command calls AWS, writes a file or prints; the error names `dsops allow`."""
    done = run(dsops, *line.split())
    assert "[config.not-allowed]: you have not allowed the current content of dsops.yaml" in done.stderr + done.stdout
    assert "`dsops allow" in done.stderr + done.stdout
    assert done.returncode != 0
    assert not {"AssumeRole", "GetSecretValue", "PutRolePolicy"} & set(aws.calls)
    assert not (dsops.folder / "out.env").exists()
    assert "hush-token" not in done.stdout


@pytest.mark.parametrize("line", COMPUTING.values(), ids=COMPUTING)
def test_what_only_computes_asks_nothing(dsops: Dsops, aws: StubAws, line: str) -> None:
    """Commands that only compute, such as `plan`, need no permission for a discovered file and make no AWS call."""
    done = run(dsops, *line.split())
    assert (0, []) == (done.returncode, aws.calls), done.stderr
    assert "config.not-allowed" not in done.stderr


def test_once_it_is_allowed_it_works(dsops: Dsops) -> None:
    """A discovered configuration works after `dsops allow`, until `dsops allow --revoke`."""
    stdout = run(dsops, "allow").stdout
    assert f"assumes  {ROLE} (target)" in stdout
    assert "hush-token\n" == run(dsops, *HANDING_OUT["exec"].split()).stdout
    assert 0 == run(dsops, "allow", "--revoke").returncode
    assert 125 == run(dsops, *HANDING_OUT["exec"].split()).returncode


def test_a_pipeline_owns_its_checkout(dsops: Dsops) -> None:
    """With `CI=true` a checkout's configuration needs no permission.

    With CI=false, or with DSOPS_TRUST=ask, it needs permission.
    """
    line = HANDING_OUT["get of a literal"].split()
    for environ, expected in (({"CI": "true"}, 0), ({"CI": "true", "DSOPS_TRUST": "ask"}, 2), ({"CI": "false"}, 2)):
        assert expected == run(dsops, *line, **environ).returncode


@pytest.mark.parametrize("case", nightly_rest(5, product(VARIABLES, LINES), ": ".join))
def test_an_environment_never_sets_a_variable_of_dsops(dsops: Dsops, case: tuple[str, str]) -> None:
    """An environment cannot set DSOPS_* variables, even if allowed: DSOPS_CONFIG would redirect nested runs."""
    name, line = case
    (dsops.folder / "dsops.yaml").write_text(
        "version: 1\nsecretStores: {lit: {type: literal, values: {a: b}}}\ndefault_env: dev\n"
        f"envs: {{dev: {{X: {{literal: x}}, {name}: {{literal: ./tools/x.yaml}}}}}}\n"
    )
    for environ in ({}, {"CI": "true"}, {"DSOPS_CONFIG": "dsops.yaml"}):
        done = run(dsops, *line.split(), **environ)
        assert done.returncode in {2, 6, 125}
        assert f"`{name}` can't be set by an environment" in done.stdout + done.stderr


def test_a_nested_dsops_asks_for_the_file_that_it_finds(dsops: Dsops) -> None:
    """dsops inside `dsops exec` needs permission for the file that it finds, even if the outer file is allowed."""
    inner = dsops.folder / "inner"
    inner.mkdir()
    (inner / "dsops.yaml").write_text("version: 1\nenvs: {dev: {X: {literal: inner}}}\n")
    run(dsops, "allow")
    nested = "cd inner && " + " ".join(f"'{word}'" for word in (*PROGRAM, "get", "X"))
    done = run(dsops, "exec", "--env", "plain", "--", "sh", "-c", nested)
    assert (2, "") == (done.returncode, done.stdout)
    assert "error[config.not-allowed]" in done.stderr


def test_the_library_asks_as_well(dsops: Dsops, monkeypatch: pytest.MonkeyPatch) -> None:
    """`dsops.open()` requires permission for a discovered file, but not for a path that the program passes."""
    monkeypatch.chdir(dsops.folder)
    with pytest.raises(NotAllowed) as raised:
        library.open(environ=dsops.environ)
    assert 'dsops.open("dsops.yaml")' in raised.value.hint
    assert "info" == library.open("dsops.yaml", dsops.environ).secrets("plain")["PLAIN"].reveal()


def test_a_plan_of_it_can_not_be_carried_out_whichever_command_made_it(dsops: Dsops) -> None:
    """The resolver refuses a plan of a configuration that is not allowed, whichever command made the plan."""
    config = load(folder=str(dsops.folder), environ={})
    assert not config.is_allowed
    plan = Plan("plain", (), {}, {}, 0, (), unallowed=config.files[0].shown)
    runtime = make_runtime({})
    from dsops.aws.http.call import make_client
    from dsops.cache import CredentialCache

    with pytest.raises(NotAllowed):
        Resolver(plan, runtime, make_client(runtime), CredentialCache(runtime.now))


class TestThroughTheAgent:
    """The agent reads the file itself, and checks the permission of the content that it has read."""

    @pytest.fixture
    def agent(self, tmp_path: Path, aws: StubAws) -> Iterator[Agent]:
        """A running agent."""
        with Agent(tmp_path, aws) as program:
            program.run("exec", "--env", "plain", "--", "true")
            run(program, "allow", "--revoke")
            yield program

    @pytest.mark.parametrize(
        "line", ["exec --env plain -- printenv PLAIN", "get --env plain PLAIN", "credentials target"]
    )
    def test_it_answers_nothing_before(self, agent: Agent, aws: StubAws, line: str) -> None:
        """The agent refuses `exec` and `get` before the file is allowed, and runs them afterwards."""
        done = run(agent, *line.split())
        assert "error[config.not-allowed]" in done.stderr
        assert ("", []) == (done.stdout, aws.calls)
        run(agent, "allow")
        assert 0 == run(agent, *line.split()).returncode

    def test_a_file_that_is_swapped_behind_the_clients_back_is_judged_again(self, agent: Agent) -> None:
        """A file replaced between client and agent has no effect: the agent uses the content the client allowed."""
        run(agent, "allow")
        program = (
            "import sys\n"
            "from dsops.cli.framework import project\n"
            "fetch = project.fetch\n"
            "def late(plan, arguments, runtime, variable=''):\n"
            "    text = open('dsops.yaml').read()\n"
            "    open('dsops.yaml', 'w').write(text.replace('literal: info', 'literal: evil'))\n"
            "    return fetch(plan, arguments, runtime, variable)\n"
            "project.fetch = late\n"
            "from dsops.cli import main\n"
            "sys.exit(main())\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", program, "render", "--env", "plain"],
            cwd=agent.folder,
            env=agent.environ,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            timeout=60,
        )
        assert 'PLAIN="info"' in done.stdout.replace("'", '"').replace("PLAIN=info", 'PLAIN="info"')
        assert "evil" not in done.stdout


class TestTheQuestion:
    """The question on the terminal: only the answer yes allows the file."""

    def asked(self, folder: Path, *, answer: bool | None) -> tuple[str, bool]:
        """Ask the question; return its text, and whether the configuration is allowed after the answer."""
        questions: list[str] = []

        def confirm(question: str) -> bool | None:
            questions.append(question)
            return answer

        environ = {"HOME": str(folder)}
        config = load(folder=str(folder), environ=environ, types=StoreTypes())
        runtime = make_runtime(environ, folder=str(folder))._replace(confirm=confirm)
        try:
            allowed = ask_permission(config, runtime).is_allowed
        except NotAllowed:
            allowed = False
        return questions[0], allowed

    @pytest.mark.parametrize(("answer", "expected"), [(True, True), (False, False), (None, False)])
    def test_only_yes_allows(self, tmp_path: Path, *, answer: bool | None, expected: bool) -> None:
        """Only the answer `yes` allows the file, and the permission is remembered."""
        (tmp_path / "dsops.yaml").write_text("version: 1\nenvs: {dev: {A: {literal: x}}}\n")
        question, allowed = self.asked(tmp_path, answer=answer)
        assert "sets     A (dev)" in question
        assert expected is allowed
        assert expected is load(folder=str(tmp_path), environ={"HOME": str(tmp_path)}).is_allowed

    def test_it_is_asked_on_the_terminal_and_never_on_stdout(self, dsops: Dsops) -> None:
        """The permission prompt goes to the terminal, not stdout; `no` is an error, and the next run prompts again."""
        (dsops.folder / "ask").write_text(
            "cd "
            + str(dsops.folder)
            + "\n"
            + "".join(f"export {name}='{value}'\n" for name, value in dsops.environ.items())
            + " ".join(f"'{word}'" for word in (*PROGRAM, "get", "--env", "plain", "PLAIN"))
            + " > out\n"
        )
        for typed, expected, code in (("\n", "", 2), ("y\n", "info", 0)):
            with Terminal(["sh", str(dsops.folder / "ask")]) as terminal:
                screen = terminal.expect("? [y/N] ")
                terminal.type(typed)
                assert code == terminal.code()
            assert f"assumes  {ROLE} (target)\r\n" in screen
            assert expected == (dsops.folder / "out").read_text()

    def test_what_leaves_in_a_request_is_shown(self, tmp_path: Path) -> None:
        """The permission prompt shows what AWS requests contain: a session name could send a token elsewhere."""
        (tmp_path / "dsops.yaml").write_text(
            "version: 1\nsecretStores:\n  evil:\n    type: aws.sts\n"
            "    role_arn: arn:aws:iam::999999999999:role/Evil\n    role_session_name: ${GITHUB_TOKEN}\n"
            "    tags: {who: '${USER}', more: '${SECRET_OF_MINE:-x}'}\n    mfa_process: [./tool, --now]\n"
            "    serial_number: arn:aws:iam::1:mfa/a\n    endpoint_url: https://evil.example\n    profile: admin\n"
            "envs:\n  dev:\n    A: {from: {store: evil, key: access_key_id}}\n    B: {literal: '${GITHUB_TOKEN}'}\n"
            "    LD_PRELOAD: {literal: ./x.so}\n    AWS_SECRET_ACCESS_KEY: {literal: hush}\n"
        )
        question, _ = self.asked(tmp_path, answer=None)
        for line in (
            "assumes  arn:aws:iam::999999999999:role/Evil (evil)",
            "uses     your AWS profile admin (evil)",
            "sends    your $GITHUB_TOKEN in role_session_name (evil)",
            "sends    your $USER in tags (evil)",
            "sends    your $SECRET_OF_MINE in tags (evil)",
            "calls    https://evil.example (evil)",
            "runs     ./tool --now (evil)",
            "sets     B with your $GITHUB_TOKEN (dev)",
            "steers   the dynamic loader (LD_*) by LD_PRELOAD=./x.so (dev)",
            "steers   AWS (AWS_*) by AWS_SECRET_ACCESS_KEY (dev)",
        ):
            assert f"  {line}\n" in question
        assert "hush" not in question

    def test_what_has_changed_is_shown(self, tmp_path: Path) -> None:
        """Right before the permission prompt, changes since the last permission are shown as a diff."""
        (tmp_path / "dsops.yaml").write_text("version: 1\nenvs: {dev: {A: {literal: x}, B: {literal: x}}}\n")
        self.asked(tmp_path, answer=True)
        (tmp_path / "dsops.yaml").write_text(
            "version: 1\nenvs: {dev: {A: {literal: x}, PIP_INDEX_URL: {literal: x}}}\n"
        )
        question, _ = self.asked(tmp_path, answer=None)
        expected = (
            "Since you allowed it, this has changed:\n"
            "  - sets     B (dev)\n"
            "  + steers   pip (PIP_*) by PIP_INDEX_URL=x (dev)\n"
        )
        assert expected in question

    def test_a_text_of_the_file_is_no_line_of_the_question(self, tmp_path: Path) -> None:
        """Newlines and control characters in the file's texts cannot add or hide lines of the permission prompt."""
        folder = tmp_path / "repo\nAllow nothing?"
        folder.mkdir()
        (folder / ".git").mkdir()
        (folder / "dsops.yaml").write_text(
            "version: 1\nsecretStores:\n  evil:\n    type: aws.sts\n    role_arn: arn:aws:iam::1:role/R\n"
            '    serial_number: arn:aws:iam::1:mfa/a\n    mfa_process: [sh, -c, "evil\\n\\n\\nAllow it?"]\n'
            'envs: {dev: {PAGER: {literal: "less\\n  sets     A (dev)"}}}\n'
        )
        question, _ = self.asked(folder, answer=True)
        lines = question.split("\n")
        assert "  runs     sh -c 'evil   Allow it?' (evil)" in lines
        assert 1 == sum(line.startswith("Allow ") for line in lines)
        assert "  sets     A (dev)" not in lines
        assert "" not in lines
        question, _ = self.asked(folder, answer=True)
        assert question.split("\n")[-2] == "It could do the same when you allowed it."

    @pytest.mark.parametrize(
        ("source", "expected"),
        [
            ("{from: {store: none, key: X}, optional: true, default: ./a.so}", " from none: X or =./a.so"),
            ("{from: {store: lit, key: good}}", "=./good.so or =./hidden.so"),
            ("{from: {store: lit, key: late}}", "=./late.so or =./hidden.so"),
            ("{from: {store: lit, key: '${NOT:-good}'}}", "=./good.so or =./late.so or =./hidden.so"),
            ("{literal: Li9hLnNv, transform: base64_decode}", "=Li9hLnNv through base64_decode"),
            ("{literal: ./b.so, transform: 'replace:b:a'}", "=./b.so through replace:b:a"),
        ],
    )
    def test_all_that_a_steering_variable_can_get_from_the_file_is_shown(
        self, tmp_path: Path, source: str, expected: str
    ) -> None:
        """The permission prompt shows each value that the file can give a steering variable, even transformed."""
        (tmp_path / "dsops.yaml").write_text(
            "version: 1\nsecretStores:\n  none: {type: env}\n"
            "  lit: {type: literal, values: {good: ./good.so, late: ./late.so, '${NOT:-late}': ./hidden.so}}\n"
            f"envs: {{dev: {{LD_PRELOAD: {source}}}}}\n"
        )
        question, _ = self.asked(tmp_path, answer=None)
        assert f"by LD_PRELOAD{expected} (dev)\n" in question

    def test_a_default_with_a_variable_of_the_users_says_so(self, tmp_path: Path) -> None:
        """The permission prompt says if a default reads one of the user's variables."""
        (tmp_path / "dsops.yaml").write_text(
            "version: 1\nsecretStores: {none: {type: env}}\n"
            "envs: {dev: {A: {from: {store: none, key: X}, default: '${GITHUB_TOKEN}'}}}\n"
        )
        question, _ = self.asked(tmp_path, answer=None)
        assert "  sets     A from none: X or with your $GITHUB_TOKEN (dev)\n" in question

    def test_the_field_and_the_audience_are_shown(self, tmp_path: Path) -> None:
        """The permission prompt shows a secret's field and version and a token's audience, which change the access."""
        (tmp_path / "dsops.yaml").write_text(
            "version: 1\nsecretStores:\n  web:\n    type: aws.sts\n    role_arn: arn:aws:iam::111122223333:role/R\n"
            "    web_identity: github\n    web_identity_audience: vault.corp\n"
            "  sec: {type: aws.secretsmanager, region: us-east-1}\n"
            "envs: {dev: {A: {from: {store: sec, key: k, field: f, version: v1}}}}\n"
        )
        question, _ = self.asked(tmp_path, answer=None)
        assert "  uses     an identity token for the audience vault.corp (web)\n" in question
        assert "  sets     A from sec: k, f, v1 (dev)\n" in question

    def test_the_files_that_it_is_made_of_are_shown(self, tmp_path: Path) -> None:
        """The permission prompt shows the files that the configuration includes, and marks new ones in its diff."""
        other = tmp_path / "other.yaml"
        other.write_text("version: 1\nsecretStores: {prod: {type: env}}\n")
        (tmp_path / "repo").mkdir()
        (tmp_path / "repo" / ".git").mkdir()
        path = tmp_path / "repo" / "dsops.yaml"
        path.write_text("version: 1\n")
        self.asked(path.parent, answer=True)
        path.write_text("version: 1\ninclude: ../other.yaml\n")
        question, _ = self.asked(path.parent, answer=None)
        assert f"  + reads    {other}, a part of it\n" in question

    def test_a_long_list_is_counted_next_to_the_question(self, tmp_path: Path) -> None:
        """The permission prompt sums up a long list by kind in its last line."""
        variables = ", ".join(f"GIT_{number}: {{literal: x}}" for number in range(200))
        (tmp_path / "dsops.yaml").write_text(
            "version: 1\nsecretStores:\n  evil:\n    type: aws.sts\n    role_arn: arn:aws:iam::1:role/R\n"
            "    serial_number: arn:aws:iam::1:mfa/a\n    mfa_process: [evil]\n"
            f"envs: {{dev: {{{variables}}}}}\n"
        )
        question, _ = self.asked(tmp_path, answer=None)
        expected = "Above are 203 lines: assumes (1), uses (1), runs (1), steers (200)."
        assert expected == question.split("\n")[-2]

    def test_control_characters_of_the_file_do_not_reach_the_terminal(self, tmp_path: Path) -> None:
        """Control characters of the file do not reach the terminal, where they could overwrite the prompt."""
        (tmp_path / "dsops.yaml").write_text('version: 1\nenvs: {dev: {PATH: {literal: "\\e[2K\\rfine\\nsets"}}}\n')
        done = subprocess.run(
            [*PROGRAM, "allow"],
            cwd=tmp_path,
            env={"HOME": str(tmp_path), "PATH": os.environ["PATH"]},
            capture_output=True,
            check=True,
            timeout=60,
        )
        assert b"\x1b" not in done.stdout
        assert b"\r" not in done.stdout
        assert 1 == done.stdout.count(b"  steers ")


class TestLinksAndSwaps:
    """Symbolic links, and files that are swapped during the check."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """A folder with an allowed file, and another folder that links to it."""
        real = tmp_path / "real"
        real.mkdir()
        (real / "dsops.yaml").write_text("version: 1\nenvs: {dev: {A: {literal: real}}}\n")
        allow_found(real, {"HOME": str(tmp_path)})
        (tmp_path / "linked").mkdir()
        (tmp_path / "linked" / "dsops.yaml").symlink_to(real / "dsops.yaml")
        return tmp_path

    def is_allowed(self, folder: Path, name: str) -> bool:
        """Whether the file that dsops finds in the folder is allowed."""
        return load(folder=str(folder / name), environ={"HOME": str(folder)}).is_allowed

    def test_a_link_has_not_its_targets_permission(self, folder: Path) -> None:
        """A link to an allowed file needs permission, too: relative commands differ, and its target can change."""
        assert [True, False] == [self.is_allowed(folder, name) for name in ("real", "linked")]
        allow_found(folder / "linked", {"HOME": str(folder)})
        assert self.is_allowed(folder, "linked")

    def test_a_link_that_points_elsewhere_asks_again(self, folder: Path) -> None:
        """After a link's target changes, the link needs permission again, even if the content is the same."""
        allow_found(folder / "linked", {"HOME": str(folder)})
        (folder / "copy.yaml").write_bytes((folder / "real" / "dsops.yaml").read_bytes())
        (folder / "linked" / "dsops.yaml").unlink()
        (folder / "linked" / "dsops.yaml").symlink_to(folder / "copy.yaml")
        assert not self.is_allowed(folder, "linked")

    def test_a_linked_folder_is_the_folder(self, folder: Path) -> None:
        """The permission of a folder also holds when the folder is reached through a link."""
        (folder / "alias").symlink_to(folder / "real")
        assert self.is_allowed(folder, "alias")

    def test_a_link_that_is_swapped_while_it_is_opened_is_not_followed(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A link that replaces the file between check and open is not followed."""
        path, evil = folder / "real" / "dsops.yaml", folder / "evil.yaml"
        evil.write_text("version: 1\nenvs: {dev: {A: {literal: evil}}}\n")
        real_open = os.open

        def swapping(name: str, flags: int, mode: int = 0o777) -> int:
            if os.fspath(name) == str(path):
                path.unlink()
                path.symlink_to(evil)
            return real_open(name, flags, mode)

        monkeypatch.setattr(os, "open", swapping)
        with pytest.raises(ConfigUnreadable):
            self.is_allowed(folder, "real")

    def test_a_file_that_is_swapped_after_it_was_judged_is_not_what_runs(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A file replaced after the check has no effect, because dsops reads the file only once."""
        path = folder / "real" / "dsops.yaml"
        real_digest = config_files.digest

        def swapping(data: bytes) -> str:
            path.write_text("version: 1\nenvs: {dev: {A: {literal: evil}}}\n")
            return real_digest(data)

        monkeypatch.setattr(config_files, "digest", swapping)
        config = load(folder=str(folder / "real"), environ={"HOME": str(folder)})
        literal = config.environments["dev"].variables["A"].literal
        assert literal is not None
        assert (True, "real") == (config.is_allowed, literal.text)

    def test_a_file_that_others_may_write_is_refused_by_name(self, dsops: Dsops) -> None:
        """`dsops allow` refuses a file that other users may write; `doctor --fix` tightens the file's mode."""
        path = dsops.folder / "dsops.yaml"
        run(dsops, "allow")
        path.chmod(0o666)
        for line in ("get --env plain PLAIN", "allow"):
            assert "other users can write dsops.yaml" in run(dsops, *line.split()).stderr
        run(dsops, "doctor", "--fix")
        assert "info" == run(dsops, "get", "--env", "plain", "PLAIN").stdout

    @pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away")
    def test_another_owner_asks_again_or_is_refused(self, folder: Path) -> None:
        """A file of another user (also under sudo) is refused or needs permission: its owner can change it."""
        os.chown(folder / "real" / "dsops.yaml", 12345, -1)
        with pytest.raises(ConfigUnreadable):
            self.is_allowed(folder, "real")
        config = load(folder=str(folder / "real"), environ={"HOME": str(folder), "SUDO_UID": "12345"})
        assert not config.is_allowed


class TestTheHook:
    """The shell hook when the user enters a folder."""

    def hook_load(self, folder: Path) -> str:
        """Run the hook in the folder; return the reason why no environment is loaded."""
        runtime = make_runtime({"HOME": str(folder), "XDG_RUNTIME_DIR": str(folder)}, folder=str(folder))
        arguments = parse(hook_load.COMMAND, ["bash", "1"], runtime.environ, name="hook-load")
        with pytest.raises(NotAllowed) as raised:
            hook_load.outcome(arguments, runtime, lambda _: pytest.fail("a secret is fetched"), lambda _: True)
        return raised.value.message

    @pytest.mark.parametrize("is_known", [False, True])
    def test_nothing_is_parsed_that_is_not_allowed(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_known: bool
    ) -> None:
        """The hook parses no file before the user allows the file.

        A hundred included files of a megabyte took three minutes at every prompt.
        """
        path = tmp_path / "dsops.yaml"
        path.write_text("version: 1\n")
        if is_known:
            from dsops.config import HOOKED
            from dsops.config.allow import allow

            allow(load(folder=str(tmp_path), environ={"HOME": str(tmp_path)}).files, {"HOME": str(tmp_path)}, HOOKED)
        names = [f"part{number}.yaml" for number in range(90)]
        for name in names:
            (tmp_path / name).write_text("x: " + "[" * 1000)
        path.write_text(f"version: 1\ninclude: [{', '.join(names)}]\n")

        def parsed(*_: object) -> None:
            raise AssertionError("a file that is not allowed was parsed")

        monkeypatch.setattr(config_files, "parse_yaml", parsed)
        expected = "the file changed since you allowed it" if is_known else "you have not allowed the file"
        assert expected == self.hook_load(tmp_path)

    def test_a_pipeline_is_no_permission_for_it(self, tmp_path: Path) -> None:
        """The shell hook does not treat CI=true as permission."""
        (tmp_path / "dsops.yaml").write_text("version: 1\nenvs: {dev: {A: {literal: x}}}\n")
        config = load(folder=str(tmp_path), environ={"HOME": str(tmp_path), "CI": "true"}, permission="hook-allow")
        assert not config.is_allowed


@pytest.mark.parametrize("line", ["import aws-config --out dsops.yaml", "migrate --write dsops.yaml"])
def test_what_import_and_migrate_write_is_allowed(dsops: Dsops, line: str) -> None:
    """A file written by `import` or `migrate` is allowed as written, until it is edited."""
    path, home = dsops.folder / "dsops.yaml", {"HOME": str(dsops.folder)}
    if line.startswith("import"):
        path.unlink()
        (dsops.folder / ".aws").mkdir()
        (dsops.folder / ".aws" / "config").write_text(
            "[profile p]\nrole_arn = arn:aws:iam::111111111111:role/R\nsource_profile = q\nregion = us-east-1\n"
            "[profile q]\n"
        )
    else:
        path.write_text(path.read_text().replace("secretStores:", "providers:"))
    done = run(dsops, *line.split(), **home)
    assert 0 == done.returncode, done.stderr
    assert load(folder=str(dsops.folder), environ=home).is_allowed
    path.write_bytes(path.read_bytes() + b"# edited\n")
    assert not load(folder=str(dsops.folder), environ=home).is_allowed


def test_what_migrate_finds_and_rewrites_is_asked_about(dsops: Dsops, aws: StubAws) -> None:
    """A discovered file that `migrate` rewrote needs permission, because most of its content is still its author's."""
    path = dsops.folder / "dsops.yaml"
    path.write_text(path.read_text().replace("secretStores:", "providers:"))
    assert 0 == run(dsops, "migrate", "--write").returncode
    assert "error[config.not-allowed]" in run(dsops, *HANDING_OUT["exec"].split()).stderr
    assert [] == aws.calls


def test_what_init_writes_is_allowed(dsops: Dsops) -> None:
    """A file written by `init` is allowed, unless a dsops.local.yaml beside it changes the configuration."""
    run(dsops, "init", "--force")
    line = ["get", "--env", "development", "LOG_LEVEL"]
    assert "debug" == run(dsops, *line).stdout
    (dsops.folder / "dsops.local.yaml").write_text("version: 1\nenvs: {development: {LOG_LEVEL: {literal: evil}}}\n")
    run(dsops, "init", "--force")
    assert 2 == run(dsops, *line).returncode


def test_nothing_but_permissions_is_removed(tmp_path: Path) -> None:
    """Revoking permissions removes only permission files, even if their folder is a link to another user's files.

    That happens with a `sudo` that keeps HOME, or in a shared home.
    """
    mine, environ = tmp_path / "mine", {"XDG_DATA_HOME": str(tmp_path / "data")}
    mine.mkdir()
    names = [f"file{number}" for number in range(60)]
    for name in names:
        (mine / name).write_text("mine")
    (tmp_path / "dsops.yaml").write_text("version: 1\n")
    folder = Path(permission_folder(str(tmp_path / "dsops.yaml"), environ, "allow"))
    folder.parent.mkdir(parents=True)
    folder.symlink_to(mine)
    allow_found(tmp_path, environ)
    assert load(folder=str(tmp_path), environ=environ).is_allowed
    assert disallow(str(tmp_path / "dsops.yaml"), environ)
    assert sorted(names) == sorted(path.name for path in mine.iterdir())
    assert not disallow(str(tmp_path / "dsops.yaml"), environ)


@pytest.mark.parametrize("line", ["init --force", "graph --config real.yaml --out dsops.yaml --format text"])
def test_a_link_of_the_repository_is_not_written_through(dsops: Dsops, line: str) -> None:
    """`--out` does not write through a link in the repository, because the link could point to any file of the user."""
    mine, path = dsops.folder / "profile", dsops.folder / "dsops.yaml"
    mine.write_text("mine\n")
    path.rename(dsops.folder / "real.yaml")
    path.symlink_to(mine)
    done = run(dsops, *line.split())
    assert f"dsops.yaml was not written: it is a symbolic link to {mine}" in done.stderr
    assert "mine\n" == mine.read_text()


def test_a_configuration_of_no_power_says_so(tmp_path: Path) -> None:
    """A configuration without stores and environments has an empty list of powers."""
    (tmp_path / "dsops.yaml").write_text("version: 1\n")
    assert [] == powers_of(load(folder=str(tmp_path), environ={}), StoreTypes())


def test_a_broken_file_is_an_error_of_the_file(dsops: Dsops) -> None:
    """A syntax error in a discovered file is an error, and the user is not asked for permission."""
    (dsops.folder / "dsops.yaml").write_text("version: [")
    with pytest.raises(ConfigError):
        load(folder=str(dsops.folder), environ={})
    assert "config.not-allowed" not in run(dsops, "get", "X").stderr

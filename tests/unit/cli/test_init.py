"""`dsops init`: the file that it proposes, the conversation on a terminal, and the example elsewhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dsops.cli.setup.init import TEMPLATE
from dsops.cli.setup.proposal import Findings, RoleInFile, choices_of, look, proposed_text
from dsops.config import load
from dsops.runtime import Runtime, ignore, no_prompt, utc_now
from dsops.schema import BUILTIN_TYPES
from tests.terminal import Screen
from tests.unit.cli.stub_aws import Dsops

ENTER, CTRL_C = "\r", "\x03"
PROFILES = """\
[profile base]
region = us-east-1
[profile shop]
role_arn = arn:aws:iam::111122223333:role/Shop
source_profile = base
region = eu-west-1
external_id = hush-external-id
[sso-session corp]
sso_start_url = https://corp.awsapps.com/start
sso_region = eu-west-1
[profile data]
sso_session = corp
sso_account_id = 444455556666
sso_role_name = ReadOnly
"""
WORKFLOW = """\
jobs:
  deploy:
    steps:
      # role-to-assume: arn:aws:iam::111122223333:role/Commented
      - uses: aws-actions/configure-aws-credentials@v4
        with:
          role-to-assume: arn:aws:iam::111122223333:role/team/GitHub_Actions
          aws-region: eu-central-1
"""
GITLAB = "deploy:\n  script: aws sts assume-role-with-web-identity --role-arn 'arn:aws:iam::111122223333:role/GitLab'\n"


@pytest.fixture
def dsops(tmp_path: Path) -> Dsops:
    """The program in a folder without a dsops.yaml, with profiles and CI files."""
    program = Dsops(tmp_path)
    (tmp_path / "dsops.yaml").unlink()
    program.allows = False
    (tmp_path / "home" / ".aws").mkdir(parents=True)
    (tmp_path / "home" / ".aws" / "config").write_text(PROFILES)
    (tmp_path / ".github" / "workflows").mkdir(parents=True)
    (tmp_path / ".github" / "workflows" / "deploy.yml").write_text(WORKFLOW)
    (tmp_path / ".gitlab-ci.yml").write_text(GITLAB)
    program.environ |= {"HOME": str(tmp_path / "home"), "TERM": "xterm-256color", "LANG": "C.UTF-8"}
    return program


def runtime(dsops: Dsops) -> Runtime:
    """The surroundings of the program, without a terminal."""
    return Runtime(
        environ=dsops.environ,
        now=utc_now,
        ask=no_prompt,
        report=ignore,
        random=lambda: 0.0,
        folder=str(dsops.folder),
        timestamp="",
    )


def test_profiles_and_ci_files_are_found(dsops: Dsops) -> None:
    """`init` finds profiles with a session, sso-sessions and roles of both CI systems, but not a role in a comment."""
    findings = look(runtime(dsops))

    assert findings.names == ("shop", "data")
    assert findings.summary == (
        "2 usable profiles; 1 sso-session of IAM Identity Center; "
        "2 roles in .github/workflows/deploy.yml, .gitlab-ci.yml"
    )
    assert findings.roles == (
        RoleInFile(
            "arn:aws:iam::111122223333:role/team/GitHub_Actions",
            ".github/workflows/deploy.yml",
            7,
            "eu-central-1",
            "github",
        ),
        RoleInFile("arn:aws:iam::111122223333:role/GitLab", ".gitlab-ci.yml", 2, "us-east-1", "gitlab"),
    )


def test_every_proposal_is_valid(dsops: Dsops) -> None:
    """For each choice, the proposed file can be loaded, has an environment, and contains no external ID."""
    findings = look(runtime(dsops))
    choices = choices_of(findings)

    assert len(choices) == 4
    for chosen in choices.values():
        text = proposed_text(findings, chosen)
        file = dsops.folder / "proposed.yaml"
        file.write_text(text)
        config = load(folder=str(dsops.folder), environ=dsops.environ, named=str(file), types=BUILTIN_TYPES)
        assert config.default_environment == "development"
        assert "secrets" in config.stores
        assert "hush-external-id" not in text
        file.unlink()


def test_texts_of_files_stay_comments(dsops: Dsops) -> None:
    """A line break in a profile's name or a file name adds no line to the proposal."""
    role = RoleInFile("arn:aws:iam::111122223333:role/R", "a\nsecretStores: {}\n.yml", 1, "us-east-1", "github")
    text = proposed_text(Findings(look(runtime(dsops)).profiles, (), (role,)), role)

    assert text.count("\nsecretStores:") == 1


def test_links_and_broken_files_are_left_out(dsops: Dsops) -> None:
    """A symbolic link among the workflows is not read, and `init` continues if ~/.aws/config is invalid."""
    elsewhere = dsops.folder / "elsewhere"
    elsewhere.write_text(WORKFLOW.replace("GitHub_Actions", "Elsewhere"))
    os.symlink(elsewhere, dsops.folder / ".github" / "workflows" / "link.yml")
    (dsops.folder / "home" / ".aws" / "config").write_text("no section\n")
    findings = look(runtime(dsops))

    assert findings.names == ()
    assert not any("Elsewhere" in role.arn for role in findings.roles)
    assert len(findings.roles) == 2


def talk(dsops: Dsops, *words: str, rows: int = 60) -> Screen:
    """`dsops init` on a terminal."""
    return Screen(dsops.command("init", *words), environ=dsops.environ, folder=dsops.folder, columns=100, rows=rows)


def test_a_conversation_writes_the_file(dsops: Dsops) -> None:
    """The user chooses a profile, sees the file, and says yes; the file is then written and allowed."""
    with talk(dsops) as screen:
        screen.wait_for("note: found 2 usable profiles")
        screen.wait_for("Esc: cancel")
        screen.type("shop" + ENTER)
        screen.wait_for("Write this as dsops.yaml? [y/N]")
        assert "role_arn: arn:aws:iam::111122223333:role/Shop" in screen.shown()
        assert not (dsops.folder / "dsops.yaml").exists()
        screen.type("y\n")
        screen.wait_for("wrote dsops.yaml")
        assert screen.finish() == 0
    done = dsops.run("exec", "--", "sh", "-c", "echo $LOG_LEVEL")
    assert (done.returncode, done.stdout) == (0, b"debug\n")


@pytest.mark.parametrize(("answer", "code"), [("n\n", 2), ("\n", 2), (CTRL_C, 130)])
def test_without_a_yes_nothing_is_written(dsops: Dsops, answer: str, code: int) -> None:
    """If the user answers no or nothing, or presses Ctrl-C, nothing is written."""
    with talk(dsops) as screen:
        screen.wait_for("Esc: cancel")
        screen.type("shop" + ENTER)
        screen.wait_for("[y/N]")
        screen.type(answer)
        assert screen.finish() == code
    assert not (dsops.folder / "dsops.yaml").exists()


def test_ctrl_c_at_the_list_writes_nothing(dsops: Dsops) -> None:
    """Ctrl-C in the list ends `init` with exit code 130."""
    with talk(dsops) as screen:
        screen.wait_for("Esc: cancel")
        screen.type(CTRL_C)
        assert screen.finish() == 130
    assert not (dsops.folder / "dsops.yaml").exists()


def test_an_existing_file_is_refused_before_the_conversation(dsops: Dsops) -> None:
    """If the file exists and --force is not set, `init` fails before it asks the user anything."""
    (dsops.folder / "dsops.yaml").write_text("version: 1\n")
    with talk(dsops) as screen:
        screen.wait_for("dsops.yaml exists already")
        assert screen.finish() == 2
    assert (dsops.folder / "dsops.yaml").read_text() == "version: 1\n"


def test_an_empty_home_gets_the_example(dsops: Dsops) -> None:
    """Without profiles and CI files, `init` shows the example, without a list, and writes it after a yes."""
    (dsops.folder / "home" / ".aws" / "config").unlink()
    (dsops.folder / ".github" / "workflows" / "deploy.yml").unlink()
    (dsops.folder / ".gitlab-ci.yml").unlink()
    with talk(dsops, rows=80) as screen:
        screen.wait_for("Write this as dsops.yaml? [y/N]")
        assert "role_arn: arn:aws:iam::123456789012:role/DeployRole" in screen.shown()
        screen.type("yes\n")
        assert screen.finish() == 0
    assert (dsops.folder / "dsops.yaml").read_text() == TEMPLATE


def test_elsewhere_the_example_is_written(dsops: Dsops) -> None:
    """Without a terminal, with --json and in CI, the example is written without a question."""
    dsops.run("init")
    assert (dsops.folder / "dsops.yaml").read_text() == TEMPLATE
    for words, environ in ((["--json", "--force"], {}), (["--force"], {"CI": "true"})):
        (dsops.folder / "dsops.yaml").write_text("")
        with Screen(
            dsops.command("init", *words), columns=80, environ={**dsops.environ, **environ}, folder=dsops.folder
        ) as screen:
            assert screen.finish() == 0
        assert (dsops.folder / "dsops.yaml").read_text() == TEMPLATE

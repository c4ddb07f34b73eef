"""From an empty home to a command in an account: `dsops login`, `dsops import sso`, `dsops exec NAME`, as processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dsops.runtime import empty_file
from dsops.testing.local_aws import LocalAws
from tests.children import Child
from tests.clients.sdks import aws_cli_2
from tests.desk import BIN, Desk
from tests.installed import OUTSIDE, ToolMissingError
from tests.stubs.amazon import amazon
from tests.stubs.server import Answer, Seen, StubServer
from tests.terminal import Terminal

START_URL = "https://my-company.awsapps.com/start"
DEV, OPS = "012345678901", "222222222222"
SEED = f"""
accounts: {{"111111111111": {{}}, "{DEV}": {{}}, "{OPS}": {{}}}}
organization:
  management_account: "111111111111"
  accounts: {{"{DEV}": {{name: Dev team}}, "{OPS}": {{name: Ops}}}}
identity_center:
  start_url: {START_URL}
  users: {{alice: {{}}, bob: {{}}}}
  permission_sets: {{Admin: {{}}, ReadOnly: {{}}}}
  assignments:
  - {{account: "{DEV}", permission_set: Admin, users: [alice, bob]}}
  - {{account: "{OPS}", permission_set: ReadOnly, users: [alice]}}
"""
SECTION = f"""\
[sso-session my-company]
sso_start_url = {START_URL}
sso_region = us-east-1
sso_registration_scopes = sso:account:access
"""
LOGIN = ("login", "--start-url", START_URL, "--sso-region", "us-east-1")

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no terminal of that kind on Windows")


@pytest.fixture
def sandbox_seed() -> str:
    """The sandbox's seed in these tests."""
    return SEED


class Newcomer(Desk):
    """A user's machine with an empty home and no configuration of a project."""

    def __init__(self, sandbox: LocalAws, folder: Path) -> None:
        super().__init__(sandbox, folder, "", DSOPS_SANDBOX_PORT=sandbox.url.rpartition(":")[2])
        (folder / "dsops.yaml").unlink()
        self.environ |= {"AWS_DEFAULT_REGION": "us-east-1", "DSOPS_AGENT": "off"}
        self.own = folder / ".config" / "dsops" / "dsops.yaml"
        self.aws_config = folder / ".aws" / "config"

    def log_in(self, user: str = "alice") -> subprocess.CompletedProcess[str]:
        """Log in with the flags instead of a terminal."""
        return self.run("dsops", *LOGIN, BROWSER=f"dsops sandbox approve --user {user} %s")

    def imported(self, *words: str, **environ: str) -> dict[str, list[dict[str, str]]]:
        """The JSON answer of a successful import."""
        done = self.run("dsops", "import", "sso", "--json", *words, **environ)
        assert done.returncode == 0, done.stderr
        answer: dict[str, list[dict[str, str]]] = json.loads(done.stdout)
        return answer

    def terminal(self, *words: str, **environ: str) -> Terminal:
        """A terminal in the home."""
        variables = {**self.environ, **environ}
        return Terminal(["env", "-C", str(self.folder), *[f"{key}={text}" for key, text in variables.items()], *words])


@pytest.fixture
def desk(sandbox: LocalAws, tmp_path: Path) -> Iterator[Newcomer]:
    """A machine with an empty home."""
    with Newcomer(sandbox, tmp_path) as made:
        yield made


def names(roles: list[dict[str, str]]) -> list[str]:
    """The names of stores in an answer."""
    return [role["name"] for role in roles]


def test_a_login_asks_once_and_then_a_command_runs_in_an_account(desk: Newcomer) -> None:
    """On a terminal, `login` asks for URL and region and shows what it adds; then import and exec need no answers."""
    with desk.terminal("dsops", "login", BROWSER="dsops sandbox approve --user alice %s") as terminal:
        terminal.expect("Start URL of the access portal: ")
        terminal.type("my-company\n")
        terminal.expect("`my-company` is not the https address of the access portal")
        terminal.expect("Start URL of the access portal: ")  # what is typed before the question is dropped
        terminal.type(f"{START_URL}\n")
        terminal.expect("Region of the Identity Center instance [us-east-1]: ")
        terminal.type("\n")
        assert "[sso-session my-company]" in terminal.expect("sso_registration_scopes = sso:account:access")
        terminal.expect("added [sso-session my-company] to ~/.aws/config")
        terminal.expect("`dsops import sso` makes a store")
        assert terminal.code() == 0
    assert desk.aws_config.read_text() == SECTION
    again = desk.run("dsops", "login", BROWSER="dsops sandbox approve --user alice %s")
    assert (again.returncode, desk.aws_config.read_text()) == (0, SECTION), again.stderr

    shown = desk.run("dsops", "import", "sso")
    assert shown.stdout.splitlines() == [
        f"+ Dev-team-Admin  {DEV} Admin",
        f"+ Ops-ReadOnly  {OPS} ReadOnly",
        "~/.config/dsops/dsops.yaml has 2 stores of this login: 2 new, 0 gone, 0 as before",
        "try `dsops exec Dev-team-Admin -- aws sts get-caller-identity`",
    ]
    program = "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])"
    done = desk.run("dsops", "exec", "Ops-ReadOnly", "--", sys.executable, "-c", program)
    assert done.stdout.startswith(f"arn:aws:sts::{OPS}:assumed-role/AWSReservedSSO_ReadOnly_"), done.stderr
    assert desk.own.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("key", ["\x03", "\x04"])
def test_a_login_that_is_given_up_at_the_question_writes_nothing(desk: Newcomer, key: str) -> None:
    """Ctrl-C or Ctrl-D at the prompt ends the login, and no file is written."""
    with desk.terminal("dsops", "login") as terminal:
        terminal.expect("Start URL of the access portal: ")
        terminal.type(key)
        assert terminal.code() == (128 + signal.SIGINT if key == "\x03" else 2)
    assert not desk.aws_config.exists()


def test_a_login_that_fails_writes_nothing(desk: Newcomer) -> None:
    """A start URL that the instance does not have is not added to ~/.aws/config, so the next login asks again."""
    done = desk.run(
        "dsops", "login", "--device", "--start-url", "https://other.awsapps.com/start", "--sso-region", "eu-west-1"
    )
    assert done.returncode == 3
    assert "sso.refused" in done.stderr
    assert not desk.aws_config.exists()


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("login",), "no login is known, and there is no terminal to ask on"),
        (("login", "--start-url", START_URL), "no login is known, and there is no terminal to ask on"),
        (("login", "--start-url", "http://x", "--sso-region", "us-east-1"), "`--start-url` takes the https address"),
        (("login", "--start-url", START_URL, "--sso-region", "Frankfurt"), "`--sso-region` takes the region"),
        (("login", "dev", "--start-url", START_URL), "`dev` has its own start URL"),
        (("logout",), "there is no login to end"),
        (("import", "sso"), "~/.aws/config has no login"),
        (("import", "sso", "--name", "{account}"), "a template of names has no `{account}`"),
    ],
)
def test_what_is_missing_is_named_with_the_next_step(desk: Newcomer, words: tuple[str, ...], error: str) -> None:
    """Without a terminal, a login that lacks a value fails: the error names the value, and no file is written."""
    with Child(
        [str(BIN / "dsops"), *words],
        cwd=desk.folder,
        env=desk.environ,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        start_new_session=True,  # without a controlling terminal
    ) as process:
        told = process.communicate(timeout=60)[1]
    assert process.returncode == 2
    assert error in told
    assert "hint: " in told
    assert not desk.aws_config.exists()
    assert not desk.own.exists()


def test_the_section_is_added_to_a_file_of_ones_own(desk: Newcomer) -> None:
    """Adding a section keeps the text and mode of ~/.aws/config, and leaves a copy of the old file beside it."""
    desk.aws_config.parent.mkdir()
    desk.aws_config.write_text("[default]\nregion = eu-west-1")
    desk.aws_config.chmod(0o640)
    assert desk.log_in().returncode == 0
    assert desk.aws_config.read_text() == f"[default]\nregion = eu-west-1\n\n{SECTION}"
    assert desk.aws_config.stat().st_mode & 0o777 == 0o640
    assert (desk.folder / ".aws" / "config.before-dsops").read_text() == "[default]\nregion = eu-west-1"


def test_the_empty_file_of_a_sandbox_is_never_written(desk: Newcomer) -> None:
    """In a sandbox, AWS_CONFIG_FILE is an empty file that dsops provides; a login refuses to add a section to it."""
    done = desk.run("dsops", *LOGIN, AWS_CONFIG_FILE=empty_file())
    assert done.returncode == 2
    assert "the file in AWS_CONFIG_FILE: it is an empty placeholder" in done.stderr
    assert os.stat(empty_file()).st_size == 0


def test_another_login_prunes_what_it_may_not_use(desk: Newcomer) -> None:
    """After bob's login, an import removes alice's permission set.

    The user's own store and changed name stay.
    """
    desk.log_in()
    assert names(desk.imported()["added"]) == ["Dev-team-Admin", "Ops-ReadOnly"]
    text = desk.own.read_text().replace("  Dev-team-Admin:", "  # mine\n  dev:")
    desk.own.write_text(f"{text}  here: {{type: env}}\nenvs: {{e: {{A: {{literal: '1'}}}}}}\n")
    desk.log_in("bob")
    before = desk.own.read_text()
    dry = desk.imported("--dry-run")
    assert (names(dry["removed"]), desk.own.read_text()) == (["Ops-ReadOnly"], before)
    answer = desk.imported()
    assert (names(answer["removed"]), names(answer["kept"]), answer["added"]) == (["Ops-ReadOnly"], ["dev"], [])
    expected = "".join(line for line in before.splitlines(keepends=True) if "Ops-ReadOnly" not in line)
    assert desk.own.read_text() == expected
    assert (desk.own.parent / "dsops.yaml.before-dsops").read_text() == before
    done = desk.run("dsops", "exec", "dev", "--", "true")
    assert done.returncode == 0, done.stderr


def test_two_imports_at_once_leave_one_complete_file(desk: Newcomer) -> None:
    """Eight concurrent imports all succeed; the file has every store once, and no temporary file is left."""
    desk.log_in()
    running = [
        Child(
            ["dsops", "import", "sso", "--json"],
            cwd=desk.folder,
            env=desk.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(8)
    ]
    outputs = [process.communicate(timeout=60) for process in running]
    assert [process.returncode for process in running] == [0] * 8, outputs
    answers = [json.loads(output) for output, _ in outputs]
    assert sorted(len(answer["added"]) for answer in answers) == [0] * 7 + [2]
    assert {len(answer["added"]) + len(answer["kept"]) for answer in answers} == {2}
    assert desk.own.read_text().count("type: aws.sso") == 2
    assert desk.run("dsops", "validate").returncode == 0
    assert {path.name for path in desk.own.parent.iterdir()} == {"dsops.yaml", "dsops.yaml.lock"}


def test_another_file_can_be_named(desk: Newcomer) -> None:
    """With --out, the stores are written into the named file, which then works; the user's own file is not created."""
    desk.log_in()
    desk.imported("--out", "dsops.yaml", "--name", "{role_name}")
    assert not desk.own.exists()
    assert "  ReadOnly: {" in (desk.folder / "dsops.yaml").read_text()
    done = desk.run("dsops", "exec", "ReadOnly", "--", "true")
    assert done.returncode == 0, done.stderr


def test_the_stores_of_a_login_that_ended_stay(desk: Newcomer) -> None:
    """After a logout, the import says how to log in, and changes nothing."""
    desk.log_in()
    desk.imported()
    before = desk.own.read_text()
    assert desk.run("dsops", "logout").returncode == 0
    done = desk.run("dsops", "import", "sso")
    assert done.returncode == 3
    assert f"hint: dsops login --start-url {START_URL}" in done.stderr
    assert desk.own.read_text() == before


# --- an access portal that does not answer as a whole --------------------------------------------------------------

Portal = Callable[[str, str], Answer | None]


@pytest.fixture
def logged_in(desk: Newcomer) -> Newcomer:
    """A machine with a token and two imported stores; the portal is the test's own."""
    desk.log_in()
    desk.imported()
    return desk


def portal(answer: Portal) -> StubServer:
    """A portal with two accounts; `answer` may replace the answer to an action for an account."""

    def handle(seen: Seen) -> Answer:
        is_roles = seen.target.startswith("/assignment/roles")
        account = seen.target.partition("account_id=")[2][:12] if is_roles else ""
        replaced = answer("ListAccountRoles" if is_roles else "ListAccounts", account)
        if replaced is not None:
            return replaced
        if is_roles:
            return json_answer({"roleList": [{"roleName": "Admin" if account == DEV else "ReadOnly"}]})
        return json_answer({"accountList": [{"accountId": DEV, "accountName": "Dev team"}, {"accountId": OPS}]})

    return StubServer(handle)


def json_answer(content: object, status: int = 200, error: str = "") -> Answer:
    """An answer of the portal."""
    headers = (("Content-Type", "application/json"), ("x-amzn-ErrorType", error))
    return Answer(status, json.dumps(content).encode(), headers)


def test_an_account_that_is_not_listed_is_named_and_keeps_its_stores(logged_in: Newcomer) -> None:
    """If an account can't be listed, its stores stay, others are written, and an error names the account."""

    def refuse(_: str, account: str) -> Answer | None:
        return json_answer({"message": "No access"}, 403, "ForbiddenException") if account == OPS else None

    before = logged_in.own.read_text()
    logged_in.own.write_text(before.replace("role_name: Admin", "role_name: Former"))
    with portal(refuse) as server:
        done = logged_in.run("dsops", "import", "sso", AWS_ENDPOINT_URL_SSO=server.url)
    assert done.returncode == 3
    assert f"account {OPS} () could not be listed: not allowed to list the permission sets" in done.stderr
    text = logged_in.own.read_text()
    assert "Ops-ReadOnly" in text
    assert "Former" not in text
    assert "role_name: Admin" in text


@pytest.mark.parametrize(
    "answer",
    [
        Answer(raw=b""),
        Answer(200, b'{"accountList": [', (("Content-Type", "application/json"),)),
        Answer(200, b"{}", (("Content-Type", "application/json"),)),
        Answer(200, b'{"accountList": []}', (("Content-Type", "application/json"),)),
        Answer(502, b"<html>Bad gateway"),
        Answer(200, b"x" * 1000, cut_after=10),
    ],
)
def test_a_portal_that_answers_partly_changes_nothing(logged_in: Newcomer, answer: Answer) -> None:
    """If the portal does not return the whole list of accounts, no store is removed."""
    before = logged_in.own.read_bytes()
    with portal(lambda action, _: answer if action == "ListAccounts" else None) as server:
        done = logged_in.run("dsops", "import", "sso", AWS_ENDPOINT_URL_SSO=server.url)
    assert done.returncode in (3, 5)
    assert "hint: " in done.stderr
    assert logged_in.own.read_bytes() == before


def test_ctrl_c_while_the_portal_is_silent_changes_nothing(logged_in: Newcomer) -> None:
    """Ctrl-C ends an import that waits for a portal which does not answer."""
    before = logged_in.own.read_bytes()
    with portal(lambda action, _: Answer(is_silent=True) if action == "ListAccountRoles" else None) as server:
        environ = {**logged_in.environ, "AWS_ENDPOINT_URL_SSO": server.url}
        with Child(["dsops", "import", "sso"], cwd=logged_in.folder, env=environ) as process:
            while not any("/assignment/roles" in seen.target for seen in server.seen):
                assert process.poll() is None
                time.sleep(0.01)
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=60) == 128 + signal.SIGINT
    assert logged_in.own.read_bytes() == before


def test_names_of_the_portal_cannot_control_the_terminal(logged_in: Newcomer) -> None:
    """Escape sequences in names of accounts and permission sets are written to neither the terminal nor the file."""
    evil = "\x1b]0;x\x07\u202e\n  x: {type: command}"

    def answer(action: str, _: str) -> Answer | None:
        if action == "ListAccounts":
            return json_answer({"accountList": [{"accountId": DEV, "accountName": evil}]})
        return json_answer({"roleList": [{"roleName": evil}]})

    with portal(answer) as server:
        done = logged_in.run("dsops", "import", "sso", AWS_ENDPOINT_URL_SSO=server.url)
    for text in (done.stdout, done.stderr, logged_in.own.read_text()):
        assert not {"\x1b", "\x07", "\u202e"} & set(text)
    assert "type: command}" not in logged_in.own.read_text().replace("\\n  x: {type: command}", "")


# --- shared with the AWS CLI and SDKs ------------------------------------------------------------------------------


def test_boto3_uses_the_login(desk: Newcomer) -> None:
    """A profile that names the added sso-session works in boto3 with the token of dsops' login."""
    desk.log_in()
    with desk.aws_config.open("a") as file:
        file.write(f"[profile p]\nsso_session = my-company\nsso_account_id = {DEV}\nsso_role_name = Admin\n")
    program = "import boto3; print(boto3.Session(profile_name='p').client('sts').get_caller_identity()['Arn'])"
    done = desk.run(sys.executable, "-c", program)
    assert done.stdout.strip().endswith("/alice"), done.stderr


def test_the_aws_cli_uses_the_login_and_its_refreshed_token(desk: Newcomer) -> None:
    """The AWS CLI reads the sso-session and the token that dsops wrote, before and after dsops has renewed it."""
    try:
        aws = aws_cli_2(OUTSIDE)
    except ToolMissingError as missing:
        pytest.skip(str(missing))
    desk.log_in()
    desk.imported()
    with desk.aws_config.open("a") as file:
        file.write(f"[profile p]\nsso_session = my-company\nsso_account_id = {DEV}\nsso_role_name = Admin\n")
    (path,) = (
        path for path in (desk.folder / ".aws" / "sso" / "cache").glob("*.json") if "accessToken" in path.read_text()
    )
    words = ("sts", "get-caller-identity", "--profile", "p", "--query", "Arn", "--output", "text")
    with amazon(desk.sandbox.url, desk.folder) as ways:
        before = desk.run(aws, *words, **ways, AWS_PAGER="")
        members = json.loads(path.read_text())
        over = f"{datetime.now(UTC) - timedelta(minutes=1):%Y-%m-%dT%H:%M:%SZ}"
        path.write_text(json.dumps({**members, "expiresAt": over}))
        assert desk.run("dsops", "whoami", "Dev-team-Admin").returncode == 0
        after = desk.run(aws, *words, **ways, AWS_PAGER="")
    assert before.stdout.strip().endswith("/alice"), before.stderr
    assert after.stdout.strip().endswith("/alice"), after.stderr
    assert json.loads(path.read_text())["accessToken"] != members["accessToken"]


def test_a_start_url_of_a_profile_is_a_login(desk: Newcomer) -> None:
    """Without an sso-session, `login` and `import sso` use the start URL of a profile in ~/.aws/config."""
    desk.aws_config.parent.mkdir()
    desk.aws_config.write_text(
        f"[profile old]\nsso_start_url = {START_URL}\nsso_region = us-east-1\n"
        f"sso_account_id = {DEV}\nsso_role_name = Admin\n"
    )
    before = desk.aws_config.read_text()
    done = desk.run("dsops", "login", BROWSER="dsops sandbox approve --user alice %s")
    assert "stores: old" in done.stdout, done.stderr
    assert desk.aws_config.read_text() == before
    assert names(desk.imported()["added"]) == ["Dev-team-Admin", "Ops-ReadOnly"]
    assert f'start_url: "{START_URL}"' in desk.own.read_text()

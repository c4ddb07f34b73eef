"""`dsops import sso` with lists on the terminal: one of several logins, and some of the permission sets."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dsops.testing.local_aws import LocalAws
from tests.clients.test_import_sso import START_URL, Newcomer
from tests.terminal import Screen

SHOP, LAKE = "333333333333", "444444444444"
SEED = f"""
accounts: {{"111111111111": {{}}, "{SHOP}": {{}}, "{LAKE}": {{}}}}
organization:
  management_account: "111111111111"
  accounts: {{"{SHOP}": {{name: Shop}}, "{LAKE}": {{name: Data lake}}}}
identity_center:
  start_url: {START_URL}
  users: {{alice: {{}}}}
  permission_sets: {{Admin: {{}}, Developer: {{}}, ReadOnly: {{}}}}
  assignments:
  - {{account: "{SHOP}", permission_set: Admin, users: [alice]}}
  - {{account: "{SHOP}", permission_set: Developer, users: [alice]}}
  - {{account: "{LAKE}", permission_set: ReadOnly, users: [alice]}}
"""
OTHER_LOGIN = """
[sso-session other]
sso_start_url = https://other.awsapps.com/start
sso_region = eu-west-1
"""
ENTER, ESCAPE, TAB, SPACE, CTRL_A, DOWN = "\r", "\x1b", "\t", " ", "\x01", "\x1b[B"
FIRST = (
    "permission sets>",
    ">   Data-lake-ReadOnly  444444444444 Data lake ReadOnly",
    "    Shop-Admin          333333333333 Shop Admin",
    "    Shop-Developer      333333333333 Shop Developer",
    "  3/3, 0 marked  Tab: mark, Enter: use, ^A: mark all, Esc: cancel",
)

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no terminal of that kind on Windows")


@pytest.fixture
def sandbox_seed() -> str:
    """The sandbox's seed in these tests."""
    return SEED


@pytest.fixture
def desk(sandbox: LocalAws, tmp_path: Path) -> Iterator[Newcomer]:
    """A machine of a user who has logged in."""
    with Newcomer(sandbox, tmp_path) as made:
        done = made.log_in()
        assert done.returncode == 0, done.stderr
        yield made


def shown(desk: Newcomer, *words: str, **environ: str) -> Screen:
    """The import on a terminal."""
    variables = {**desk.environ, "TERM": "xterm-256color", "LANG": "C.UTF-8", **environ}
    return Screen(["dsops", "import", "sso", *words], columns=100, environ=variables, folder=desk.folder)


def names_in(path: Path) -> list[str]:
    """The names of the stores of a file that the import has written."""
    return [line.split(":")[0].strip() for line in path.read_text().splitlines() if "type: aws.sso" in line]


def test_the_marked_permission_sets_become_stores(desk: Newcomer) -> None:
    """In the list, Tab marks a permission set, typing filters, and Enter adds the marked sets as stores.

    The next import lists only the remaining permission sets.
    """
    with shown(desk, "--pick") as screen:
        screen.wait_for("Esc: cancel")
        assert tuple(screen.lines()) == FIRST
        screen.type(TAB)
        screen.wait_for("1 marked")
        screen.type("shop dev")
        screen.wait_for("> shop dev")
        screen.wait_for("1/3, 1 marked")
        screen.type(TAB)
        screen.wait_for("1/3, 2 marked")
        assert "> * Shop-Developer" in screen.shown()
        screen.type(ENTER)
        screen.wait_for("has 2 stores of this login: 2 new, 0 gone, 0 as before")
        screen.wait_for("note: 1 permission set not chosen: `dsops import sso` without `--pick` adds all of them")
        assert screen.finish() == 0
    assert names_in(desk.own) == ["Data-lake-ReadOnly", "Shop-Developer"]
    before = desk.own.read_text()
    with shown(desk, "--pick") as screen:
        screen.wait_for("1/1, 0 marked")
        assert "Shop-Developer" not in screen.shown()
        screen.type(ENTER)
        screen.wait_for("has 3 stores of this login: 1 new, 0 gone, 2 as before")
        assert screen.finish() == 0
        assert "not chosen" not in screen.shown()
    assert [line for line in desk.own.read_text().splitlines() if "Shop-Admin" not in line] == before.splitlines()
    with shown(desk, "--pick") as screen:
        screen.wait_for("note: there is nothing to choose: each permission set of the login is a store already")
        assert screen.finish() == 0
    done = desk.run("dsops", "exec", "Shop-Developer", "--", "printenv", "DSOPS_ACTIVE")
    assert done.stdout.strip() == "Shop-Developer", done.stderr


def test_a_choice_removes_nothing(desk: Newcomer) -> None:
    """An import of chosen permission sets keeps a store whose set is gone; an import of all sets removes it."""
    assert desk.run("dsops", "import", "sso").returncode == 0
    text = desk.own.read_text().replace("Shop-Admin:", "gone:").replace("role_name: Admin", "role_name: Gone")
    desk.own.write_text(text)
    with shown(desk, "--pick") as screen:
        screen.wait_for("> ")
        screen.wait_for("1/1")
        screen.type(ENTER)
        screen.wait_for("1 new, 0 gone, 3 as before")
        assert screen.finish() == 0
    assert "gone" in names_in(desk.own)
    assert desk.run("dsops", "import", "sso").stdout.startswith("- gone ")


def test_space_marks_and_control_a_marks_all_that_match(desk: Newcomer) -> None:
    """Space marks an entry of the list if no filter is typed; ^A marks all matches, or removes their marks."""
    with shown(desk, "--pick", "--dry-run") as screen:
        screen.wait_for("3/3, 0 marked")
        screen.type(SPACE)
        screen.wait_for("3/3, 1 marked")
        screen.type("shop")
        screen.wait_for("2/3, 1 marked")
        screen.type(CTRL_A)
        screen.wait_for("2/3, 3 marked")
        screen.type(CTRL_A)
        screen.wait_for("2/3, 1 marked")
        screen.type(CTRL_A + "xyz")
        screen.wait_for("no match")
        screen.type(ENTER)
        screen.wait_for("would have 3 stores of this login: 3 new")
        assert screen.finish() == 0
    assert not desk.own.exists()


@pytest.mark.parametrize("keys", [ESCAPE, TAB + "\x03"])
def test_a_list_that_is_cancelled_writes_nothing(desk: Newcomer, keys: str) -> None:
    """Esc or Ctrl-C in the list ends the import with exit code 130, even after a mark, and writes no file."""
    with shown(desk, "--pick") as screen:
        screen.wait_for("Esc: cancel")
        screen.type(keys)
        assert screen.finish() == 130
    assert not desk.own.exists()


def test_numbers_choose_on_a_dumb_terminal(desk: Newcomer) -> None:
    """With TERM=dumb, the list is numbered, and the user chooses by typing several numbers."""
    with shown(desk, "--pick", TERM="dumb") as screen:
        screen.wait_for("   2  Shop-Admin  333333333333 Shop Admin")
        screen.wait_for("permission sets: numbers, or words to filter (an empty line cancels):")
        screen.type("3, 1 4\n")
        screen.wait_for("no match")
        screen.type("shop\n")
        screen.wait_for("   1  Shop-Admin")
        screen.type("2 1\n")
        screen.wait_for("2 new")
        assert screen.finish() == 0
    assert names_in(desk.own) == ["Shop-Admin", "Shop-Developer"]


@pytest.mark.parametrize("is_picked", [True, False])
def test_one_of_several_logins_is_chosen(desk: Newcomer, *, is_picked: bool) -> None:
    """If there are several logins to choose from, `import sso` shows a list of them, with and without `--pick`."""
    desk.aws_config.write_text(OTHER_LOGIN + desk.aws_config.read_text())
    with shown(desk, *(["--pick"] if is_picked else [])) as screen:
        screen.wait_for("2/2")
        assert screen.lines()[0] == "login>"
        assert "> other " in screen.shown()
        assert "https://other.awsapps.com/start eu-west-1" in screen.shown()
        screen.type(DOWN + ENTER)
        if is_picked:
            screen.wait_for("3/3, 0 marked")
            screen.type(ENTER)
        screen.wait_for("1 new" if is_picked else "3 new")
        assert screen.finish() == 0
    assert len(names_in(desk.own)) == (1 if is_picked else 3)


def test_login_asks_which_of_several_logins(desk: Newcomer) -> None:
    """`dsops login` shows the list of logins if no store or profile uses one, and logs in to the chosen one."""
    desk.aws_config.write_text(OTHER_LOGIN + desk.aws_config.read_text())
    variables = {**desk.environ, "TERM": "xterm-256color", "BROWSER": "dsops sandbox approve --user alice %s"}
    with Screen(["dsops", "login"], columns=100, environ=variables, folder=desk.folder) as screen:
        screen.wait_for("2/2")
        screen.type("my-company" + ENTER)
        screen.wait_for(f"logged in at {START_URL}")
        assert screen.finish() == 0
    done = desk.run("setsid", "--wait", "dsops", "login")
    assert done.returncode == 2
    assert f"`dsops login --start-url {START_URL}`" in done.stderr


@pytest.mark.parametrize(
    ("words", "environ"), [((), {}), (("--pick",), {}), (("--json",), {}), (("--pick", "--json"), {"CI": ""})]
)
def test_without_a_terminal_nothing_is_asked(desk: Newcomer, words: tuple[str, ...], environ: dict[str, str]) -> None:
    """Without a terminal, several logins are an error that lists commands; `--pick` fails before any request."""
    desk.aws_config.write_text(OTHER_LOGIN + desk.aws_config.read_text())
    done = desk.run("setsid", "--wait", "dsops", "import", "sso", *words, **environ)
    assert done.returncode == 2
    text = "`--pick` needs a terminal" if "--pick" in words else "`dsops import sso --start-url https://other.awsapps"
    assert text in done.stderr
    assert not desk.own.exists()


def test_json_shows_no_list(desk: Newcomer) -> None:
    """With `--json` on a terminal, several logins are an error, and no list is shown."""
    desk.aws_config.write_text(OTHER_LOGIN + desk.aws_config.read_text())
    with shown(desk, "--json") as screen:
        screen.wait_for("the configuration has several logins")
        assert screen.finish() == 2

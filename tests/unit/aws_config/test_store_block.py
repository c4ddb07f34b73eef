"""The block of stores that `dsops import sso` keeps in a dsops.yaml."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsops.aws_config.profiles import SourceText
from dsops.aws_config.store_block import MergedStores, SsoLogin, merge_stores
from dsops.aws_config.store_names import DEFAULT_TEMPLATE, GrantedRole
from dsops.document import Mapping, parse_yaml, to_plain
from dsops.errors import ConfigUnreadable, SyntaxInvalid

URL = "https://corp.awsapps.com/start"
CORP = SsoLogin("corp", URL, "eu-central-1")
PROD = GrantedRole("012345678901", "Prod", "Admin")
DEV = GrantedRole("222222222222", "dev team", "ReadOnly")
OLD = GrantedRole("333333333333", "old", "Admin")


def merged(text: str, *granted: GrantedRole, login: SsoLogin = CORP, **options: object) -> MergedStores:
    """Merge permission sets into the text."""
    source = SourceText(text=text, shown="dsops.yaml")
    return merge_stores(source, login, granted, **{"template": DEFAULT_TEMPLATE, **options})  # type: ignore[arg-type]


def stores(text: str) -> dict[str, dict[str, str]]:
    """The stores of a text."""
    document = parse_yaml(text, "dsops.yaml")
    assert document.problems == ()
    assert isinstance(document.root, Mapping)
    plain = to_plain(document.root)
    assert isinstance(plain, dict)
    found: dict[str, dict[str, str]] = plain["secretStores"] or {}
    return found


def test_a_new_file_has_a_line_for_each_permission_set() -> None:
    """A new file gets one line for each store, between two comments that name the start URL."""
    made = merged("", DEV, PROD)
    assert made.text == (
        "# Your own stores, for every folder. A project's dsops.yaml comes first.\n"
        "version: 1\n"
        "\n"
        "secretStores:\n"
        f"  # dsops import sso: begin {URL} (adds and removes lines here; your changes to a line stay)\n"
        '  Prod-Admin: {type: aws.sso, sso_session: corp, account_id: "012345678901", role_name: Admin}\n'
        '  dev-team-ReadOnly: {type: aws.sso, sso_session: corp, account_id: "222222222222", role_name: ReadOnly}\n'
        f"  # dsops import sso: end {URL}\n"
    )
    assert [role.name for role in made.added] == ["Prod-Admin", "dev-team-ReadOnly"]
    assert made.removed == made.kept == made.in_use == ()


def test_a_second_import_changes_nothing() -> None:
    """If the permission sets are unchanged, in any order, a second import leaves the file byte for byte as it is."""
    first = merged("", DEV, PROD)
    again = merged(first.text, PROD, DEV)
    assert again.text == first.text
    assert (again.added, again.removed, len(again.kept)) == ((), (), 2)


def test_with_a_choice_only_the_chosen_are_added_and_none_is_removed() -> None:
    """With `only`, just the chosen permission sets are added, under the names of a whole import.

    No store is removed.
    """
    namesake = PROD._replace(account_id="444444444444")
    first = merged("", OLD).text
    chosen = merged(first, PROD, namesake, DEV, only={(PROD.account_id, PROD.role_name)})
    assert [role.name for role in chosen.added] == ["Prod-Admin-012345678901"]
    assert (chosen.removed, [role.name for role in chosen.kept]) == ((), ["old-Admin"])
    assert set(stores(chosen.text)) == {"Prod-Admin-012345678901", "old-Admin"}
    assert merged(first, PROD, only=()).text == first


def test_what_is_not_granted_any_more_is_removed_and_the_rest_keeps_its_changes() -> None:
    """A line that stays keeps its name, settings and comments; a line that is removed takes its comment with it."""
    text = merged("", DEV, PROD, OLD).text
    for before, after in (
        ("  Prod-Admin:", "  # for Mondays\n  production:"),
        ("Admin}\n  dev", "Admin, region: x1} # mine\n  dev"),
        ("  old-Admin", "  # of 2019\n  old-Admin"),
        ("  # dsops import sso: end", "  # a list\n  # dsops import sso: end"),
    ):
        assert before in text
        text = text.replace(before, after)
    new = GrantedRole("444444444444", "new", "Admin")
    made = merged(text, PROD, DEV, new)
    assert [role.name for role in made.removed] == ["old-Admin"]
    assert [role.name for role in made.added] == ["new-Admin"]
    assert [role.name for role in made.kept] == ["production", "dev-team-ReadOnly"]
    assert "of 2019" not in made.text
    assert '  # for Mondays\n  production: {type: aws.sso, sso_session: corp, account_id: "012345678901"' in made.text
    assert made.text.count("# mine") == made.text.count("  # a list\n") == 1
    assert stores(made.text).keys() == {"production", "dev-team-ReadOnly", "new-Admin"}
    assert stores(made.text)["production"]["region"] == "x1"


def test_an_account_that_was_not_listed_keeps_its_stores() -> None:
    """If an account can't be listed, none of its stores is removed."""
    text = merged("", PROD, DEV, OLD).text
    made = merged(text, PROD, unknown_accounts={DEV.account_id})
    assert [role.name for role in made.removed] == ["old-Admin"]
    assert stores(made.text).keys() == {"Prod-Admin", "dev-team-ReadOnly"}


@pytest.mark.parametrize(
    "user",
    [
        "  deploy: {type: aws.sts, role_arn: 'arn:aws:iam::333333333333:role/D', credentials_from: old-Admin}\n",
        "  regional: {extends: [old-Admin], region: eu-west-1}\n",
        "envs: {e: {KEY: {from: {store: old-Admin, key: access_key_id}}}}\n",
        "envs: {e: {KEY: {from: 'store://old-Admin/access_key_id'}}}\n",
        "envs: {e: {KEY: {from: 'old-Admin:access_key_id'}}}\n",
    ],
)
def test_a_store_that_the_file_names_stays(user: str) -> None:
    """A store whose permission set is gone stays if a store or variable uses it, so that the file is valid."""
    made = merged(merged("", PROD, OLD).text + user, PROD)
    assert [role.name for role in made.in_use] == ["old-Admin"]
    assert made.removed == ()
    assert "old-Admin" in stores(made.text)
    assert merged(merged("", PROD, OLD).text, PROD).removed  # the counter-example


HAND_MADE = """\
# my file
version: 1

secretStores:
    mine:   {type: env}   # as I like it

# about environments
envs:
  a: {X: {literal: "1"}}
"""


def test_the_rest_of_a_file_stays_byte_for_byte() -> None:
    """The block is added after the last store, with its indentation; if the block is removed, the old text is left."""
    made = merged(HAND_MADE, PROD)
    lines = made.text.split("\n")
    block = [line for line in lines if "import sso" in line or "Prod-Admin" in line]
    assert len(block) == 3
    assert all(re.match(r"    \S", line) for line in block)
    assert "\n".join(line for line in lines if line not in block) == HAND_MADE
    gone = merged(made.text, unknown_accounts=())
    assert stores(gone.text) == {"mine": {"type": "env"}}


@pytest.mark.parametrize(
    "text",
    [
        "envs: {}",
        "envs: {}\n\n\n",
        "secretStores:\nenvs: {}\n",
        "secretStores: {}   # none yet\nenvs: {}\n",
        "secretStores:\n  a:\n    type: env\n    # about a\n",
        "# only a comment\n",
        "providers:\n  a: {type: env}\n",
        "secretStores:\n  a: {type: env}",
    ],
)
def test_every_way_to_begin_is_extended(text: str) -> None:
    """Stores are added to files without stores, with empty ones, or without a line break at the end."""
    made = merged(text, PROD)
    assert stores(made.text)["Prod-Admin"]["role_name"] == "Admin"
    for line in text.split("\n"):
        assert line.replace(" {}   #", "   #") in made.text
    assert merged(made.text, PROD).text == made.text


def test_windows_line_ends_stay() -> None:
    """A file with Windows line ends keeps them, and the new lines have them, too."""
    made = merged(HAND_MADE.replace("\n", "\r\n"), PROD)
    assert made.text.count("\r\n") == made.text.count("\n")
    assert "Prod-Admin" in stores(made.text)


@pytest.mark.parametrize(
    ("text", "error", "why"),
    [
        ("secretStores: {a: {type: env}}\n", ConfigUnreadable, "its stores are not written on lines of their own"),
        ("secretStores: [a]\n", ConfigUnreadable, "its stores are not written on lines of their own"),
        ('{"secretStores": {"a": {"type": "env"}}}\n', ConfigUnreadable, "its stores are not written on lines"),
        ("- a\n", ConfigUnreadable, "the file is not a mapping of keys"),
        ("a: b: c\n", SyntaxInvalid, ""),
        ("envs: {}\n---\nenvs: {}\n", SyntaxInvalid, ""),
    ],
)
def test_a_file_that_cannot_be_extended_is_refused(text: str, error: type[ConfigUnreadable], why: str) -> None:
    """A file whose stores can't be extended line by line is an error with its reason."""
    with pytest.raises(error) as caught:
        merged(text, PROD)
    assert why in caught.value.why


def test_half_a_block_is_refused() -> None:
    """A block without its end marker is an error that names the line: the lines below could be the user's own."""
    text = merged("", PROD).text
    with pytest.raises(ConfigUnreadable) as caught:
        merged(text[: text.index("  # dsops import sso: end")], PROD)
    assert caught.value.where is not None
    assert caught.value.where.line == 5


def test_two_identity_centers_have_a_block_each() -> None:
    """An import touches only the block of its start URL."""
    other = SsoLogin("", "https://other.awsapps.com/start", "us-east-1")
    first = merged("", PROD).text
    both = merged(first, DEV, login=other).text
    assert stores(both)["dev-team-ReadOnly"]["start_url"] == other.start_url
    assert merged(both, DEV, login=other).text == both
    assert stores(merged(both, login=other).text).keys() == {"Prod-Admin"}


def test_a_store_of_ones_own_inside_the_block_stays() -> None:
    """A store inside the block that does not use this login belongs to the user, and stays."""
    text = merged("", PROD).text.replace("  # dsops import sso: end", "  x: {type: env}\n  # dsops import sso: end")
    assert stores(merged(text, DEV).text).keys() == {"x", "dev-team-ReadOnly"}


def test_names_that_mean_something_else_are_not_used() -> None:
    """A store does not get the name of another store, of an environment, or of a profile with another identity."""
    text = "secretStores:\n  Prod-Admin: {type: env}\nenvs: {dev-team-ReadOnly: {}}\n"
    assert {role.name for role in merged(text, PROD, DEV).added} == {
        f"Prod-Admin-{PROD.account_id}",
        f"dev-team-ReadOnly-{DEV.account_id}",
    }
    same, another = {"Prod-Admin": PROD[::2]}, {"Prod-Admin": OLD[::2]}
    assert [role.name for role in merged("", PROD, reserved=same).added] == ["Prod-Admin"]
    assert [role.name for role in merged("", PROD, reserved=another).added] == [f"Prod-Admin-{PROD.account_id}"]


TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
ROLES = st.builds(
    GrantedRole, st.sampled_from([PROD.account_id, DEV.account_id, OLD.account_id]), TEXTS, TEXTS.filter(bool)
)


@given(st.lists(ROLES, max_size=8), st.lists(ROLES, max_size=8))
def test_any_names_give_a_file_that_can_be_read(first: list[GrantedRole], second: list[GrantedRole]) -> None:
    """Whatever names the portal returns, the file is valid and has one store for each permission set."""
    once = merged(HAND_MADE, *first)
    twice = merged(once.text, *second)
    wanted = {(role.account_id, role.role_name) for role in second}
    found = {(each["account_id"], each["role_name"]) for name, each in stores(twice.text).items() if name != "mine"}
    assert found == wanted
    assert all(re.fullmatch(r"[\w.@+=,-]+", name) and name.isprintable() for name in stores(twice.text))
    assert merged(twice.text, *second).text == twice.text

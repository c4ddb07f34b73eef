"""Names of stores for permission sets, and of the sso-session for a login."""

from __future__ import annotations

import itertools

import pytest

from dsops.aws_config.profiles import SourceText
from dsops.aws_config.sso_section import section_lines, session_name, with_section
from dsops.aws_config.store_names import DEFAULT_TEMPLATE, GrantedRole, check_template, store_names
from dsops.errors import ConfigUnreadable, UsageError

ONE = GrantedRole("111111111111", "Prod / EU", "Admin")
TWO = GrantedRole("222222222222", "Prod  EU", "Admin")
THREE = GrantedRole("333333333333", "", "Read-Only")


@pytest.mark.parametrize(
    ("template", "names"),
    [
        (DEFAULT_TEMPLATE, ["Prod-EU-Admin-111111111111", "Prod-EU-Admin-222222222222", "333333333333-Read-Only"]),
        ("{account_id}", ["111111111111", "222222222222", "333333333333"]),
        (
            "{role_name}.{account_name}",
            ["Admin.Prod-EU-111111111111", "Admin.Prod-EU-222222222222", "Read-Only.333333333333"],
        ),
    ],
)
def test_names_are_valid_unique_and_independent_of_the_order(template: str, names: list[str]) -> None:
    """Characters that a name can't have become `-`; two equal names both get the account id, in any order."""
    expected = dict(zip((ONE, TWO, THREE), names, strict=True))
    for roles in itertools.permutations((ONE, TWO, THREE)):
        assert store_names(roles, template, ()) == [expected[role] for role in roles]


def test_a_taken_name_gets_the_account_id_and_then_a_number() -> None:
    """If a store's name is taken, the new store gets the account id in its name, then also a number."""
    assert store_names([THREE], "x{role_name}", {"xRead-Only"}) == ["xRead-Only-333333333333"]
    assert store_names([THREE], "x{role_name}", {"xRead-Only", "xRead-Only-333333333333"}) == [
        "xRead-Only-333333333333-2"
    ]


@pytest.mark.parametrize("template", ["prod", "{account}", "{account_id", "{}", "{account_id.__class__}"])
def test_a_template_that_is_none_is_refused(template: str) -> None:
    """A template needs at least one placeholder, and may contain only the three known ones."""
    with pytest.raises(UsageError) as caught:
        check_template(template)
    assert "`{account_name}`" in caught.value.hint


@pytest.mark.parametrize(
    ("url", "taken", "name"),
    [
        ("https://my-company.awsapps.com/start", (), "my-company"),
        ("https://my-company.awsapps.com/start/#/", (), "my-company"),
        ("https://my-company.awsapps.com/start", ("my-company",), "my-company-2"),
        ("https://start.home.awsapps.cn/directory/d-12345", (), "d-12345"),
        ("https://identitycenter.amazonaws.com/ssoins-1234", (), "ssoins-1234"),
        ("https://ssoins-1234.portal.us-east-1.app.aws", (), "ssoins-1234"),
    ],
)
def test_a_session_is_named_after_what_tells_its_start_url(url: str, taken: tuple[str, ...], name: str) -> None:
    """The name of an sso-session is made from the part of the start URL that differs between companies."""
    assert session_name(url, taken) == name


def test_a_section_is_added_at_the_end() -> None:
    """The new section is added after an empty line; the text before the section keeps its line ends."""
    lines = section_lines("corp", "https://corp.awsapps.com/start", "eu-central-1", ("sso:account:access",))
    section = (
        "[sso-session corp]\nsso_start_url = https://corp.awsapps.com/start\nsso_region = eu-central-1\n"
        "sso_registration_scopes = sso:account:access\n"
    )
    assert with_section(SourceText(text="", shown="c"), lines) == section
    assert with_section(SourceText(text="[default]\nregion=x", shown="c"), lines) == f"[default]\nregion=x\n\n{section}"
    windows = with_section(SourceText(text="[default]\r\n", shown="c"), lines)
    assert windows == f"[default]\n\n{section}".replace("\n", "\r\n")


@pytest.mark.parametrize("text", ["key = value\n", "[sso-session corp]\nsso_region = x\n"])
def test_a_file_that_aws_cannot_read_gets_no_section(text: str) -> None:
    """If the file is invalid, or already has a section of that name, it is not changed."""
    with pytest.raises(ConfigUnreadable):
        with_section(SourceText(text=text, shown="c"), section_lines("corp", "https://x.example", "us-east-1", ()))

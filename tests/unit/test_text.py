"""Messages about AWS profiles name the keys of a profile."""

from __future__ import annotations

import pytest

from dsops.errors import DsopsError, Problem, Where
from dsops.text import in_profile_words

PROFILE = Where("~/.aws/config", 4, is_profile=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("set `serial_number`", "set `mfa_serial`"),
        ("check `start_url` and `sso_region`", "check `sso_start_url` and `sso_region`"),
        ("`duration_seconds: 3600`", "`duration_seconds = 3600`"),
        ("the serial_number of `store`", "the serial_number of `store`"),
    ],
)
def test_a_key_in_backticks_becomes_the_key_of_a_profile(text: str, expected: str) -> None:
    """Only a key in backticks is replaced; keys with the same name in both files stay."""
    assert in_profile_words(text) == expected


def test_an_error_about_a_profile_names_its_keys() -> None:
    """Message, reason, hint and problems of an error are in the words of the file that its place names."""
    texts = ("no `serial_number`", "why `external_id`", "set `role_name`")
    message, why, hint = texts
    problem = Problem(PROFILE, "secretStores.prod.serial_number", "`serial_number` is no device", "see `account_id`")
    own = DsopsError(message, why=why, hint=hint, where=PROFILE, problems=(problem,))
    later = DsopsError("some error")
    later.retell(message, why=why, hint=hint, where=PROFILE)
    other = DsopsError(message, why=why, hint=hint, where=Where("dsops.yaml", 4))

    for error in (own, later):
        assert (error.message, error.why, error.hint) == ("no `mfa_serial`", "why `external_id`", "set `sso_role_name`")
    assert str(own) == "no `mfa_serial`"
    assert own.problems == (
        Problem(PROFILE, "profile prod.mfa_serial", "`mfa_serial` is no device", "see `sso_account_id`"),
    )
    assert (other.message, other.why, other.hint) == texts

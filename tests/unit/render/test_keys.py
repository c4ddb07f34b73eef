"""Output of an environment's AWS keys, for programs that accept only keys."""

from __future__ import annotations

import json

import pytest

from dsops.errors import ValueUnusable
from dsops.render.keys import keys_of, process
from dsops.secret import Secret

LONG_TERM = {"AWS_ACCESS_KEY_ID": Secret("AKIAONE"), "AWS_SECRET_ACCESS_KEY": Secret("hush/key+")}
SESSION = {
    **LONG_TERM,
    "AWS_SESSION_TOKEN": Secret("hush-token=="),
    "AWS_CREDENTIAL_EXPIRATION": Secret("2099-01-01T00:00:00Z"),
}


def test_a_session_is_whole() -> None:
    """The output of a session contains its expiry, because a program without it never renews the session."""
    assert json.loads(process(keys_of(SESSION, "process"))) == {
        "Version": 1,
        "AccessKeyId": "AKIAONE",
        "SecretAccessKey": "hush/key+",
        "SessionToken": "hush-token==",
        "Expiration": "2099-01-01T00:00:00Z",
    }


def test_a_long_term_key_has_no_token() -> None:
    """If the token is missing or empty, the output has no token, since SDKs would send an empty one."""
    for values in (LONG_TERM, {**LONG_TERM, "AWS_SESSION_TOKEN": Secret("")}):
        assert process(keys_of(values, "process")) == (
            b'{\n  "Version": 1,\n  "AccessKeyId": "AKIAONE",\n  "SecretAccessKey": "hush/key+"\n}\n'
        )


def test_nothing_else_goes_with_them() -> None:
    """Other values of the environment, such as a database password, are not in the output."""
    assert list(keys_of({"PASSWORD": Secret("hush"), **LONG_TERM}, "ini")) == ["AWS_SESSION_TOKEN", *LONG_TERM]


@pytest.mark.parametrize("missing", sorted(LONG_TERM))
def test_half_a_key_is_none(missing: str) -> None:
    """If part of the key is missing or empty, the error names the variable."""
    without = {name: value for name, value in LONG_TERM.items() if name != missing}
    for values in (without, {**without, missing: Secret("")}):
        with pytest.raises(ValueUnusable) as caught:
            keys_of(values, "ini")
        assert caught.value.message == f"the environment can't be written as ini: it has no {missing}"


def test_a_key_that_is_no_text_is_refused_without_showing_it() -> None:
    """A key that is not valid text is refused, because JSON can't contain it; the error does not show the value."""
    with pytest.raises(ValueUnusable) as caught:
        process(keys_of({**LONG_TERM, "AWS_SECRET_ACCESS_KEY": Secret.from_bytes(b"hush\xff")}, "process"))
    assert "AWS_SECRET_ACCESS_KEY" in caught.value.message
    assert "hush" not in repr(caught.value)

"""Any token file, and any request to a login's port, is handled without an unexpected error."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from dsops.aws.identity.sso_cache import ClientRegistration, Token, instant, read_token, write_token
from dsops.aws.identity.sso_session import SsoSession
from dsops.secret import Secret
from dsops.stores.loopback import _parse

SESSION = SsoSession("", "https://d-1.awsapps.com/start", "us-east-1")
TOKENS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1)
MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001
    lambda moment: moment.replace(microsecond=0)
)
MEMBERS = ("accessToken", "expiresAt", "refreshToken", "clientId", "clientSecret", "registrationExpiresAt", "startUrl")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
CLIENTS = st.builds(ClientRegistration, st.text(min_size=1).filter(str.isprintable), TOKENS.map(Secret), MOMENTS)


def read(data: bytes) -> Token | None:
    """Read the token from a file with these bytes."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "token.json"
        path.write_bytes(data)
        path.chmod(0o600)
        found = read_token(str(path), SESSION)
        assert (found.token is None) == bool(found.why)
        assert found.why.isprintable()
        return found.token


@given(st.binary() | st.dictionaries(st.sampled_from(MEMBERS), JSON).map(lambda each: json.dumps(each).encode()))
def test_any_file_is_a_token_or_says_why_not(data: bytes) -> None:
    """Reading any file gives a token that fits into a header, or a reason, and never raises an exception."""
    token = read(data)
    if token is not None:
        for each in filter(None, (token.access_token, token.refresh_token)):
            text = each.reveal()
            assert text
            assert all(33 <= ord(character) <= 126 for character in text)
        assert token.expires_at.tzinfo is not None


@given(TOKENS, MOMENTS, TOKENS | st.none(), CLIENTS | st.none())
def test_what_is_written_is_read(
    access: str, moment: datetime, refresh: str | None, client: ClientRegistration | None
) -> None:
    """A token read back from its file equals the written token and has the same mark."""
    token = Token(Secret(access), moment, None if refresh is None else Secret(refresh), client)
    with TemporaryDirectory() as folder:
        path = f"{folder}/sso/cache/token.json"
        write_token(path, SESSION, token)
        found = read_token(path, SESSION)
    assert ("", "", token.mark) == (found.why, found.note, found.token.mark if found.token else "")
    assert token == found.token


@given(TOKENS, TOKENS, MOMENTS)
def test_only_the_same_refresh_token_has_the_same_mark(one: str, other: str, moment: datetime) -> None:
    """Two tokens have equal marks if and only if their refresh tokens are equal.

    A token without a refresh token is compared by its access token.
    """
    marks = [Token(Secret("access"), moment, Secret(refresh), None).mark for refresh in (one, other)]
    assert (one == other) == (marks[0] == marks[1])
    assert marks[0] == Token(Secret(other), moment, Secret(one), None).mark
    assert (one == other) == (Token(Secret(one), moment, None, None).mark == marks[1])


@given(st.text())
def test_any_text_is_a_moment_or_none(text: str) -> None:
    """Any text gives a UTC time or None, but no exception."""
    found = instant(text)
    assert found is None or found.tzinfo is UTC


@given(st.text(st.characters(max_codepoint=255)))
def test_any_head_of_a_request_is_read_without_an_error(head: str) -> None:
    """Any request head is parsed without an error, and the result has a state only if the request sent one."""
    request_asked = _parse(head)
    assert "state" not in request_asked.query or "state" in head

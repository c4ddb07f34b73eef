"""Keys of a token issuer: when they are loaded again, and which documents are key sets."""

from __future__ import annotations

import pytest

from dsops.errors import ServiceError
from dsops.workload.key_cache import KeyCache, parse_key_set


class Source:
    """An issuer with a clock, whose keys can change or be unreachable."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.kid = "one"
        self.is_down = False
        self.loads = 0
        self.cache = KeyCache(self.load, lambda: self.now)

    def load(self) -> dict[str, object]:
        """The key set."""
        self.loads += 1
        if self.is_down:
            raise ServiceError("the issuer is down")
        return {"keys": [{"kid": self.kid}]}


@pytest.fixture
def source() -> Source:
    """An issuer whose keys were loaded once."""
    source = Source()
    assert (source.cache.current(), source.cache.seconds()) == ((None, 0), 0.0)
    source.cache.refresh()
    return source


def test_keys_are_loaded_every_five_minutes(source: Source) -> None:
    """The keys are loaded when they are due, and not before."""
    assert source.cache.seconds() == 300
    source.cache.refresh()
    assert source.loads == 1
    source.now += 300
    source.cache.refresh()
    assert source.loads == 2
    assert source.cache.current() == ({"keys": [{"kid": "one"}]}, 1)


def test_unknown_key_ids_cause_at_most_one_load_in_ten_seconds(source: Source) -> None:
    """A wanted key makes the keys due, but 1,000 invented ids in five seconds cause one load."""
    source.kid = "two"
    for _ in range(1000):
        source.now += 0.02
        source.cache.want()
        source.cache.refresh()
    assert source.loads == 2
    assert source.cache.current() == ({"keys": [{"kid": "two"}]}, 2)


def test_old_keys_are_used_for_a_day_without_the_issuer(source: Source) -> None:
    """If the issuer can't be reached, loading is tried every ten seconds, and the old keys end after a day."""
    source.is_down = True
    source.now += 300
    with pytest.raises(ServiceError, match="down"):
        source.cache.refresh()
    assert source.cache.seconds() == 10
    source.now += 86_000
    assert source.cache.current() == ({"keys": [{"kid": "one"}]}, 1)
    source.now += 101
    assert source.cache.current()[0] is None


def test_secret_and_nameless_keys_are_left_out() -> None:
    """A key without an id, and a key with secret parts, can't verify a token."""
    raw = b'{"keys": [{"kid": "a", "kty": "EC"}, {"kty": "EC"}, {"kid": "b", "k": "x"}, {"kid": "c", "d": "x"}, 7]}'
    assert parse_key_set(raw, "file") == {"keys": [{"kid": "a", "kty": "EC"}]}


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b'{"keys": 3}', b"\xff", b"[" * 100_000])
def test_other_documents_are_refused(raw: bytes) -> None:
    """A document that is not a key set is an error that names its source."""
    with pytest.raises(ServiceError, match="file has no public keys"):
        parse_key_set(raw, "file")

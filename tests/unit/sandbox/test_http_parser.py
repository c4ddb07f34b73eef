"""The parser takes plain requests itself, and gives the same result as waitress for each request."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from dsops.sandbox.http.parser import Parser, parser_limits

PLAIN = (
    b"POST /path?a=b HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nX-Amz-Target: a.B\r\n"
    b"User-Agent: \xe9 \t c\r\nAccept:\r\n\r\nabc"
)
PARTS = (
    *(b"\r\n", b"\r", b"\n", b" ", b"\t", b":", b",", b"\0", b"\x0b", b"\x85", b"\xff", b"_", b"-", b"/", b"//", b"#"),
    *(b"Host: b\r\n", b"Content-Length: 3\r\n", b"Content-Length: 4\r\n", b"content-length: 0\r\n"),
    *(b"Content_Length: 1\r\n", b"Transfer-Encoding: chunked\r\n", b"Expect: 100-continue\r\n"),
    *(b"Connection: close\r\n", b"X-A: b\r\n c\r\n", b"x-amz-sso_bearer_token: t\r\n"),
    *(b"1.0", b"2.0", b"http://[::1", b"http://h", b"get", b"+3", b"0x3", b"9" * 20),
)


class OfWaitress(Parser):
    """The same parser without its own treatment of plain requests."""

    def _parse_plain(self, head: bytes) -> bool:  # noqa: ARG002 - the signature of the base class
        return False


def outcome(parser: Any, data: bytes, split: int) -> object:
    """Return what the parser makes of the data, which arrives in two parts."""
    used = 0
    for part in (data[:split], data[split:]):
        rest = part
        while rest and not parser.completed:
            taken = parser.received(rest)
            used += taken
            rest = rest[taken:]
    if parser.error:
        return used, parser.error.code, parser.error.body, parser.answer_version
    if not parser.completed or parser.empty:
        return used, parser.completed, parser.empty, parser.awaits_continue
    return used, parser.request("127.0.0.1"), parser.answer_version, parser.closes


def both(data: bytes, split: int) -> tuple[object, object]:
    """Return the outcomes of the parser and of waitress."""
    limits = parser_limits(1000)
    return outcome(Parser(limits), data, split), outcome(OfWaitress(limits), data, split)


def changed(random: Random) -> bytes:
    """Return a request with a few random changes."""
    data = PLAIN
    for _ in range(random.randint(1, 3)):
        place = random.randrange(len(data) + 1)
        data = data[:place] + random.choice([*PARTS, b""]) + data[place + random.choice((0, 0, 1, 4)) :]
    return data


@pytest.mark.parametrize("seed", range(20))
def test_each_request_is_parsed_as_waitress_parses_it(seed: int) -> None:
    """Requests with random changes lead to the same request or error, at whatever place they are split."""
    random = Random(seed)  # noqa: S311 - not for cryptography
    for _ in range(300):
        data = changed(random)
        ours, theirs = both(data, random.randrange(len(data) + 1))
        assert ours == theirs, data


def test_part_by_part_is_parsed_as_waitress_parses_it() -> None:
    """Each part in front of each line leads to the same request or error."""
    lines = PLAIN.split(b"\r\n")
    for number in range(len(lines)):
        for part in PARTS:
            data = b"\r\n".join([*lines[:number], part + lines[number], *lines[number + 1 :]])
            ours, theirs = both(data, 0)
            assert ours == theirs, data


@pytest.mark.parametrize("method", ["GET", "PUT", "POST", "DELETE", "HEAD"])
def test_plain_requests_do_not_need_waitress(method: str) -> None:
    """The head of a plain request is parsed without waitress, so that the comparison above compares something."""
    parser = Parser(parser_limits(1000))

    assert parser._parse_plain(PLAIN.replace(b"POST", method.encode()).removesuffix(b"abc"))
    assert (parser.command, parser.content_length) == (method, 3)


@pytest.mark.parametrize(
    "line",
    [b"Host: i", b"Transfer-Encoding: chunked", b"Expect: 100-continue", b" folded", b"a_b: c", b"a : b", b"a: \0"],
)
def test_unusual_requests_are_left_to_waitress(line: bytes) -> None:
    """waitress parses requests with repeated headers, other framing, or anything that may have to be refused."""
    parser = Parser(parser_limits(1000))

    assert not parser._parse_plain(PLAIN.removesuffix(b"\r\nabc") + line + b"\r\n\r\n")

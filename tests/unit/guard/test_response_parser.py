"""Bodies of responses, of which those with a known length are passed on without the parser."""

from __future__ import annotations

import pytest

from dsops.guard.http.limits import Limits
from dsops.guard.http.parser import End, ParseFailure, Part, ResponseParser, ResponseStart

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
BODY = b"0123456789"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n0123\r\n6\r\n456789\r\n0\r\n\r\n"
TOO_MUCH = ParseFailure(502, "the upstream sent more than its response")


def parsed(*pieces: bytes, is_head: bool = False) -> tuple[ResponseParser, list[Part]]:
    """The parts of a response that arrives in these pieces."""
    parts: list[Part] = []
    parser = ResponseParser(parts.append, Limits(), is_head=is_head)
    for piece in pieces:
        parser.feed(piece)
    return parser, parts


@pytest.mark.parametrize("message", [HEAD + BODY, CHUNKED])
@pytest.mark.parametrize("size", [1, 3, 7, 40, 1_000])
def test_a_body_is_the_same_in_any_pieces(message: bytes, size: int) -> None:
    """Wherever the pieces begin and end, they give one start, the whole body and one end."""
    parser, parts = parsed(*[message[start : start + size] for start in range(0, len(message), size)])

    assert isinstance(parts[0], ResponseStart)
    assert b"".join(part for part in parts if isinstance(part, bytes)) == BODY
    assert [part for part in parts[1:] if not isinstance(part, bytes)] == [End()]
    assert isinstance(parts[-1], End)
    assert (parser.is_over, parser.failed) == (True, False)


@pytest.mark.parametrize(
    "pieces", [(HEAD, BODY + b"HTTP/1.1 200"), (HEAD + BODY[:4], BODY[4:], b"x"), (HEAD, BODY, HEAD)]
)
def test_bytes_after_a_body_fail(pieces: tuple[bytes, ...]) -> None:
    """The body is complete, no byte after it is a part of it, and the connection can't be used again."""
    parser, parts = parsed(*pieces)

    assert b"".join(part for part in parts if isinstance(part, bytes)) == BODY
    assert parts[-2:] == [End(), TOO_MUCH]
    assert parser.failed


@pytest.mark.parametrize("pieces", [(HEAD,), (HEAD + BODY[:4],), (HEAD, BODY[:9])])
def test_the_end_of_the_connection_inside_of_a_body_is_an_error(pieces: tuple[bytes, ...]) -> None:
    """A body that is shorter than its length is never complete."""
    parser, parts = parsed(*pieces)
    parser.feed_end()

    assert parser.failed
    assert isinstance(parts[-1], ParseFailure)
    assert not parser.is_over


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_a_length_without_a_body_has_no_effect(status: str) -> None:
    """What arrives after such a head is not a body."""
    parser, parts = parsed(f"HTTP/1.1 {status}\r\nContent-Length: 10\r\n\r\n".encode(), BODY)

    assert [type(part) for part in parts] == [ResponseStart, End, ParseFailure]
    assert parser.failed


def test_the_answer_to_head_has_no_body() -> None:
    """The length of a response to HEAD is that of another body."""
    parser, parts = parsed(HEAD, BODY, is_head=True)

    assert [type(part) for part in parts] == [ResponseStart, End, ParseFailure]
    assert parser.failed


def test_an_interim_response_has_no_body() -> None:
    """The length of the final response counts, after a response with status 100."""
    parser, parts = parsed(b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD, BODY)

    assert b"".join(part for part in parts if isinstance(part, bytes)) == BODY
    assert parser.is_over

"""Encode a value as programs write it: percent-encoded, JSON, quoted, HTML, base64 or hexadecimal.

Each function yields all encoded forms that it can produce. It may yield the same form more than once.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator
from html.entities import codepoint2name
from urllib.parse import quote_from_bytes

_LEFT_AS_THEY_ARE = ("", "/", "!'()*", "/!'()*;,?:@&=+$#", "&=+$:@")
"""Each set lists the characters that one encoder leaves unencoded, besides letters, digits and `_.-~`.

In order: quote(safe=""), quote(), JavaScript's encodeURIComponent and encodeURI, Go's PathEscape.
"""

_WRAPPED = (76, 64)
"""The line lengths of base64 in characters: 76 in MIME and in `base64`, 64 in PEM."""

_BETWEEN_BYTES = ("", ":", " ", "-", r"\x", ", 0x", ",0x")
r"""Separators between hexadecimal bytes.

In order: none; `:` as in fingerprints; space as in `od` and `hexdump -C`; `-` as on Windows; `\x` as in C and Python;
`, 0x` and `,0x` as in arrays in C, Go or JavaScript.
"""

_APOSTROPHES = ("'", "&#39;", "&#039;", "&#x27;", "&apos;")
_QUOTATION_MARKS = ('"', "&quot;", "&#34;", "&#x22;")
"""Encoded forms of a quotation mark in HTML.

The first is unescaped. Go, PHP, Python, JavaScript's libraries and XML use the others.
"""

_C_ESCAPES = {"\a": r"\a", "\b": r"\b", "\f": r"\f", "\n": r"\n", "\r": r"\r", "\t": r"\t", "\v": r"\v", "\\": r"\\"}


def percent(value: bytes) -> Iterator[bytes]:
    """Percent-encode the value once and twice.

    The rules of several languages are used, and also an encoding of every byte.
    """
    once = {way for text in _percent_once(value) for way in _in_both_cases(text)}
    for way in once:
        yield way
        yield way.replace(b"%", b"%25")
        for safe in ("", "/"):
            yield from _in_both_cases(quote_from_bytes(way, safe))


def _percent_once(value: bytes) -> Iterator[str]:
    for safe in _LEFT_AS_THEY_ARE:
        yield quote_from_bytes(value, safe)
    # In HTML 5's form encoding, a space becomes a plus. Java does not escape the star, but escapes the tilde.
    yield quote_from_bytes(value, " ").replace(" ", "+")
    yield quote_from_bytes(value, " *").replace(" ", "+").replace("~", "%7E")
    yield "".join(f"%{byte:02X}" for byte in value)


def _in_both_cases(encoded: str) -> Iterator[bytes]:
    yield encoded.encode("ascii")
    yield re.sub("%..", lambda match: match[0].lower(), encoded).encode("ascii")


def in_json(text: str) -> Iterator[str]:
    r"""Write the string as a JSON string without quotes, as the JSON libraries of several languages do.

    Some languages escape all non-ASCII characters, PHP writes `\/`, and Go escapes `<>&'`. Also yields JSON inside a
    JSON string, and every character as `\uXXXX`.
    """
    for ensures_ascii in (True, False):
        encoded = json.dumps(text, ensure_ascii=ensures_ascii)[1:-1]
        html = re.sub("[<>&'\u2028\u2029]", lambda match: f"\\u{ord(match[0]):04x}", encoded)
        go = re.sub("[<>&\u2028\u2029]", lambda match: f"\\u{ord(match[0]):04x}", encoded)
        twice = json.dumps(encoded, ensure_ascii=ensures_ascii)[1:-1]
        for spelling in (encoded, encoded.replace("/", "\\/"), html, go, twice):
            yield spelling
            yield re.sub(r"\\u[0-9a-f]{4}", lambda match: f"\\u{match[0][2:].upper()}", spelling)
    units = text.encode("utf-16-be")
    pairs = [units[start : start + 2].hex() for start in range(0, len(units), 2)]
    yield "".join(f"\\u{pair}" for pair in pairs)
    yield "".join(f"\\u{pair.upper()}" for pair in pairs)


def in_languages(text: str) -> Iterator[str]:
    """Write the text as a string literal without quotes, as in Python (`repr`, `ascii`) and Go (`%q`, `%+q`)."""
    yield repr(text)[1:-1]
    yield ascii(text)[1:-1]
    yield repr(text.encode("utf-8"))[2:-1]
    yield "".join(_go_quoted(character, is_ascii=False) for character in text)
    yield "".join(_go_quoted(character, is_ascii=True) for character in text)


def _go_quoted(character: str, *, is_ascii: bool) -> str:
    """Return a character as Go's `strconv.Quote` or `QuoteToASCII` writes it."""
    if character == '"' or character in _C_ESCAPES:
        return _C_ESCAPES.get(character, r"\"")
    number = ord(character)
    if number < 0x80:
        return character if character.isprintable() else f"\\x{number:02x}"
    if character.isprintable() and not is_ascii:
        return character
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def in_shells(text: str) -> Iterator[str]:
    """Quote the text for a shell: in single quotes, in double quotes, with backslashes (bash's `%q`), in `$'...'`."""
    yield text.replace("'", "'\"'\"'")
    yield text.replace("'", r"'\''")
    yield re.sub(r'(["$`\\])', r"\\\1", text)
    for left in ("@%+=:,./", "@%+=:./"):
        yield re.sub(f"([^A-Za-z0-9_{left}\x80-\U0010ffff-])", r"\\\1", text)
    escapes = {**_C_ESCAPES, "'": r"\'", "\x1b": r"\E"}
    yield "".join(escapes.get(letter, letter if letter.isprintable() else _octal(letter)) for letter in text)
    yield "".join(escapes.get(letter, letter if " " <= letter <= "~" else _octal(letter)) for letter in text)


def _octal(character: str) -> str:
    return "".join(f"\\{byte:03o}" for byte in character.encode("utf-8"))


def in_html(text: str) -> Iterator[str]:
    """Escape the text for HTML and XML.

    Each character beyond ASCII has four encoded forms. Also yields the text with every character as a numeric
    reference.
    """
    escaped = text.replace("&", "&amp;").replace("<", "&lt;")
    for beyond in (_as_it_is, _entity_name, _decimal, _hexadecimal):
        escaped_text = "".join(letter if letter.isascii() else beyond(letter) for letter in escaped)
        for apostrophe in _APOSTROPHES:
            for mark in _QUOTATION_MARKS:
                whole = escaped_text.replace("'", apostrophe).replace('"', mark)
                yield whole
                yield whole.replace(">", "&gt;")
                # XML parsers turn a line break in an attribute into a space, so it is escaped.
                yield re.sub(r"[\t\n\r]", lambda match: f"&#{ord(match[0])};", whole.replace(">", "&gt;"))
    yield "".join(map(_decimal, text))
    yield "".join(map(_hexadecimal, text))
    yield "".join(f"&#x{ord(letter):X};" for letter in text)


def _as_it_is(character: str) -> str:
    return character


def _entity_name(character: str) -> str:
    name = codepoint2name.get(ord(character))
    return f"&{name};" if name else _decimal(character)


def _decimal(character: str) -> str:
    return f"&#{ord(character)};"


def _hexadecimal(character: str) -> str:
    return f"&#x{ord(character):x};"


def in_hexadecimal(value: bytes) -> Iterator[bytes]:
    """Write bytes in hexadecimal: in lower and upper case, with separators, and in pairs of bytes as `xxd` does.

    Pairs can begin at the first or the second byte.
    """
    digits = [f"{byte:02x}" for byte in value]
    spellings = [between.join(digits) for between in _BETWEEN_BYTES]
    for start in (0, 1):
        pairs = [digits[0]] if start else []
        pairs += ["".join(digits[at : at + 2]) for at in range(start, len(digits), 2)]
        spellings.append(" ".join(pairs))
    for spelling in spellings:
        yield spelling.encode("ascii")
        # The `x` in a separator such as `\x` stays in lower case, even if the digits are in upper case.
        yield re.sub("[a-f]", lambda match: match[0].upper(), spelling).encode("ascii")


def in_base64(value: bytes) -> Iterator[bytes]:
    """Encode bytes in base64 with and without padding, and split into lines.

    Also yields the base64 characters that stay the same if the bytes are a part of longer data.
    """
    for whole in _in_both_alphabets(base64.b64encode(value)):
        yield whole
        yield whole.rstrip(b"=")
        for length in _WRAPPED:
            if len(whole) > length:
                yield from (whole[start : start + length] for start in range(0, len(whole), length))
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + value + bytes(2))
        # A base64 character encodes six bits. If some of these bits belong to a neighbouring byte, the character
        # depends on that byte, so it is left out.
        first, last = -(-8 * before // 6), 8 * (before + len(value)) // 6
        yield from _in_both_alphabets(encoded[first:last])


def _in_both_alphabets(encoded: bytes) -> Iterable[bytes]:
    return (encoded, encoded.translate(bytes.maketrans(b"+/", b"-_")))

"""AWS's published test vectors of Signature Version 4, read from botocore's source distribution, not copied."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from dsops.request.messages import HttpRequest
from tests.installed import installed

HERE = Path(__file__).parent
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
"""AWS's documented secret key for the vectors' key id `AKIDEXAMPLE`."""
MOMENT = 1440938160.0
"""The signing time of all vectors: 20150830T123600Z."""


class Vector(NamedTuple):
    """A test vector: a signed request, and the intermediate results of signing."""

    name: str
    signed: HttpRequest
    canonical: bytes
    to_sign: str


def vectors(environ: Mapping[str, str]) -> list[Vector]:
    """All vectors. Raises ToolMissingError."""
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input"]
    folder = installed(
        "signature-vectors",
        [HERE / "sdist.txt"],
        [
            [
                *pip,
                "download",
                "--no-deps",
                "--no-binary=:all:",
                "--require-hashes",
                "--requirement",
                "sdist.txt",
                "--dest",
                ".",
            ],
            ["sh", "-c", f"{sys.executable} -m tarfile -e botocore-*.tar.gz sources && mv sources/botocore-* botocore"],
        ],
        environ,
    )
    suite = folder / "botocore" / "tests" / "unit" / "auth" / "aws4_testsuite"
    return [_read(file, suite) for file in sorted(suite.rglob("*.req"))]


def _read(file: Path, suite: Path) -> Vector:
    def text(ending: str) -> str:
        return file.with_suffix(ending).read_text(encoding="utf-8").replace("\r\n", "\n")

    name = str(file.parent.relative_to(suite))
    request = _request(text(".sreq"))
    # In `get-vanilla-with-session-token`, the Authorization header of the signed request differs from the .authz
    # file's.
    signed = request._replace(headers={**request.headers, "authorization": text(".authz").strip()})
    return Vector(name, signed, text(".creq").encode(), text(".sts"))


def _request(text: str) -> HttpRequest:
    head, _, body = text.partition("\n\n")
    # A line that begins with white space continues the previous one (RFC 7230, 3.2.4).
    first, *lines = re.sub(r"\n[ \t]+", " ", head).split("\n")
    method, target = first.removesuffix(" HTTP/1.1").split(" ", 1)
    path, _, query = target.partition("?")
    headers: dict[str, str] = {}
    for line in filter(None, lines):
        name, _, value = line.partition(":")
        key = name.lower()
        headers[key] = f"{headers[key]},{value.strip()}" if key in headers else value.strip()
    return HttpRequest(method, path, query, headers, body.encode(), "127.0.0.1")

"""The copy of the AWS STS page (tests/founding-page), from which other tests take their examples."""

from __future__ import annotations

from hashlib import sha256

from tests.founding_page import PAGE, blocks


def test_the_copy_is_unmodified() -> None:
    """The hash of the copy is that of the original page."""
    digest = "f83a3a382581b5bfc15adde960f6cdc5b87927dfb21fe9e00c06353c92c7e36b"
    assert digest == sha256(PAGE.read_bytes()).hexdigest()


def test_every_block_is_found() -> None:
    """The test finds as many blocks of each language as the page contains (counted by hand)."""
    assert [len(blocks(language)) for language in ("yaml", "json", "bash", "python")] == [16, 6, 2, 1]
    assert blocks("yaml")[0].heading == "Basic AssumeRole"

"""The draw of texts for graders gives what it promises."""

from __future__ import annotations

from collections import Counter

import pytest

from tests import sample_texts
from tests.sample_texts import SHARES, document_texts, draw


@pytest.mark.nightly
def test_one_seed_gives_the_same_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    """One seed always draws the same texts, another seed draws other texts, and each kind has its share."""
    every = sample_texts.texts()
    monkeypatch.setattr(sample_texts, "texts", lambda: every)

    assert draw(1) == draw(1)
    assert draw(1) != draw(2)
    assert Counter(text.kind for text in draw(1)) == SHARES
    assert sum(SHARES.values()) == 60


def test_a_page_gives_headings_rows_and_sentences() -> None:
    """`document_texts` returns headings, table rows and whole sentences, without code blocks."""
    text = "# Sign in\n\nRun this. It opens a\nbrowser for you.\n\n    dsops login\n\n"
    page = text + "| flag | what |\n|---|---|\n| -v | shows more |\n- one more point\n"
    assert [(text.line, text.text) for text in document_texts("page.md", page)] == [
        (1, "# Sign in"),
        (3, "It opens a browser for you."),
        (8, "| flag | what |\n| -v | shows more |"),
        (10, "| -v | shows more |"),
        (11, "- one more point"),
    ]

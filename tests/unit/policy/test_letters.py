"""Case folding in dsops.policy."""

from __future__ import annotations

from dsops.policy.language.letters import fold, lower_case


def test_only_ascii_letters_get_another_case() -> None:
    """`lower_case` changes only the ASCII letters A to Z."""
    assert "azÉ\u212a" == lower_case("AZÉ\u212a")


def test_folding_goes_character_by_character() -> None:
    """`fold` converts case character by character, so that the length stays the same."""
    assert fold("StraßE") == fold("STRAßE")
    assert fold("ß") != fold("ss")
    assert fold("ÀÉ") == fold("àé")

"""Case in dsops.policy: what is put aside, and what is not."""

from __future__ import annotations

from dsops.policy.language.letters import fold, lower_case


def test_only_ascii_letters_get_another_case() -> None:
    """A to Z become a to z; letters of other alphabets stay as they are written."""
    assert "azÉ\u212a" == lower_case("AZÉ\u212a")


def test_folding_goes_character_by_character() -> None:
    """Case is put aside without changing the text's length."""
    assert fold("StraßE") == fold("STRAßE")
    assert fold("ß") != fold("ss")
    assert fold("ÀÉ") == fold("àé")

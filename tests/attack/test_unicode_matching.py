"""Unicode characters that Python maps to ASCII letters or digits never match those in a policy."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from dsops.policy import Policies
from dsops.policy.language.conditions import compile_condition, fold_context
from dsops.policy.language.elements import compile_actions
from dsops.policy.language.letters import fold, lower_case
from dsops.policy.language.operators import parse_operator
from dsops.policy.language.principals import check_principal
from dsops.policy.language.values import read_address, read_moment, read_network, read_number
from dsops.request.wire.constraints import _matcher
from dsops.request.wire.models import service_model
from tests.unit.policy.policies import allow, ask, identity

ROOT = Path(__file__).parent.parent.parent
BLOCKS = ["".join(map(chr, range(start, start + 128))) for start in range(128, sys.maxunicode + 1, 128)]
"""All non-ASCII characters."""


def mapped(text: str) -> tuple[str, str, str]:
    """What Python's case mappings make of a text."""
    return text.lower(), text.upper().lower(), text.casefold()


LOOKALIKES = sorted(
    {
        (character, letter)
        for block in BLOCKS
        if {block} != set(mapped(block))
        for character in block
        for made in mapped(character)
        for letter in made
        if letter.isascii() and letter.isalpha()
    }
)
"""Non-ASCII characters, each with the ASCII letter to which one of Python's case mappings maps it."""
ONE_FOR_ONE = [pair for pair in LOOKALIKES if pair[0] in "\u017f\u0130\u0131\u212a"]
PATTERNS = sorted(
    {
        pattern
        for service in ("sts", "iam")
        for name in service_model(service).shape_names
        if (pattern := service_model(service).shape_for(name).metadata.get("pattern"))
    }
)
"""Every pattern in the models of STS and IAM."""
DIGITS = [character for block in BLOCKS for character in block if character.isdigit()]


def test_python_has_such_characters() -> None:
    """Python's case conversion maps some non-ASCII characters to ASCII letters.

    Examples are KELVIN SIGN, long s and Turkish i's.
    """
    assert {("\u212a", "k"), ("\u017f", "s"), ("\u0130", "i"), ("\u0131", "i")} <= set(ONE_FOR_ONE)
    assert len(DIGITS) > 500


@pytest.mark.parametrize(("character", "letter"), LOOKALIKES)
def test_no_character_becomes_an_ascii_letter(character: str, letter: str) -> None:
    """`lower_case` and `fold` turn no lookalike into an ASCII letter; for `fold`, `É` and `é` are still equal."""
    for case in (lower_case, fold):
        assert not any(entry.isascii() for entry in case(character))
        assert case(character) != letter


@pytest.mark.parametrize(("character", "letter"), ONE_FOR_ONE)
@pytest.mark.parametrize("action", ["kms:Sign", "k*:si*", "kms:?ign"])
def test_an_action_is_met_by_its_own_letters_only(action: str, character: str, letter: str) -> None:
    """An action matches only its own ASCII letters, in policy and request, with and without wildcards."""
    request = "kms:Sign"
    assert compile_actions([action], is_negated=False).matches(lower_case(request))
    wrong = action.replace(letter, character)
    assert wrong == action or not compile_actions([wrong], is_negated=False).matches(lower_case(request))
    request_asked = lower_case(request.replace(letter, character))
    literal = compile_actions([request], is_negated=False)
    assert request_asked == lower_case(request) or not literal.matches(request_asked)


@pytest.mark.parametrize("action", ["\u212ams:*", "kms:\u0130nvoke", "k\u017f:*"])
def test_an_allow_in_other_letters_allows_nothing(action: str) -> None:
    """An Allow whose action has lookalike letters allows nothing.

    In ASCII letters of either case, the action is allowed.
    """
    assert not ask(Policies(identity=(identity(allow(action)),)), action="kms:Invoke", resource="*").is_allowed
    assert ask(Policies(identity=(identity(allow("KMS:inv*")),)), action="kms:Invoke", resource="*").is_allowed


@pytest.mark.parametrize("key", ["aws:PrincipalTag/task", "kms:ViaService", "aws:RequestTag/sink"])
@pytest.mark.parametrize(("character", "letter"), ONE_FOR_ONE)
def test_a_condition_key_is_met_by_its_own_letters_only(key: str, character: str, letter: str) -> None:
    """A condition key, or a tag key in it, matches only its own ASCII letters, in upper or lower case."""
    condition = compile_condition("StringEquals", key, ["v"], 1, has_variables=True)
    assert condition.test(fold_context({key.upper(): ("v",)}))
    if letter in key:
        assert not condition.test(fold_context({key.replace(letter, character): ("v",)}))


@pytest.mark.parametrize(("character", "letter"), ONE_FOR_ONE)
def test_a_variable_is_met_by_its_own_letters_only(character: str, letter: str) -> None:
    """A variable `${aws:PrincipalTag/...}` in lookalike letters has no value."""
    key = f"aws:PrincipalTag/{letter}"
    condition = compile_condition("StringEquals", "x", [f"${{{key}}}"], 1, has_variables=True)
    assert condition.test(fold_context({"x": ("v",), key: ("v",)}))
    assert not condition.test(fold_context({"x": ("v",), f"aws:PrincipalTag/{character}": ("v",)}))


@pytest.mark.parametrize(("character", "letter"), ONE_FOR_ONE)
def test_ignoring_case_ignores_no_more_than_case(character: str, letter: str) -> None:
    """StringEqualsIgnoreCase treats `K` and `k` as equal, but not the KELVIN SIGN."""
    condition = compile_condition("StringEqualsIgnoreCase", "x", [letter], 1, has_variables=True)
    assert condition.test({"x": (letter.upper(),)})
    assert not condition.test({"x": (character,)})


def test_true_and_false_are_ascii() -> None:
    """In Bool and Null, `false` with a long s is invalid in the policy and never matches in a request."""
    condition = compile_condition("Bool", "x", ["false"], 1, has_variables=True)
    assert condition.test({"x": ("FALSE",)})
    assert not condition.test({"x": ("fal\u017fe",)})
    for operator in ("Bool", "Null"):
        with pytest.raises(ValueError, match="true"):
            compile_condition(operator, "x", ["fal\u017fe"], 1, has_variables=True)


@pytest.mark.parametrize("operator", ["\u017ftringEquals", "StringLi\u212ae", "Nu\u0130l", "ForAnyValue:L\u0131ke"])
def test_an_operator_is_ascii(operator: str) -> None:
    """A condition operator in lookalike letters is refused as unknown."""
    with pytest.raises(ValueError, match="condition operator"):
        parse_operator(operator)


@pytest.mark.parametrize("digit", ["\u0663", "\u0967", "\uff13", "\u00b3"])
def test_a_digit_is_ascii(digit: str) -> None:
    """Non-ASCII digits are refused in accounts, numbers, dates and addresses."""
    assert digit.isdigit()
    assert read_number(f"1{digit}") is None
    assert read_moment(f"202{digit}-01-01T00:00:00Z") is None
    assert read_moment(f"1{digit}00000") is None
    assert read_address(f"192.0.2.{digit}") is None
    assert read_network(f"192.0.2.0/2{digit}") is None
    for written in (f"{digit}" * 12, f"arn:aws:iam::{digit * 12}:root"):
        with pytest.raises(ValueError, match="not a principal"):
            check_principal("AWS", written)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("AWS", "arn:aws:iam::111122223333:role/\u212aey"),
        ("Service", "\u212ams.amazonaws.com"),
        ("CanonicalUser", "\u0663" * 64),
        ("Federated", "arn:aws:iam::111122223333:saml-provider/\u212aey"),
    ],
)
def test_a_principal_is_ascii(kind: str, name: str) -> None:
    """Non-ASCII names of users, roles, providers and services are refused as principals."""
    with pytest.raises(ValueError, match="not a principal"):
        check_principal(kind, name)  # type: ignore[arg-type]


def test_a_deny_of_everything_else_denies_a_lookalike() -> None:
    """A Deny with NotAction also denies a lookalike of a listed action, because the lookalike is not listed."""
    policies = Policies(identity=(identity(allow(), {"Effect": "Deny", "NotAction": "kms:*", "Resource": "*"}),))
    assert ask(policies, action="kms:Decrypt", resource="*").is_allowed
    assert not ask(policies, action="\u212ams:Decrypt", resource="*").is_allowed


def test_a_pattern_of_a_model_is_javas() -> None:
    r"""`\w` and `\d` in a model's pattern match ASCII only, as in Java."""
    for pattern, good, bad in ((r"[\w+=,.@-]*", "role_1", "rôle"), (r"[\d]*", "123456", "\u0661\u0662\u0663456")):
        assert _matcher(pattern)(good)
        assert not _matcher(pattern)(bad)


@pytest.mark.parametrize("text", ["\U0001f600", "\U00020000", "k\U00010400", "\U000e0041"])
def test_a_character_beyond_u_ffff_is_in_no_pattern(text: str) -> None:
    """A character beyond U+FFFF matches no model pattern, because AWS reads it as two surrogates.

    This was measured in July 2026.
    """
    assert [] == [pattern for pattern in PATTERNS if _matcher(pattern)(text)]
    assert [] != [pattern for pattern in PATTERNS if _matcher(pattern)("k")]


def test_the_engine_folds_case_in_one_place() -> None:
    """Within the policy engine and `explain`, only letters.py uses `str.lower`, `upper` and `casefold`."""
    found = [
        f"{file.name}: {word}"
        for folder in ("policy", "explain")
        for file in (ROOT / "src/dsops" / folder).rglob("*.py")
        for word in (".lower()", ".casefold()", ".upper()", "str.lower", "re.IGNORECASE")
        if file.name != "letters.py" and word in file.read_text(encoding="utf-8")
    ]
    assert [] == found

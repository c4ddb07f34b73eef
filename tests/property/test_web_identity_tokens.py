"""A manipulated web identity token never proves more than its issuer has signed."""

from __future__ import annotations

import base64
import json
from typing import Any

import jwt
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dsops.errors import SandboxRefusal
from dsops.request.wire.errors import answer_of
from dsops.sandbox.federation.issuers import Issuers
from dsops.sandbox.federation.web_identity import verify
from dsops.sandbox.state.world import OidcProvider
from dsops.sandbox.sts.verified_identity import IdentityProof
from tests.groups import examples

ISSUER = "https://id.example.com"
NOW = 1_800_000_000
ISSUERS = Issuers()
ISSUERS.add_own(ISSUER)
GOOD = {"sub": "somebody", "aud": "app"}
TOKEN = ISSUERS.mint(ISSUER, GOOD, NOW, 300)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)
claim_names = st.sampled_from(
    [
        "iss",
        "sub",
        "aud",
        "azp",
        "exp",
        "nbf",
        "iat",
        "amr",
        "email",
        "https://aws.amazon.com/tags",
        "https://aws.amazon.com/source_identity",
    ]
)


class OneProvider:
    """An account with a single identity provider."""

    def oidc_provider(self, _account: str, url: str) -> OidcProvider | None:
        """The provider, for its own URL."""
        if url != ISSUER:
            return None
        return OidcProvider("arn:aws:iam::111111111111:oidc-provider/id.example.com", "id.example.com", ("app",))


def judged(token: str, now: float = NOW) -> IdentityProof | str:
    """The proof, or the code of the refusal; any other exception fails the test."""
    world: Any = OneProvider()  # `verify` asks the world only for the provider
    try:
        return verify(token, "111111111111", world, ISSUERS, now)
    except SandboxRefusal as refused:
        return answer_of(refused).code


def part(value: object) -> str:
    """A part of a token."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def test_the_token_itself_is_good() -> None:
    """The unmodified web identity token is accepted."""
    proof = judged(TOKEN)

    assert isinstance(proof, IdentityProof)
    assert (proof.subject, proof.audience) == ("somebody", "app")


@settings(max_examples=examples(400), deadline=None)
@given(place=st.integers(0, len(TOKEN) - 1), letter=st.sampled_from("AZaz09-_.=+ "))
def test_a_token_with_another_letter_proves_nothing_else(place: int, letter: str) -> None:
    """A web identity token with one changed letter is refused, unless it decodes (base64) to the same token."""
    changed = TOKEN[:place] + letter + TOKEN[place + 1 :]

    assert judged(changed) in ("InvalidIdentityToken", judged(TOKEN))


@settings(max_examples=examples(300), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(claims=st.dictionaries(claim_names, json_values, max_size=5))
def test_claims_of_any_kind_are_answered(claims: dict[str, object]) -> None:
    """For any claims, the result is a proof for one of the provider's client IDs, or AWS's error."""
    answer = judged(ISSUERS.mint(ISSUER, {**GOOD, **claims}, NOW, 300))

    if isinstance(answer, IdentityProof):
        assert answer.audience == "app"
        assert answer.issuer == ISSUER
    else:
        assert answer in {"InvalidIdentityToken", "ExpiredTokenException"}


@settings(max_examples=examples(300), deadline=None)
@given(
    header=st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "jwk", "b64"]), json_values, max_size=4),
    claims=st.dictionaries(claim_names, json_values, max_size=4),
)
def test_without_the_issuers_signature_there_is_no_proof(header: dict[str, object], claims: dict[str, object]) -> None:
    """Without the issuer's signature no combination of header and claims is accepted."""
    good_header = jwt.get_unverified_header(TOKEN)
    body = part({"iss": ISSUER, "iat": NOW, "exp": NOW + 300, **GOOD, "forged": True, **claims})

    for mark in (TOKEN.rpartition(".")[2], ""):
        assert judged(f"{part({**good_header, **header})}.{body}.{mark}") == "InvalidIdentityToken"


@settings(max_examples=examples(200), deadline=None)
@given(text=st.text(max_size=200))
def test_texts_of_any_kind_are_answered(text: str) -> None:
    """Any text that is not a token is refused."""
    assert judged(text) == "InvalidIdentityToken"


@given(seconds=st.integers(-1000, 1000))
def test_a_token_is_good_from_its_beginning_to_its_end(seconds: int) -> None:
    """A web identity token is valid from its issue time until its expiry, to the second."""
    assert isinstance(judged(TOKEN, NOW + seconds), IdentityProof) == (0 <= seconds < 300)

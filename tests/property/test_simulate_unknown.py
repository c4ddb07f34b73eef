"""An answer of `policy simulate` is right whatever the unread policies and keys contain, or it is `unknown`."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dsops.policy import evaluate
from dsops.policy.simulation import VERDICTS, Unread
from dsops.policy.simulation.uncertain import Answers, possible_answers
from tests.groups import examples
from tests.property.iam_worlds import KEYS, compiled, worlds

if TYPE_CHECKING:
    from dsops.policy import Request
    from tests.property.iam_worlds import Json

    World = tuple[Request, dict[str, list[Json]]]

many = settings(max_examples=examples(400), deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def half_known(draw: st.DrawFn) -> tuple[World, World, list[Unread]]:
    """A complete world, its known part, and what is hidden: some policies and context keys."""
    request, places = draw(worlds())
    hidden = draw(st.sets(st.sampled_from(("identity", "boundary", "session", "scp", "trust", "resource")), max_size=2))
    hidden = {place for place in hidden if place in places}
    kept = {
        place: draw(st.lists(st.sampled_from(listed), unique_by=id)) if listed and place == "identity" else []
        for place, listed in places.items()
        if place in hidden
    }
    keys = draw(st.sets(st.sampled_from(KEYS), max_size=2))
    context = {key: values for key, values in request.context.items() if key not in keys}
    unread: list[Any] = [Unread(place, "hidden") for place in sorted(hidden)]  # type: ignore[arg-type]  # places
    unread.append(Unread("context", "hidden", tuple(key.lower() for key in sorted(keys))))
    return (request, places), (request._replace(context=context), places | kept), unread


def verdict(found: Answers) -> str:
    """The verdict, as named by `Outcome`."""
    if len(found.possible) == 1:
        return VERDICTS[next(iter(found.possible))]
    return "unknown" if "Allow" in found.possible else "deny"


def test_an_answer_is_right_whatever_is_hidden() -> None:
    """A definite verdict equals the decision made with complete knowledge, and each verdict occurs often."""
    seen: Counter[str] = Counter()

    @many
    @given(half_known())
    def holds(case: tuple[World, World, list[Unread]]) -> None:
        (request, places), (known_request, known_places), unread = case
        true = VERDICTS[evaluate(request, compiled(places)).effect]
        result_text = verdict(possible_answers(known_request, compiled(known_places), unread))
        seen[result_text] += 1
        allowed = {"allow": {"allow"}, "deny": {"explicit-deny", "implicit-deny"}}
        assert result_text == "unknown" or true in allowed.get(result_text, {result_text})

    verdicts = ("allow", "explicit-deny", "implicit-deny", "unknown")
    for _ in range(4):  # in one run of few examples, a verdict can be rare by chance
        holds()
        if min(seen[name] for name in verdicts) >= examples(400) // 40:
            return
    raise AssertionError(f"too few of a verdict in four runs: {seen}")


@many
@given(worlds())
def test_where_nothing_is_hidden_the_answer_is_sure(world: World) -> None:
    """If nothing is hidden, the verdict is definite and equals the result of `evaluate`."""
    request, places = world
    decision = evaluate(request, compiled(places))

    assert possible_answers(request, compiled(places), ()).possible == {decision.effect}

"""`reason_to` sends a run's reason as source identity or tag, unchanged, or refuses it."""

from __future__ import annotations

import pytest

from dsops.errors import ConfigError, LimitExceeded
from dsops.plan import Step
from tests.plans import plan_of

ROLE_ARN = "role_arn: arn:aws:iam::222222222222:role/R"


def store(*fields: str) -> str:
    """Return a configuration of one role with these fields, one per line from line 5 on."""
    return "\n".join(["secretStores:", "  r:", *[f"    {entry}" for entry in ("type: aws.sts", ROLE_ARN, *fields)]])


def step(*fields: str, reason: str = "") -> Step:
    """Return the role's step as planned with this reason."""
    return plan_of(store(*fields), store="r", reason=reason).steps["r"]


def refusal(*fields: str, reason: str = "") -> list[tuple[int, str, str]]:
    """Return the line, message and hint of each problem."""
    with pytest.raises(ConfigError) as caught:
        step(*fields, reason=reason)
    return [(problem.where.line, problem.message, problem.hint) for problem in caught.value.problems]


def test_it_becomes_the_source_identity() -> None:
    """With `reason_to: source_identity` the reason becomes the source identity, unchanged."""
    planned = step("reason_to: source_identity", reason="INC-4711")
    assert planned.settings["source_identity"] == "INC-4711"
    assert planned.sends_source_identity
    assert (planned.sends_tags, planned.lacks_reason) == (False, False)


def test_it_becomes_a_tag_besides_others() -> None:
    """The reason becomes one more tag, which may be transitive."""
    planned = step(
        "tags: {team: blue}", "reason_to: tag:Reason", "transitive_tag_keys: [Reason]", reason="INC-4711: disk is full"
    )
    assert planned.settings["tags"] == (("team", "blue"), ("Reason", "INC-4711: disk is full"))
    assert planned.sends_tags
    assert (planned.sends_source_identity, planned.lacks_reason) == (False, False)


@pytest.mark.parametrize("to", ["source_identity", "tag:Reason"])
def test_a_session_for_another_reason_is_another_session(to: str) -> None:
    """Sessions with different reasons, and sessions with and without a reason, have different fingerprints."""
    plain = step().fingerprint
    one, same, other, none = (
        step(f"reason_to: {to}", reason=reason).fingerprint for reason in ("INC-1", "INC-1", "INC-2", "")
    )
    assert one == same
    assert len({plain, one, other, none}) == 4


def test_where_the_store_does_not_say_so_a_reason_is_no_part_of_the_session() -> None:
    """Without `reason_to` the reason is only in the audit trail, and the session stays the same."""
    assert step(reason="INC-1") == step()


@pytest.mark.parametrize(
    ("to", "tags"), [("source_identity", ""), ("tag:Reason", ""), ("tag:Reason", "tags: {team: blue}")]
)
def test_without_a_reason_it_is_planned_and_lacks_one(to: str, tags: str) -> None:
    """Without a reason, the role is planned as if a reason were sent, and is marked as lacking one."""
    planned = step(f"reason_to: {to}", *([tags] if tags else []))
    assert planned.lacks_reason
    assert (planned.sends_source_identity, planned.sends_tags) == (to == "source_identity", to != "source_identity")


@pytest.mark.parametrize("character", [*"+=,.@-_", "Z", "9"])
def test_every_character_of_a_source_identity_is_taken(character: str) -> None:
    """Every character that AWS allows in a source identity is accepted."""
    assert step("reason_to: source_identity", reason=f"a{character}").settings["source_identity"] == f"a{character}"


def test_what_a_source_identity_can_not_hold_is_refused_with_the_character() -> None:
    """A reason with a character that AWS forbids in a source identity is refused.

    The error has the character's position and a valid reason.
    """
    [problem] = refusal("reason_to: source_identity", reason="INC-1 disk: full")
    assert problem == (
        5,
        "`--reason` takes letters, digits and _+=,.@-; white space stands at position 6 (the AssumeRole API reference)",
        "`INC-1-disk--full` would do",
    )
    [(_, message, _)] = refusal("reason_to: source_identity", reason="caf\u00e9")
    assert "`\u00e9` stands at position 4" in message


def test_what_a_tag_can_not_hold_is_refused_with_the_character() -> None:
    """A reason sent as a tag may have spaces, colons and letters of any language; other characters are refused."""
    step("reason_to: tag:Reason", reason="caf\u00e9: 100 @ home")
    [(line, message, hint)] = refusal("reason_to: tag:Reason", reason="disk (full)")
    assert (line, hint) == (5, "`disk -full-` would do")
    assert "`(` stands at position 6" in message


@pytest.mark.parametrize(("reason", "limit"), [("x", "the least is 2"), ("x" * 257, "the most is 256")])
def test_a_source_identity_has_its_length(reason: str, limit: str) -> None:
    """A reason sent as source identity is checked against both of AWS's length limits."""
    [(_, message, _)] = refusal("reason_to: source_identity", reason=reason)
    assert limit in message


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (["source_identity: ada", "reason_to: source_identity"], "`reason_to` makes the reason the source identity"),
        (["tags: {reason: x}", "reason_to: tag:Reason"], "the reason is to become the tag `Reason`, and `tags` has"),
        (["reason_to: tag:aws:reason"], "the tag `aws:reason` begins with `aws:`"),
        (["reason_to: session_name"], "`reason_to` takes source_identity, or tag: and the key of a tag, not"),
        (['reason_to: "tag:"'], "`reason_to` takes source_identity, or tag: and the key of a tag, not `tag:`"),
        (
            [f"tags: {{{', '.join(f't{number}: x' for number in range(50))}}}", "reason_to: tag:Reason"],
            "with the tag of the reason there are 51 tags, and the most is 50",
        ),
    ],
)
def test_what_stands_there_already_is_refused(fields: list[str], message: str) -> None:
    """`reason_to` is refused if the store already sets the source identity or tag, with or without a reason."""
    [(line, said, _)] = refusal(*fields)
    assert said.startswith(message)
    assert line == 4 + len(fields)


def test_a_session_that_takes_neither_takes_no_reason() -> None:
    """`reason_to` is refused for a session type that has neither tags nor a source identity."""
    with pytest.raises(LimitExceeded, match="reason_to"):
        plan_of("secretStores:\n  r: {type: aws.sts, operation: GetSessionToken, reason_to: tag:R}", store="r")
    text = "secretStores:\n  r: {type: aws.sts, federated_user_name: ada, reason_to: TO}"
    policy = '\n    session_policy: {Version: "2012-10-17", Statement: {Effect: Allow, Action: "*", Resource: "*"}}'
    federated = text.replace("{type", "\n    type").replace(", ", "\n    ").replace("}", policy)
    planned = plan_of(federated.replace("TO", "tag:Reason"), store="r", reason="INC-1").steps["r"]
    assert planned.settings["tags"] == (("Reason", "INC-1"),)
    with pytest.raises(LimitExceeded, match="GetFederationToken takes no source identity"):
        plan_of(federated.replace("TO", "source_identity"), store="r")

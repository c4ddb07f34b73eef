"""The text and the JSON of answers: ways with their steps and conditions, and facts that are missing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from dsops.access.facts.world import Gap, OrganizationFacts
from dsops.access.questions.answer import AccessAnswer, ContentKeyCondition
from dsops.access.questions.naming import account_text, arn_text, caller_text
from dsops.access.questions.who_can import Stopped, Way
from dsops.cli.framework.output import Json, answer
from dsops.cli.framework.screen import dimmed, wrapped
from dsops.policy import SECRET_KEYS, Condition, lower_case
from dsops.text import clean

_HIDDEN = "***"
MOST_PRINTED = 200
"""The maximum number of entries that a list for people has. JSON has all."""


def print_ways(world: OrganizationFacts, ways: Sequence[Way]) -> None:
    """Write ways, at most MOST_PRINTED, and the number of the others."""
    for way in ways[:MOST_PRINTED]:
        print_way(world, way)
    print_more(len(ways), 2)


def print_more(count: int, indent: int) -> None:
    """Write how many entries of a list are not printed."""
    if count > MOST_PRINTED:
        print_line(f"and {count - MOST_PRINTED:,} more: `--json` lists all", indent)


def print_way(world: OrganizationFacts, way: Way) -> None:
    """Write a principal, the roles that it assumes, and the conditions of each step."""
    roles = [arn_text(world, step.resource) for step in way.steps[:-1]]
    through = f", through {', then '.join(roles)}" if roles else ""
    print_line(f"{caller_text(world, way.caller)}{through}", 2)
    print_conditions(step.answer for step in way.steps)
    if way.verdict == "unknown":
        print_line("not certain: no request was found, or a fact is missing", 6)
    print_gaps(world, (gap for gap in way.gaps if gap.arn), 6)


def print_conditions(answers: Iterable[AccessAnswer]) -> None:
    """Write the conditions that the requests of a way have to meet."""
    print_lines(condition_texts(answers), 6)


def condition_texts(answers: Iterable[AccessAnswer]) -> tuple[str, ...]:
    """Return the conditions that requests have to meet, each once."""
    return tuple(dict.fromkeys(text for of_step in answers for text in _condition_texts(of_step)))


def print_stopped(world: OrganizationFacts, stopped: Sequence[Stopped]) -> None:
    """Write the principals that have a permission and can't use it, with what stops them."""
    for entry in stopped[:MOST_PRINTED]:
        print_line(f"{caller_text(world, entry.caller)}: {reason_text(entry.answer)}", 2)
    print_more(len(stopped), 2)


def print_gaps(world: OrganizationFacts, gaps: Iterable[Gap], indent: int) -> None:
    """Write the facts that could not be read."""
    for gap in dict.fromkeys(gaps):
        owner = (gap.arn and arn_text(world, gap.arn)) or (gap.account and account_text(world, gap.account))
        print_line(f"not known: {f'{owner}: ' if owner else ''}{gap.why}", indent)


def actions_text(actions: Iterable[str]) -> str:
    """Return a list of actions, with the service before the first action of each service only."""
    texts: list[str] = []
    last = ""
    for action in dict.fromkeys(actions):
        service, _, name = action.partition(":")
        texts.append(name if service == last else action)
        last = service
    return ", ".join(texts)


def print_lines(texts: Iterable[str], indent: int) -> None:
    """Write lines that are wrapped and indented."""
    for text in texts:
        print_line(text, indent)


def print_line(text: str, indent: int) -> None:
    """Write a line that is wrapped and indented, with control characters removed."""
    line = wrapped(" " * indent + clean(text), 1, indent=indent + 2)
    answer(dimmed(line, 1) if indent > 2 else line)


def way_value(way: Way) -> Json:
    """Return a way for JSON."""
    return {
        "principal": way.caller.name,
        "account": way.caller.principal.account or None,
        "verdict": way.verdict,
        "steps": steps_value(way),
        "not_known": gaps_value(way.gaps),
    }


def steps_value(way: Way) -> Json:
    """Return the steps of a way for JSON."""
    return [
        {"principal": step.caller.name, "action": step.action, "resource": step.resource, **answer_value(step.answer)}
        for step in way.steps
    ]


def stopped_value(stopped: Iterable[Stopped]) -> Json:
    """Return for JSON the principals that have a permission and can't use it."""
    return [
        {
            "principal": entry.caller.name,
            "effect": entry.answer.decision.effect,
            "policy_type": entry.answer.decision.decided_by,
            "policy": entry.answer.decision.policy.name if entry.answer.decision.policy is not None else None,
            "sid": entry.answer.decision.statement.sid if entry.answer.decision.statement is not None else None,
            "kms_key": entry.answer.stopped_by_key or None,
            "public_access_block": entry.answer.is_blocked,
        }
        for entry in stopped
    ]


def gaps_value(gaps: Iterable[Gap]) -> Json:
    """Return missing facts for JSON."""
    return [
        {"account": gap.account or None, "arn": gap.arn or None, "what": gap.place, "why": gap.why}
        for gap in dict.fromkeys(gaps)
    ]


def answer_value(of_step: AccessAnswer) -> dict[str, Json]:
    """Return an answer for JSON: the verdict, the context of the request that shows it, and the open conditions."""
    return {
        "verdict": of_step.verdict,
        "context": {key: _shown(key, values) for key, values in of_step.needed.items()},
        "conditions": [
            {
                "effect": opened.effect,
                "operator": opened.condition.operator,
                "key": opened.condition.key,
                "values": list(opened.condition.shown_values),
            }
            for opened in of_step.open
        ],
        "kms_key": _key_value(of_step.if_key),
    }


def _key_value(if_key: ContentKeyCondition | None) -> Json:
    """Return for JSON the KMS key on which an answer depends."""
    if if_key is None:
        return None
    return {"key": if_key.key or None, "action": if_key.action, "refused": if_key.is_refused}


def _shown(key: str, values: Iterable[str]) -> list[str]:
    """Return the values of a condition key; `***` for the values of a secret key."""
    return [_HIDDEN if lower_case(key) in SECRET_KEYS else value for value in values]


def _condition_texts(of_step: AccessAnswer) -> Iterator[str]:
    """Yield what a request needs, by the conditions of the policies; other values as an example."""
    told: dict[str, None] = {}
    by_key: dict[str, Condition] = {}
    for opened in of_step.open:
        key = lower_case(opened.condition.key)
        if key in of_step.needed and opened.effect == "Allow":
            by_key[key] = opened.condition
            told[_condition_text(opened.condition)] = None
    yield from told
    yield from _examples({key: values for key, values in of_step.needed.items() if key not in by_key})
    if of_step.if_key is not None:
        yield _key_text(of_step.if_key)


def _key_text(if_key: ContentKeyCondition) -> str:
    """Return on which KMS key an answer depends."""
    if if_key.is_refused:
        return f"only what KMS key {if_key.key} does not encrypt: it refuses {if_key.action}"
    return f"if KMS key {if_key.key} allows {if_key.action}" if if_key.key else f"if its KMS key allows {if_key.action}"


def _condition_text(condition: Condition) -> str:
    values = condition.shown_values
    shown = values[0] if len(values) == 1 else f"one of {', '.join(values)}"
    return f"if {condition.key} {condition.operator} {shown}"


def _examples(needed: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    for key, values in needed.items():
        yield f"for example with {key} = {', '.join(_shown(key, values))}"


def reason_text(of_stopped: AccessAnswer) -> str:
    """Return which policy stops a principal."""
    decision = of_stopped.decision
    if of_stopped.is_blocked:
        return "S3 Block Public Access refuses what the bucket's policy allows to everyone"
    what = f"{decision.request.action} with KMS key {of_stopped.stopped_by_key}" if of_stopped.stopped_by_key else "it"
    if decision.statement is None or decision.policy is None:
        return f"no {decision.decided_by} allows {what}"
    sid = f", statement {decision.statement.sid}" if decision.statement.sid else ""
    return f"{decision.policy.name}{sid} denies {what} ({decision.decided_by})"

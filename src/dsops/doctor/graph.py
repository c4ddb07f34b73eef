"""Tries each node of a credential graph: issues every session and reads every secret."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dsops.aws.http.call import make_client
from dsops.cache import CredentialCache
from dsops.credentials import Credentials
from dsops.errors import CredentialsError, DsopsError
from dsops.graph import Graph, NodeOutcome
from dsops.graph.types import Key
from dsops.plan import Plan, PlannedVariable, Step
from dsops.resolve import MISSING, Resolver, Trial
from dsops.runtime import Runtime
from dsops.secret import Secret
from dsops.startup import NamedTuple
from dsops.tasks import gather, settle

_RANKS = ("skipped", "ok", "failed", "denied")
"""Statuses, from least to most severe. If a store has several statuses, the graph shows the most severe.

A store can have one status for each environment.
"""


class _Tried(NamedTuple):
    """A plan, and the result of issuing its sessions and reading its secrets."""

    plan: Plan
    trial: Trial
    bases: Mapping[str, Credentials | DsopsError]
    """Maps each profile to its base credentials, or to the error that explains why there are none."""


async def try_graph(
    graph: Graph, plans: list[Plan], runtime: Runtime
) -> tuple[dict[Key, NodeOutcome], tuple[DsopsError, ...]]:
    """Return the outcome of each node, and the distinct errors.

    The plans share one cache, so each session is issued only once.
    """
    outcomes: dict[Key, NodeOutcome] = {}
    errors: dict[int, DsopsError] = {}
    for tried in await _try_all(plans, runtime):
        for key, error, outcome in _outcomes_of(tried):
            outcomes[key] = _worse(outcomes.get(key), outcome)
            if error is not None and outcome.status in {"denied", "failed"}:
                errors.setdefault(id(error), error)
    for node in graph.nodes:
        if node.kind in {"hop", "store"} and node.key not in outcomes:
            outcomes[node.key] = NodeOutcome("skipped", "not planned")
    distinct = {error_identity(error): error for error in errors.values()}
    return outcomes, tuple(distinct.values())


def error_identity(error: DsopsError) -> tuple[str, str, str]:
    """Return a key that is equal for errors with the same meaning.

    If a role is refused, every environment that uses the role raises an error of its own.
    """
    return error.code, error.message, str(error.where)


async def _try_all(plans: list[Plan], runtime: Runtime) -> list[_Tried]:
    client, cache = make_client(runtime), CredentialCache(runtime.now, is_of_one_run=True)
    return await gather(*[_try_one(plan, Resolver(plan, runtime, client, cache)) for plan in plans])


async def _try_one(plan: Plan, resolver: Resolver) -> _Tried:
    trial = await resolver.trial()
    bases = await settle(*[resolver.base(profile) for profile in plan.ambient])
    return _Tried(plan, trial, dict(zip(plan.ambient, bases, strict=True)))


_Found = tuple[Key, DsopsError | None, NodeOutcome]


def _outcomes_of(tried: _Tried) -> Iterator[_Found]:
    for profile, base in tried.bases.items():
        # Only a call shows whether AWS accepts the base credentials. The hop that they sign makes the call and reports
        # the result.
        failure = _outcome_of(("base", profile), base) if isinstance(base, DsopsError) else None
        yield failure or (("base", profile), None, NodeOutcome("ok", "found"))
    for step in tried.plan.steps.values():
        yield _of_step(step, tried)
    for variable in tried.plan.variables:
        if variable.reference is not None:
            yield _of_variable(variable, tried)


def _of_step(step: Step, tried: _Tried) -> _Found:
    """Return the outcome of a hop or store, with its key and its error.

    The outcome of a hop is the outcome of its session. A store fails only if all its secrets failed for the same
    reason.
    """
    key, below = ("step", step.name), _below(step, tried)
    own = tried.trial.sessions.get(step.name)
    outcomes = tried.trial.outcomes.get(step.name)
    if step.name in tried.trial.sessions:
        error = own if isinstance(own, DsopsError) else None
    elif outcomes is None:
        return key, None, NodeOutcome("skipped", "nothing is read from it" if below is None else _needs(step))
    else:
        error = outcomes if isinstance(outcomes, DsopsError) else _shared_by_all(list(outcomes.values()))
    if error is not None and below is not None and (error is below or error.code == below.code):
        return key, None, NodeOutcome("skipped", _needs(step))
    return _outcome_of(key, error)


def _needs(step: Step) -> str:
    return f"needs {step.credentials_from or 'base credentials'}"


def _below(step: Step, tried: _Tried) -> DsopsError | None:
    """Return the error of the credentials that the step uses; None if these credentials are available."""
    outcome = tried.trial.sessions.get(step.credentials_from)
    if not step.credentials_from and step.proof is None:
        outcome = tried.bases.get(step.profile)
    return outcome if isinstance(outcome, DsopsError) else None


def _shared_by_all(outcomes: list[Secret | DsopsError]) -> DsopsError | None:
    """Return the error with which all secrets of a store failed; None if one was read or the errors differ.

    A missing secret is not considered a failure of the store.
    """
    first = outcomes[0] if outcomes else None
    if not isinstance(first, DsopsError) or isinstance(first, MISSING):
        return None
    return first if all(error is first for error in outcomes) else None


def _of_variable(variable: PlannedVariable, tried: _Tried) -> _Found:
    key = ("variable", tried.plan.environment, variable.name)
    of_step = tried.trial.outcomes.get(variable.step)
    if isinstance(of_step, DsopsError):
        return key, None, NodeOutcome("skipped", f"needs {variable.step}")
    assert of_step is not None  # noqa: S101 (the variables of a step exist only if the step was read)
    assert variable.reference is not None  # noqa: S101 (the caller has checked this)
    value = of_step[variable.reference]
    if isinstance(value, MISSING) and variable.default is not None:
        return key, None, NodeOutcome("ok", "the default, since there is no value")
    if isinstance(value, MISSING) and variable.optional:
        return key, None, NodeOutcome("ok", "left out, since there is no value")
    return _outcome_of(key, value if isinstance(value, DsopsError) else None)


def _outcome_of(key: Key, error: DsopsError | None) -> _Found:
    if error is None:
        return key, None, NodeOutcome("ok")
    return key, error, NodeOutcome("denied" if is_denial(error) else "failed", error.code)


def is_denial(error: DsopsError) -> bool:
    """Return whether AWS denied the call; False for other failures, such as a service that can't be reached."""
    return isinstance(error, CredentialsError) and error.aws is not None


def _worse(outcome: NodeOutcome | None, other: NodeOutcome) -> NodeOutcome:
    return outcome if outcome is not None and _RANKS.index(outcome.status) >= _RANKS.index(other.status) else other

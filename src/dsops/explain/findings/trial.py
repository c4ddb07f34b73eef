"""Runs an environment's plan, or reads another program's error message, and explains what was refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dsops.aws.http.call import make_client
from dsops.aws.identity.ambient import ambient_from_environment, load_ambient
from dsops.cache import CredentialCache
from dsops.credentials import Credentials
from dsops.errors import DsopsError, Failures, ServiceError, Where
from dsops.explain.evidence.library import Evidence
from dsops.explain.evidence.message import names_denial
from dsops.explain.finding import RefusalFinding
from dsops.explain.findings.answer import distinct
from dsops.explain.findings.ask import Failure
from dsops.explain.findings.credential_error import ProgramView, credential_finding, read_credential_error
from dsops.explain.findings.investigate import Investigator
from dsops.explain.questions.chain import Chains
from dsops.model import Config
from dsops.plan import Fingerprint, Plan, PlannedVariable, SecretReference, Step, region_of
from dsops.resolve import MISSING, Resolver, Trial
from dsops.resolve.base import DEFAULT_REGION, base_region
from dsops.resolve.identity import endpoints_of
from dsops.runtime import Runtime
from dsops.schema import STS_TYPE
from dsops.tasks import blocking, gather, settle

_AT_ONCE = 10
"""The maximum number of failures explained concurrently, since each reads policies from IAM, which throttles."""


async def investigate(
    config: Config, plan: Plan, evidence: Evidence, runtime: Runtime, cached: Mapping[str, Credentials]
) -> list[RefusalFinding]:
    """Run the plan and explain each failure. `cached` has the sessions, by step, that need not be issued again."""
    client = make_client(runtime)
    resolver = Resolver(plan, runtime, client, _cache_with(cached, plan, runtime))
    trial = await resolver.trial()
    failures = list(_failures(plan, trial))
    errors = tuple(failure.error for failure in failures)
    if errors and all(isinstance(error, ServiceError) for error in errors):
        raise errors[0] if len(errors) == 1 else Failures(errors)
    sessions = {name: session for name, session in trial.sessions.items() if isinstance(session, Credentials)}
    bases = await _bases(plan, resolver, runtime) if failures else {}

    def edit_at(store: str, key: str) -> Where:
        store_entry = config.stores.get(store)
        if store_entry is None:  # The step is an MFA session that the plan has added before several roles.
            return plan.steps[store].where
        return store_entry.fields[key].where if key in store_entry.fields else store_entry.where

    investigator = Investigator(Chains(plan, client, sessions, bases), evidence, edit_at)
    findings: list[RefusalFinding] = []
    for start in range(0, len(failures), _AT_ONCE):
        part = failures[start : start + _AT_ONCE]
        for explained in await gather(*[investigator.explain(failure) for failure in part]):
            findings += explained
    return distinct(findings)


def _cache_with(cached: Mapping[str, Credentials], plan: Plan, runtime: Runtime) -> CredentialCache:
    """Return a cache with these sessions of the plan's steps. If AWS refuses a session, it is issued again."""
    cache = CredentialCache(runtime.now, is_of_one_run=True)
    for name, session in cached.items():
        if name in plan.steps:
            cache.keep(plan.steps[name].fingerprint, session)
    return cache


async def _bases(plan: Plan, resolver: Resolver, runtime: Runtime) -> Mapping[str, Credentials]:
    """Return the base credentials that are available, by profile.

    They may have permission to read policies, even if the chain starts with a token.
    """
    bases: dict[str, Credentials] = {}
    if not plan.ambient:
        load = blocking(lambda: load_ambient(runtime.environ, runtime.folder, now=runtime.now()))
        (outcome,) = await settle(load)
        return {} if isinstance(outcome, DsopsError) else {"": outcome}
    for profile in plan.ambient:
        (outcome,) = await settle(resolver.base(profile))
        if not isinstance(outcome, DsopsError):
            bases[profile] = outcome
    return bases


def _failures(plan: Plan, trial: Trial) -> Iterator[Failure]:
    """Yield each failure once, in the plan's order, without steps that failed only because another step failed."""
    seen: set[int] = set()
    for step in plan.steps.values():
        session = trial.sessions.get(step.name)
        if isinstance(session, DsopsError) and id(session) not in seen:
            seen.add(id(session))
            yield Failure(step, session)
        outcomes = trial.outcomes.get(step.name, {})
        if isinstance(outcomes, DsopsError):
            if id(outcomes) not in seen:
                seen.add(id(outcomes))
                yield Failure(step, outcomes)
            continue
        for reference, outcome in outcomes.items():
            if isinstance(outcome, DsopsError) and id(outcome) not in seen and _counts(plan, step, reference, outcome):
                seen.add(id(outcome))
                readers = _readers(plan, step, reference)
                outcome.retell(outcome.message, where=outcome.where or readers[0].where)
                yield Failure(step, outcome, reference.key, region_of(reference.key, step))


def _counts(plan: Plan, step: Step, reference: SecretReference, error: DsopsError) -> bool:
    """Return whether the error counts as a failure.

    A missing secret does not count if all its variables have `default` or `optional`.
    """
    if not isinstance(error, MISSING):
        return True
    readers = _readers(plan, step, reference)
    return any(variable.default is None and not variable.optional for variable in readers)


def _readers(plan: Plan, step: Step, reference: SecretReference) -> list[PlannedVariable]:
    """Return the variables that read the secret."""
    return [variable for variable in plan.variables if variable.step == step.name and variable.reference == reference]


async def investigate_message(
    plan: Plan, store: str, text: str, evidence: Evidence, runtime: Runtime, cached: Mapping[str, Credentials]
) -> list[RefusalFinding]:
    """Explain a refusal from the error message that another program printed.

    `store` is the store whose session the program used, "" for the base credentials; `cached` as for `investigate`.
    """
    step = _program_call(plan, store, runtime)
    printed = None if names_denial(text) else read_credential_error(text)
    if printed is not None:
        credentials = None if store else ambient_from_environment(runtime.environ)
        return [credential_finding(printed, text, step, ProgramView(runtime.environ, step.region, credentials))]
    client = make_client(runtime)
    resolver = Resolver(plan, runtime, client, _cache_with(cached, plan, runtime))
    sessions: dict[str, Credentials] = {}
    failed: list[DsopsError] = []
    for name in plan.steps if store else ():
        # A session that can't be opened does not end the search: AWS may have refused exactly this one, and the others
        # are still useful.
        (outcome,) = await settle(resolver.credentials(name))
        if isinstance(outcome, DsopsError):
            failed.append(outcome)
        else:
            sessions[name] = outcome
    bases = {profile: await resolver.base(profile) for profile in plan.ambient}
    if failed and not sessions and not bases:
        raise failed[0]

    def edit_at(store: str, _key: str) -> Where:
        return plan.steps[store].where if store in plan.steps else Where("")

    investigator = Investigator(Chains(plan, client, sessions, bases), evidence, edit_at)
    return await investigator.explain_message(text, step)


def _program_call(plan: Plan, store: str, runtime: Runtime) -> Step:
    """Return a step that represents the call of the user's own program. dsops itself never makes this call."""
    region = (store and plan.steps[store].region) or base_region(runtime)
    endpoints = endpoints_of(runtime.environ, "", runtime.folder)
    return Step(
        "", STS_TYPE, {}, region or DEFAULT_REGION, store, "", Fingerprint(""), None, Where(""), endpoints=endpoints
    )

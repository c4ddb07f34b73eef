"""Check base credentials, stores and permissions by issuing sessions and reading secrets in parallel."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta

from dsops.aws.apis.sts import CallerIdentity, get_caller_identity
from dsops.aws.http.call import Client, make_client
from dsops.aws.http.clock import ServerProbe
from dsops.aws.identity.ambient import passed_over
from dsops.cache import CredentialCache
from dsops.credentials import OF_ENVIRONMENT, Credentials
from dsops.doctor.check import Check, failed
from dsops.doctor.network import look_at
from dsops.doctor.permissions import check_batches, check_trust
from dsops.endpoint import Endpoint
from dsops.errors import DsopsError
from dsops.plan import Plan, PlannedVariable, SecretReference, Step
from dsops.resolve import MISSING, Resolver, Trial
from dsops.resolve.base import base_endpoint, base_source
from dsops.runtime import PartCount, Runtime
from dsops.secret import Secret
from dsops.startup import NamedTuple
from dsops.tasks import gather, settle, spawn
from dsops.text import counted, duration_text

CODES = {
    "doctor.base-credentials": "AWS accepts the credentials that sign the first hop, and they do not expire soon",
    "doctor.store": "the store issues its session, and returns every secret that is read from it",
}
"""Maps the code of each check to the statement that is true if the check is ok."""

_SOON = timedelta(minutes=15)


class StoreProbe(NamedTuple):
    """The results of calling AWS."""

    glances: list[ServerProbe | DsopsError]
    """For each endpoint, in order: the server's answer, or the error."""
    checks: list[Check]
    """The checks of base credentials, then the checks of stores, then the checks of permissions."""


class _Examination(NamedTuple):
    """An environment's plan, and the resolver that executes it."""

    plan: Plan
    resolver: Resolver


async def try_all(plans: Sequence[Plan], endpoints: Sequence[Endpoint], runtime: Runtime) -> StoreProbe:
    """Call every endpoint, issue every session and read every secret. Environments share one cache."""
    client, cache = make_client(runtime), CredentialCache(runtime.now, is_of_one_run=True)
    servers, environments = counted(len(endpoints), "server"), counted(len(plans), "plan")
    parts = PartCount(runtime.report, "checks.made", f"{servers} and {environments}", len(endpoints) + len(plans))
    looking = await spawn(look_at(endpoints, client, parts))
    examinations = [_Examination(plan, Resolver(plan, runtime, client, cache)) for plan in plans]
    checks: dict[tuple[str, str], Check] = {}
    for store_checks in await gather(*[_try_all_of(examined, client, cache, parts) for examined in examinations]):
        for check in store_checks:
            checks.setdefault((check.code, check.name), check)
    order = ("doctor.base-credentials", "doctor.store", "doctor.batch", "doctor.trust-policy")
    return StoreProbe(await looking, sorted(checks.values(), key=lambda check: order.index(check.code)))


async def _try_all_of(examined: _Examination, client: Client, cache: CredentialCache, parts: PartCount) -> list[Check]:
    """Return a check for each base identity and for each store of the plan. All are tried in parallel."""
    bases = list(examined.plan.ambient)
    regions = {profile: ambient.region for profile, ambient in examined.plan.ambient.items() if profile}
    asking = [_ask(examined.resolver, profile, regions.get(profile, ""), client) for profile in bases]
    trying = await spawn(examined.resolver.trial())
    bases_by_profile = dict(zip(bases, await settle(*asking), strict=True))
    trial = await trying
    parts.add()
    return [
        *[_base_check(profile, base, client.runtime) for profile, base in bases_by_profile.items()],
        *_store_checks(examined.plan, trial, bases_by_profile, client.runtime),
        *check_batches(examined.plan, cache.memory),
        *check_trust(examined.plan, trial.sessions),
    ]


class _Base(NamedTuple):
    """Base credentials, and the caller identity that AWS returned for them."""

    credentials: Credentials
    identity: CallerIdentity


async def _ask(resolver: Resolver, profile: str, region: str, client: Client) -> _Base:
    """Ask STS for the identity of a profile's base credentials.

    `region` is the profile's region. Its partition (such as `aws-cn`) may differ from the environment's.
    """
    credentials = await resolver.base(profile)
    endpoint = base_endpoint(client.runtime, region, profile)
    return _Base(credentials, await get_caller_identity(client, credentials, endpoint))


def _base_check(profile: str, base: _Base | DsopsError, runtime: Runtime) -> Check:
    name = base_name(profile)
    if isinstance(base, DsopsError):
        return failed("doctor.base-credentials", name, base)
    credentials, identity = base
    source = base_source(credentials.source, identity.arn)
    other = passed_over(runtime.environ) if source == OF_ENVIRONMENT else ""
    detail = f"{identity.arn} from {source}{_time_left(credentials, runtime)}" + (f"; {other}" if other else "")
    # Only credentials in environment variables can't be renewed.
    if source == OF_ENVIRONMENT and credentials.seconds_left(runtime.now()) < _SOON.total_seconds():
        why, hint = "credentials in environment variables can't be renewed", "put a newer session into the environment"
        return Check("doctor.base-credentials", name, "warning", detail, why, hint)
    return Check("doctor.base-credentials", name, "ok", detail)


def _store_checks(
    plan: Plan, trial: Trial, bases_by_profile: Mapping[str, _Base | DsopsError], runtime: Runtime
) -> Iterator[Check]:
    """Yield a check for each store.

    The check is `skipped` if the store failed only because the credentials that it uses failed.
    """
    culprits: dict[int, str] = {}
    variables = plan.variables_by_step()
    for step in plan.steps.values():
        session = trial.sessions.get(step.name)
        outcomes = _without_optional(variables.get(step.name, ()), trial.outcomes.get(step.name))
        name = f"store {step.name}" + ("" if outcomes is None else f" ({plan.environment})")
        # If the check reads nothing from a store, the store gets the outcome of the session that would read it.
        below = trial.sessions.get(step.credentials_from) if outcomes is None else None
        errors = _errors(session, outcomes) or _errors(below, None)
        base = None if step.credentials_from or step.proof is not None else bases_by_profile.get(step.profile)
        if errors and isinstance(base, DsopsError) and errors[0].code == base.code:
            culprits.setdefault(id(errors[0]), base_name(step.profile))
        culprit = culprits.get(id(errors[0])) if errors else None
        if culprit:
            culprits[id(errors[0])] = f"store {step.name}"
            yield Check("doctor.store", name, "skipped", f"needs {culprit}")
        elif errors:
            culprits.update((id(error), f"store {step.name}") for error in errors)
            yield failed("doctor.store", name, errors[0])._replace(errors=errors)
        else:
            yield Check("doctor.store", name, "ok", _detail(step, session, outcomes, runtime))


_Outcomes = Mapping[SecretReference, Secret | DsopsError] | DsopsError | None


def _without_optional(variables: Iterable[PlannedVariable], outcomes: _Outcomes) -> _Outcomes:
    """Return the outcomes, except those of missing secrets with a `default` or `optional`."""
    if not isinstance(outcomes, Mapping):
        return outcomes
    needed = {variable.reference for variable in variables if variable.default is None and not variable.optional}
    return {
        reference: outcome
        for reference, outcome in outcomes.items()
        if reference in needed or not isinstance(outcome, MISSING)
    }


def _errors(session: Credentials | DsopsError | None, outcomes: _Outcomes) -> tuple[DsopsError, ...]:
    """Return the errors of a store, without repetition."""
    if isinstance(session, DsopsError):
        return (session,)
    if isinstance(outcomes, DsopsError):
        return (outcomes,)
    errors = [outcome for outcome in (outcomes or {}).values() if isinstance(outcome, DsopsError)]
    return tuple({id(error): error for error in errors}.values())


def _detail(step: Step, session: Credentials | DsopsError | None, outcomes: _Outcomes, runtime: Runtime) -> str:
    """Describe the session that a store issued, and how many secrets were read; contains no secret values."""
    parts = []
    if isinstance(session, Credentials):
        parts.append(f"{step.session_source} gave {session.arn or session.masked_key_id}{_time_left(session, runtime)}")
    if isinstance(outcomes, Mapping):
        parts.append(f"{counted(len(outcomes), 'secret')} read")
    return ", ".join(parts) or "no variable reads from it"


def _time_left(credentials: Credentials, runtime: Runtime) -> str:
    if not credentials.expiration_text:
        return ""
    return f", {duration_text(int(credentials.seconds_left(runtime.now())))} left"


def base_name(profile: str) -> str:
    """Return the name of the check of a profile's base credentials. `profile` is "" if no profile is used."""
    return f"base credentials of profile {profile}" if profile else "base credentials"

"""`dsops doctor`: everything that an environment needs, tried for real and side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from dsops.aws.ambient import OF_ENVIRONMENT, passed_over
from dsops.aws.client import Client, make_client
from dsops.aws.sts import Identity, get_caller_identity
from dsops.cache import CredentialCache
from dsops.cli.command import CONFIG, ENVIRONMENT, NO_AGENT, Arguments, Command
from dsops.cli.output import Json, answer, answer_json, counted, error_text, error_value, table
from dsops.cli.plan import operation
from dsops.cli.project import base_identity, carry_out, load_config, plan_named, plan_one_store, shown_path
from dsops.cli.whoami import base_endpoint, base_source, duration_text
from dsops.cli.world import DONE
from dsops.credentials import Credentials
from dsops.errors import CheckFailed, ConfigError, DsopsError, SessionForNothing, VariableUnset
from dsops.model import Config, Environment
from dsops.plan import Plan, SecretReference, Step
from dsops.resolve import MISSING, Resolver, Trial
from dsops.runtime import Runtime
from dsops.secret import Secret
from dsops.startup import NamedTuple
from dsops.tasks import gather, settle, spawn

Status = Literal["ok", "failed", "skipped"]


class Check(NamedTuple):
    """One thing that was tried."""

    name: str
    status: Status
    detail: str = ""
    errors: tuple[DsopsError, ...] = ()
    """Why it failed."""


class Examination(NamedTuple):
    """Everything of one environment that can be tried."""

    plan: Plan
    resolver: Resolver


def _run(arguments: Arguments, runtime: Runtime) -> int:
    checks = list(_examine(arguments, runtime))
    runtime.report(DONE)
    # What was skipped needs something that failed, or is used by nobody.
    is_healthy = all(check.status != "failed" for check in checks)
    if arguments.switch("--json"):
        answer_json({"is_healthy": is_healthy, "checks": [_check_value(check) for check in checks]})
    else:
        answer(table(("CHECK", "STATUS", "DETAIL"), [(check.name, check.status, check.detail) for check in checks]))
        for error in {id(error): error for check in checks for error in check.errors}.values():
            answer(f"\n{error_text(error)}")
    return 0 if is_healthy else CheckFailed.exit_code


def _examine(arguments: Arguments, runtime: Runtime) -> Iterator[Check]:
    """The checks in the order in which a run would come to them."""
    plans: list[Plan] = []
    try:
        config = load_config(arguments, runtime)
    except ConfigError as error:
        yield Check("configuration", "failed", error.message, (error,))
    else:
        sizes = f"{counted(len(config.stores), 'store')}, {counted(len(config.environments), 'environment')}"
        yield Check("configuration", "ok", f"{shown_path(config, runtime)}: {sizes}")
        named = arguments.text("--env")
        for name in [named] if named else config.environments:
            try:
                plans.append(plan_named(config, name, runtime))
            except ConfigError as error:
                yield Check(f"environment {name}", "failed", error.message, (error,))
            else:
                yield Check(f"environment {name}", "ok", counted(len(plans[-1].variables), "variable"))
        if not named:
            yield from _plan_the_rest(config, plans, runtime)
    yield from carry_out(_try(plans, runtime), runtime)


def _plan_the_rest(config: Config, plans: list[Plan], runtime: Runtime) -> Iterator[Check]:
    """Adds plans for the stores that no environment uses; one whose variables are not set harms nobody."""
    used = {name for environment in config.environments.values() for name in _stores_of(environment)}
    used.update(name for plan in plans for name in plan.steps)
    for name in config.stores:
        if name in used:
            continue
        try:
            plan = plan_one_store(config, name, runtime, shows_notes=False)
        except (VariableUnset, SessionForNothing) as error:
            yield Check(f"store {name}", "skipped", "; ".join(problem.message for problem in error.problems))
        except ConfigError as error:
            yield Check(f"store {name}", "failed", error.message, (error,))
        else:
            plans.append(plan)
            used.update(plan.steps)


def _stores_of(environment: Environment) -> Iterator[str]:
    """Those that its variables read from, also where it could not be planned."""
    for variable in environment.variables.values():
        if variable.reference is not None:
            yield variable.reference.store


async def _try(plans: list[Plan], runtime: Runtime) -> list[Check]:
    """Signs, assumes and reads; what several environments share is done once, through one cache."""
    client, cache = make_client(runtime), CredentialCache(runtime.now, is_of_one_run=True)
    plans = plans or [Plan("", (), {}, {"": base_identity(runtime)}, 0, ())]
    examinations = [Examination(plan, Resolver(plan, runtime, client, cache)) for plan in plans]
    checks: dict[str, Check] = {}
    for found in await gather(*[_try_all_of(each, client) for each in examinations]):
        for check in found:
            checks.setdefault(check.name, check)
    return list(checks.values())


async def _try_all_of(examined: Examination, client: Client) -> list[Check]:
    """One check for each base identity of the plan, and one for each of its stores, tried side by side."""
    bases = list(examined.plan.ambient)
    regions = {profile: ambient.region for profile, ambient in examined.plan.ambient.items() if profile}
    asking = [_ask(examined.resolver, profile, regions.get(profile, ""), client) for profile in bases]
    trial = await spawn(examined.resolver.trial())
    asked = dict(zip(bases, await settle(*asking), strict=True))
    return [
        *[_base_check(profile, found, client.runtime) for profile, found in asked.items()],
        *_store_checks(examined.plan, await trial, asked, client.runtime),
    ]


class Base(NamedTuple):
    """Base credentials, and whose they are."""

    credentials: Credentials
    identity: Identity


async def _ask(resolver: Resolver, profile: str, region: str, client: Client) -> Base:
    """`region` is the profile's: its credentials may be of another partition than the environment's region."""
    credentials = await resolver.base(profile)
    endpoint = base_endpoint(client.runtime, region, profile)
    return Base(credentials, await get_caller_identity(client, credentials, endpoint))


def _base_check(profile: str, found: Base | DsopsError, runtime: Runtime) -> Check:
    if isinstance(found, DsopsError):
        return Check(_base_name(profile), "failed", found.message, (found,))
    source = base_source(found.credentials.source, found.identity.arn)
    other = passed_over(runtime.environ) if source == OF_ENVIRONMENT else ""
    detail = f"{found.identity.arn} from {source}{_left(found.credentials, runtime)}" + (f"; {other}" if other else "")
    return Check(_base_name(profile), "ok", detail)


def _store_checks(
    plan: Plan, trial: Trial, asked: Mapping[str, Base | DsopsError], runtime: Runtime
) -> Iterator[Check]:
    """What became of each store; one that failed only because of what it needs is skipped, and says what that is."""
    culprits: dict[int, str] = {}
    for step in plan.steps.values():
        session, outcomes = trial.sessions.get(step.name), _that_count(plan, step, trial.outcomes.get(step.name))
        name = f"store {step.name}" + ("" if outcomes is None else f" ({plan.environment})")
        # A store that nothing reads from is as good as the session that it would read with.
        below = trial.sessions.get(step.credentials_from) if outcomes is None else None
        errors = _errors(session, outcomes) or _errors(below, None)
        base = None if step.credentials_from or step.proof is not None else asked.get(step.profile)
        if errors and isinstance(base, DsopsError) and errors[0].code == base.code:
            culprits.setdefault(id(errors[0]), _base_name(step.profile))
        culprit = culprits.get(id(errors[0])) if errors else None
        if culprit:
            culprits[id(errors[0])] = f"store {step.name}"
            yield Check(name, "skipped", f"needs {culprit}")
        elif errors:
            culprits.update((id(error), f"store {step.name}") for error in errors)
            yield Check(name, "failed", errors[0].message, errors)
        else:
            yield Check(name, "ok", _detail(step, session, outcomes, runtime))


_Outcomes = Mapping[SecretReference, Secret | DsopsError] | DsopsError | None


def _that_count(plan: Plan, step: Step, outcomes: _Outcomes) -> _Outcomes:
    """Without what may be missing, and is: `default` and `optional` are for that."""
    if not isinstance(outcomes, Mapping):
        return outcomes
    of_step = [variable for variable in plan.variables if variable.step == step.name]
    needed = {each.reference for each in of_step if each.default is None and not each.optional}
    return {
        reference: outcome
        for reference, outcome in outcomes.items()
        if reference in needed or not isinstance(outcome, MISSING)
    }


def _errors(session: Credentials | DsopsError | None, outcomes: _Outcomes) -> tuple[DsopsError, ...]:
    """What went wrong with a store, each error once."""
    if isinstance(session, DsopsError):
        return (session,)
    if isinstance(outcomes, DsopsError):
        return (outcomes,)
    found = [each for each in (outcomes or {}).values() if isinstance(each, DsopsError)]
    return tuple({id(error): error for error in found}.values())


def _detail(step: Step, session: Credentials | DsopsError | None, outcomes: _Outcomes, runtime: Runtime) -> str:
    """What a store gave: never a value."""
    parts = []
    if isinstance(session, Credentials):
        parts.append(f"{operation(step)} gave {session.arn or session.masked_key_id}{_left(session, runtime)}")
    if isinstance(outcomes, Mapping):
        parts.append(f"{counted(len(outcomes), 'secret')} read")
    return ", ".join(parts) or "no variable reads from it"


def _left(credentials: Credentials, runtime: Runtime) -> str:
    if not credentials.expiration_text:
        return ""
    return f", {duration_text(int(credentials.seconds_left(runtime.now())))} left"


def _base_name(profile: str) -> str:
    return f"base credentials of profile {profile}" if profile else "base credentials"


def _check_value(check: Check) -> Json:
    return {
        "name": check.name,
        "status": check.status,
        "detail": check.detail,
        "errors": [error_value(error) for error in check.errors],
    }


COMMAND = Command(
    help=(
        "Tries everything that an environment needs (all environments and stores, when none is named): the\n"
        "configuration, the base credentials, every hop and every secret, side by side. The exit code is 6\n"
        "when something is broken."
    ),
    run=_run,
    flags=(CONFIG, ENVIRONMENT, NO_AGENT),
)

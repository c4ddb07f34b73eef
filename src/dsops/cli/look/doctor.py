"""`dsops doctor`: everything that an environment needs, tried for real and side by side."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from dsops.cli.framework.command import CONFIG, ENVIRONMENT, NO_AGENT, REASON, Arguments, Command, Flag
from dsops.cli.framework.output import (
    Json,
    answer,
    answer_json,
    clean,
    counted,
    error_text,
    error_value,
    next_step_of,
    note,
    table,
)
from dsops.cli.framework.project import permitted, read_config, shown_path
from dsops.cli.framework.world import DONE
from dsops.cli.look.doctor_stores import base_name, try_all
from dsops.cli.look.whoami import base_endpoint
from dsops.doctor.agent import check_agent
from dsops.doctor.check import Check, attributed, failed
from dsops.doctor.files import check_files, watched_files
from dsops.doctor.keyring import check_keyring
from dsops.doctor.logins import check_logins
from dsops.doctor.mend import Repair, agent_repairs, file_repairs, mend
from dsops.doctor.network import check_certificates, check_clock, check_endpoints, check_proxies, endpoints_of_plan
from dsops.endpoint import Endpoint
from dsops.errors import CheckFailed, ConfigError, DsopsError, SessionForNothing, VariableUnset
from dsops.model import Config, Environment
from dsops.pipeline.execution import carry_out
from dsops.pipeline.plans import base_identity, plan_named, plan_of_session
from dsops.plan import Plan, Step
from dsops.runtime import Runtime
from dsops.startup import NamedTuple


class _Fix(NamedTuple):
    """What `--fix` did, or why it could not."""

    repair: Repair
    problem: str


class _Patient(NamedTuple):
    """What there is to look at."""

    config: Config | None
    """None where it can't be read."""
    plans: list[Plan]
    checks: list[Check]
    """Of making them."""

    @property
    def steps(self) -> list[Step]:
        """Every store of every plan, each once."""
        return list({step.name: step for plan in self.plans for step in plan.steps.values()}.values())


def _run(arguments: Arguments, runtime: Runtime) -> int:
    patient = _admit(arguments, runtime)
    fixes = list(_mend(patient, runtime)) if arguments.switch("--fix") else []
    if fixes and not patient.plans:
        patient = _admit(arguments, runtime)  # a file that others could write was not tried
    config = arguments.text(CONFIG.name)
    checks = [_with_next_step(check, config) for check in attributed(_examine(patient, arguments, runtime))]
    runtime.report(DONE)
    # What was skipped needs something that failed, or is used by nobody.
    is_healthy = all(check.status != "failed" for check in checks)
    if arguments.switch("--json"):
        answer_json(
            {
                "is_healthy": is_healthy,
                "fixes": [_fix_value(fix) for fix in fixes],
                "checks": [_check_value(check, config) for check in checks],
            }
        )
    else:
        _show(checks, config)
    return 0 if is_healthy else CheckFailed.exit_code


def _with_next_step(check: Check, config: str) -> Check:
    """Where the hint is the command that looks for the reason, it is about the configuration that was named."""
    if check.code != "doctor.store" or not check.errors:
        return check
    return check._replace(hint=next_step_of(check.errors[0], config=config) or check.hint)


def _show(checks: list[Check], config: str) -> None:
    answer(table(("CHECK", "STATUS", "DETAIL"), [(check.name, check.status, check.detail) for check in checks]))
    for check in checks:
        if check.status == "warning" or (check.status == "failed" and not check.errors):
            answer(f"\n{_finding_text(check)}")
    for text in dict.fromkeys(_error_text(check, error, config) for check in checks for error in check.errors):
        answer(f"\n{text}")


def _error_text(check: Check, error: DsopsError, config: str) -> str:
    """The error as every command tells it, and what to type next where the check knows more."""
    text = error_text(error, config=config)
    is_told = check.hint in ("", next_step_of(error, config=config), *[each.hint for each in check.errors])
    return text if is_told else f"{text}\n  next: {clean(check.hint)}"


def _finding_text(check: Check) -> str:
    """What is found without an error of a run, in the form of one."""
    lines = [f"dsops: {check.status}[{check.code}]: {clean(check.name)}: {clean(check.detail)}"]
    lines += [f"  why: {clean(check.why)}"] if check.why else []
    lines += [f"  hint: {clean(check.hint)}"] if check.hint else []
    return "\n".join(lines)


# --- what there is ------------------------------------------------------------------------------------------


def _admit(arguments: Arguments, runtime: Runtime) -> _Patient:
    """The configuration and its plans, in the order in which a run would come to them."""
    plans: list[Plan] = []
    try:
        config = read_config(arguments, runtime)
    except ConfigError as error:
        return _Patient(None, plans, [failed("doctor.configuration", "configuration", error)])
    try:
        config = permitted(config, runtime)
    except ConfigError as error:  # its files are looked at, and nothing of it is tried
        return _Patient(config, plans, [failed("doctor.configuration", "configuration", error)])
    sizes = f"{counted(len(config.stores), 'store')}, {counted(len(config.environments), 'environment')}"
    checks = [Check("doctor.configuration", "configuration", "ok", f"{shown_path(config, runtime)}: {sizes}")]
    named = arguments.text("--env")
    for name in [named] if named else config.environments:
        try:
            plans.append(plan_named(config, name, runtime))
        except DsopsError as error:
            checks.append(failed("doctor.environment", f"environment {name}", error))
        else:
            variables = counted(len(plans[-1].variables), "variable")
            checks.append(Check("doctor.environment", f"environment {name}", "ok", variables))
    if not named:
        checks += _plan_the_rest(config, plans, runtime)
    return _Patient(config, plans, checks)


def _plan_the_rest(config: Config, plans: list[Plan], runtime: Runtime) -> Iterator[Check]:
    """Adds plans for the stores that no environment uses; one whose variables are not set harms nobody."""
    used = {name for environment in config.environments.values() for name in _stores_of(environment)}
    used.update(name for plan in plans for name in plan.steps)
    for name in config.stores:
        if name in used:
            continue
        try:
            plan = plan_of_session(config, name, runtime)
        except (VariableUnset, SessionForNothing) as error:
            detail = "; ".join(problem.message for problem in error.problems)
            yield Check("doctor.store", f"store {name}", "skipped", detail)
        except DsopsError as error:
            yield failed("doctor.store", f"store {name}", error)
        else:
            plans.append(plan)
            used.update(plan.steps)


def _stores_of(environment: Environment) -> Iterator[str]:
    """Those that its variables read from, also where it could not be planned."""
    for variable in environment.variables.values():
        if variable.reference is not None:
            yield variable.reference.store


# --- what is looked at --------------------------------------------------------------------------------------


def _examine(patient: _Patient, arguments: Arguments, runtime: Runtime) -> Iterator[Check]:
    """The checks: what can be told on this machine first, then what AWS says."""
    environ, steps, plans = runtime.environ, patient.steps, patient.plans
    yield from patient.checks
    watched = watched_files(_files_of(patient.config), steps, environ, runtime.folder)
    yield from check_files(watched, runtime.folder)
    unreadable: list[Check] = []
    if not plans:
        try:
            plans = [Plan("", (), {}, {"": base_identity(runtime)}, 0, ())]
        except DsopsError as error:
            unreadable.append(failed("doctor.base-credentials", base_name(""), error))
    endpoints = _endpoints(plans, runtime)
    yield check_certificates(endpoints, environ, runtime.folder)
    yield check_proxies(endpoints, environ)
    found = carry_out(try_all(plans, endpoints, runtime), runtime)
    yield check_clock(endpoints, found.glances)
    is_all_well = bool(found.checks) and not any(check.errors for check in found.checks)
    yield from check_endpoints(endpoints, found.glances, runtime.now(), is_all_well=is_all_well)
    yield from check_agent(environ, is_refused=arguments.switch("--no-agent"))
    yield check_keyring(steps, environ)
    yield from check_logins(steps, runtime)
    yield from (*unreadable, *found.checks)


def _files_of(config: Config | None) -> list[str]:
    return [file.path for file in config.files] if config is not None else []


def _endpoints(plans: list[Plan], runtime: Runtime) -> list[Endpoint]:
    """Every server that will be called, each once; STS, where the base credentials are at home, first.

    One that answers for several services is one server.
    """
    found: dict[str, Endpoint] = {}
    for plan in plans:
        try:
            homes = [(ambient.region if profile else "", profile) for profile, ambient in plan.ambient.items()]
            at_home = [base_endpoint(runtime, region, profile) for region, profile in homes]
        except DsopsError:
            at_home = []  # the base credentials' own check tells
        for endpoint in (*at_home, *endpoints_of_plan(plan, runtime)):
            found.setdefault(endpoint.url, endpoint)
    return list(found.values())


# --- what is mended -----------------------------------------------------------------------------------------


def _mend(patient: _Patient, runtime: Runtime) -> Iterator[_Fix]:
    """Mends what can be mended safely, and tells of each thing before and after."""
    environ = runtime.environ
    watched = watched_files(_files_of(patient.config), patient.steps, environ, runtime.folder)
    # One after the other: sockets are believed in a folder that was closed before.
    for repair in chain(file_repairs(watched), agent_repairs(environ)):
        note(f"{repair.path}: {repair.before}; mending it")
        problem = mend(repair)
        note(f"{repair.path}: left as it is: {problem}" if problem else f"{repair.path}: {repair.after}")
        yield _Fix(repair, problem)


def _fix_value(fix: _Fix) -> Json:
    return {
        "code": fix.repair.code,
        "path": fix.repair.path,
        "before": fix.repair.before,
        "after": fix.repair.after if not fix.problem else fix.repair.before,
        "problem": fix.problem or None,
    }


def _check_value(check: Check, config: str) -> Json:
    return {
        "code": check.code,
        "name": check.name,
        "status": check.status,
        "detail": check.detail,
        "why": check.why or None,
        "hint": check.hint or None,
        "errors": [error_value(error, config=config) for error in check.errors],
    }


COMMAND = Command(
    help=(
        "Tries everything that an environment needs (all environments and stores, when none is named): the\n"
        "configuration, files and their modes, clock, proxies, certificates, servers, the agent, the base\n"
        "credentials, every hop and every secret, side by side. The exit code is 6 when something is broken\n"
        "that a run needs; a warning breaks none. Nobody is asked anything, but for the MFA code of a store."
    ),
    run=_run,
    flags=(
        CONFIG,
        ENVIRONMENT,
        NO_AGENT,
        REASON,
        Flag(
            "--fix",
            "first mend what is safe to mend: modes of your own files and folders, what is left of old agents",
            "switch",
        ),
    ),
)

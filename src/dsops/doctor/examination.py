"""Runs every check of `dsops doctor`: first the checks of this machine, then those that call AWS."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence

from dsops.doctor import agent, certificates, files, installation, keyring, logins, network, permissions, stores
from dsops.doctor.agent import check_agent
from dsops.doctor.certificates import check_machine_certificates
from dsops.doctor.check import Check, attributed, failed
from dsops.doctor.files import Watched, check_files, watched_files
from dsops.doctor.installation import check_installations
from dsops.doctor.keyring import check_keyring
from dsops.doctor.logins import check_logins
from dsops.doctor.network import check_certificates, check_clock, check_endpoints, check_proxies, endpoints_of_plan
from dsops.doctor.stores import base_name, try_all
from dsops.endpoint import Endpoint
from dsops.errors import DsopsError, SessionForNothing, VariableUnset
from dsops.model import Config, Environment
from dsops.plan import Plan, Step
from dsops.resolve import ambient_of
from dsops.resolve.base import base_endpoint
from dsops.runtime import Runtime
from dsops.startup import NamedTuple
from dsops.text import counted

_OWN_CODES = {
    "doctor.configuration": "the configuration is found and can be read",
    "doctor.environment": "a plan can be made for the environment",
}
CODES: Mapping[str, str] = {
    **_OWN_CODES,
    **files.CODES,
    **network.CODES,
    **stores.CODES,
    **permissions.CODES,
    **agent.CODES,
    **logins.CODES,
    **certificates.CODES,
    **keyring.CODES,
    **installation.CODES,
}
"""Maps the code of every check to the statement that is true if the check is ok.

To add a check module, list its CODES here and call it in `examine`.
"""


class Subject(NamedTuple):
    """What the checks examine: a configuration and its plans."""

    config: Config | None
    """The configuration; None if it can't be read."""
    plans: list[Plan]
    checks: list[Check]
    """Checks that say whether the configuration could be read, and whether each plan could be made."""
    logins: Sequence[Step] = ()
    """Logins to IAM Identity Center to check in addition to the logins that stores use."""

    @property
    def steps(self) -> list[Step]:
        """All stores that the plans use, without repetition."""
        return list({step.name: step for plan in self.plans for step in plan.steps.values()}.values())


def plan_all(
    config: Config, named: str, plan_environment: Callable[[str], Plan], plan_store: Callable[[str], Plan]
) -> tuple[list[Plan], list[Check]]:
    """Plan the environment `named`. If `named` is "", plan all environments and the stores that no environment uses.

    Returns the plans, and a check for each plan.
    """
    plans: list[Plan] = []
    checks: list[Check] = []
    for name in [named] if named else config.environments:
        try:
            plans.append(plan_environment(name))
        except DsopsError as error:
            checks.append(failed("doctor.environment", f"environment {name}", error))
        else:
            variables = counted(len(plans[-1].variables), "variable")
            checks.append(Check("doctor.environment", f"environment {name}", "ok", variables))
    if not named:
        checks += _plan_unused_stores(config, plans, plan_store)
    return plans, checks


def _plan_unused_stores(config: Config, plans: list[Plan], plan_store: Callable[[str], Plan]) -> Iterator[Check]:
    """Add a plan for each store that no environment uses; yield a check for each of these stores.

    If the store refers to an unset environment variable, its check is skipped and does not fail.
    """
    used = {name for environment in config.environments.values() for name in _stores_of(environment)}
    used.update(name for plan in plans for name in plan.steps)
    for name in config.stores:
        if name in used:
            continue
        try:
            plan = plan_store(name)
        except (VariableUnset, SessionForNothing) as error:
            detail = "; ".join(problem.message for problem in error.problems)
            yield Check("doctor.store", f"store {name}", "skipped", detail)
        except DsopsError as error:
            yield failed("doctor.store", f"store {name}", error)
        else:
            plans.append(plan)
            used.update(plan.steps)


def _stores_of(environment: Environment) -> Iterator[str]:
    """Yield the stores that the environment's variables read from, even if the environment has no plan."""
    for variable in environment.variables.values():
        if variable.reference is not None:
            yield variable.reference.store


async def examine(subject: Subject, runtime: Runtime, *, is_agent_refused: bool) -> list[Check]:
    """Run all checks. If several failed for the same reason, only the first counts as failed."""
    environ, steps, plans = runtime.environ, subject.steps, subject.plans
    checks = [*subject.checks, *check_files(files_of(subject, runtime), environ, runtime.folder)]
    no_base: list[Check] = []
    if not plans:
        try:
            ambient = ambient_of(environ, os.urandom(32), runtime.folder)("")
            plans = [Plan("", (), {}, {"": ambient}, 0, ())]
        except DsopsError as error:
            no_base.append(failed("doctor.base-credentials", base_name(""), error))
    endpoints = _endpoints(plans, runtime)
    checks += [check_certificates(endpoints, environ, runtime.folder), check_proxies(endpoints, environ)]
    probe = await try_all(plans, endpoints, runtime)
    checks.append(check_clock(endpoints, probe.glances))
    is_all_well = bool(probe.checks) and not any(check.errors for check in probe.checks)
    checks += check_endpoints(endpoints, probe.glances, runtime.now(), is_all_well=is_all_well)
    checks += [*check_installations(environ), *check_agent(environ, is_refused=is_agent_refused)]
    checks.append(check_keyring(steps, environ, runtime.folder))
    checks += [
        *check_logins([*steps, *subject.logins], runtime),
        *check_machine_certificates(steps, runtime),
        *no_base,
        *probe.checks,
    ]
    return list(attributed(checks))


def files_of(subject: Subject, runtime: Runtime) -> list[Watched]:
    """Return the files whose modes are checked: configuration files, and files that determine the caller."""
    configuration = [file.path for file in subject.config.files] if subject.config is not None else []
    return watched_files(configuration, subject.steps, runtime.environ, runtime.folder)


def _endpoints(plans: list[Plan], runtime: Runtime) -> list[Endpoint]:
    """Return every server that will be called, without repetition.

    The STS server in the base credentials' region is first. Services with the same endpoint URL count as one server.
    """
    by_url: dict[str, Endpoint] = {}
    for plan in plans:
        try:
            regions = [(ambient.region if profile else "", profile) for profile, ambient in plan.ambient.items()]
            base_endpoints = [base_endpoint(runtime, region, profile) for region, profile in regions]
        except DsopsError:
            base_endpoints = []  # the check of the base credentials reports this error
        for endpoint in (*base_endpoints, *endpoints_of_plan(plan, runtime)):
            by_url.setdefault(endpoint.url, endpoint)
    return list(by_url.values())

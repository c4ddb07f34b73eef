"""`dsops explain`: why a hop or a secret is refused, how sure that is, and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from dsops.cli.framework.command import CONFIG, ENVIRONMENT, REASON, Arguments, Command, Flag, Operand
from dsops.cli.framework.project import carry_out, environment_name, load_config, plan_named, plan_one_store, show_notes
from dsops.cli.framework.world import DONE
from dsops.cli.run.get import only
from dsops.errors import (
    CheckFailed,
    DsopsError,
    Failures,
    LimitExceeded,
    ServiceError,
    SessionForNothing,
    StoreUnknown,
    Where,
    nearest,
)
from dsops.model import Config, Environment
from dsops.plan import Plan, SecretReference, Step, region_of
from dsops.runtime import Runtime
from dsops.tasks import blocking, gather, settle

if TYPE_CHECKING:
    from dsops.credentials import Credentials
    from dsops.explain.evidence.library import Evidence
    from dsops.explain.finding import RefusalFinding
    from dsops.explain.findings.ask import Failure
    from dsops.resolve import Resolver, Trial

OPERAND = "VARIABLE|STORE"
_AT_ONCE = 10
"""Failures; each asks IAM for some policies, and IAM throttles."""

TRUST_POLICY = Flag(
    "--trust-policy",
    "the trust policy of a role that may not be read: ARN or store, and a file; may be repeated",
    value="ROLE=FILE",
    is_repeatable=True,
    own_variable="DSOPS_EXPLAIN_TRUST_POLICY",
)
POLICIES = Flag(
    "--policies",
    "users and roles with their policies: what `aws iam get-account-authorization-details` or `terraform show -json` "
    "prints, a CloudFormation template, or a sandbox's seed; may be repeated",
    value="FILE",
    is_repeatable=True,
    own_variable="DSOPS_EXPLAIN_POLICIES",
)

MESSAGE = Flag(
    "--message",
    "what some other program printed when AWS refused it, encoded or not; `-` is stdin",
    value="FILE",
    own_variable="DSOPS_EXPLAIN_MESSAGE",
)


def _run(arguments: Arguments, runtime: Runtime) -> int:
    from dsops.cli.look.explain_files import evidence_of
    from dsops.cli.look.explain_text import show

    if arguments.text(MESSAGE.name):
        from dsops.cli.look.explain_message import explain_message

        return explain_message(arguments, runtime)
    config = load_config(arguments, runtime)
    try:
        plan, about = _plan(config, arguments, runtime)
    except LimitExceeded as error:
        from dsops.explain.findings.refused import limit_findings

        runtime.report(DONE)
        show("", limit_findings(error), is_json=arguments.switch("--json"))
        return CheckFailed.exit_code
    evidence = evidence_of(
        plan.steps.values(), arguments.texts(POLICIES.name), arguments.texts(TRUST_POLICY.name), runtime
    )
    findings = carry_out(investigate(config, plan, evidence, runtime), runtime)
    runtime.report(DONE)
    show(about, findings, is_json=arguments.switch("--json"))
    return CheckFailed.exit_code if findings else 0


def _plan(config: Config, arguments: Arguments, runtime: Runtime) -> tuple[Plan, str]:
    """What is to be tried, and what that is called: an environment, one of its variables, or a store."""
    word = arguments.operand(OPERAND)
    if not word:
        name = environment_name(config, arguments)
        return _noted(plan_named(config, name, runtime)), f"environment {name}"
    environment = environment_of(config, arguments)
    name = environment.name if environment is not None else ""
    if environment is not None and word in environment.variables:
        return _noted(plan_named(only(config, name, word), name, runtime)), f"{word} of environment {name}"
    if word not in config.stores:
        known = [*(environment.variables if environment is not None else ()), *config.stores]
        meant = nearest(word, known)
        hint = f"did you mean `{meant}`?" if meant else f"it may be one of {', '.join(known)}"
        raise StoreUnknown(f"`{word}` is neither a variable of the environment nor a store", hint=hint)
    if environment is not None:
        read = {
            key: variable
            for key, variable in environment.variables.items()
            if variable.reference is not None and variable.reference.store == word
        }
        if read:
            alone = config._replace(environments={**config.environments, name: environment._replace(variables=read)})
            return _noted(plan_named(alone, name, runtime)), f"store {word} of environment {name}"
    plan = plan_of_store(config, word, environment, runtime)
    return plan, f"store {word} of environment {name}" if plan.environment else f"store {word}"


def environment_of(config: Config, arguments: Arguments) -> Environment | None:
    """The one that is named, or the default one, or the only one."""
    name = arguments.text("--env") or config.default_environment
    if not name and len(config.environments) == 1:
        name = next(iter(config.environments))
    return config.environments.get(name)


def plan_of_store(config: Config, store: str, environment: Environment | None, runtime: Runtime) -> Plan:
    """What it takes to get its session; its notes go to stderr.

    Where `session_policy: auto` decides what that may do, with what the environment reads through it. Raises
    SessionForNothing where that is nothing.
    """
    try:
        return plan_one_store(config, store, runtime)
    except SessionForNothing:
        if environment is None:
            raise
    whole = plan_named(config, environment.name, runtime, also=store)
    steps = {variable.name: variable.step for variable in whole.variables if variable.step}
    read = {name: environment.variables[name] for name, step in steps.items() if store in _chain(whole, step)}
    alone = {**config.environments, environment.name: environment._replace(variables=read)}
    return _noted(plan_named(config._replace(environments=alone), environment.name, runtime, also=store))


def _chain(plan: Plan, name: str) -> list[str]:
    """A step and those below it."""
    chain = []
    while name in plan.steps:
        chain.append(name)
        name = plan.steps[name].credentials_from
    return chain


def _noted(plan: Plan) -> Plan:
    show_notes(plan.notes)
    return plan


# --- trying it ----------------------------------------------------------------------------------------------


async def investigate(config: Config, plan: Plan, evidence: Evidence, runtime: Runtime) -> list[RefusalFinding]:
    """Tries all that the plan does, and explains what fails."""
    from dsops.aws.http.client import make_client
    from dsops.cache import CredentialCache
    from dsops.credentials import Credentials
    from dsops.explain.findings.answer import distinct
    from dsops.explain.findings.investigate import Investigator
    from dsops.explain.questions.chain import Chains
    from dsops.resolve import Resolver

    client, cache = make_client(runtime), CredentialCache(runtime.now, is_of_one_run=True)
    resolver = Resolver(plan, runtime, client, cache)
    trial = await resolver.trial()
    failures = list(_failures(plan, trial))
    errors = tuple(failure.error for failure in failures)
    if errors and all(isinstance(error, ServiceError) for error in errors):
        raise errors[0] if len(errors) == 1 else Failures(errors)
    sessions = {name: each for name, each in trial.sessions.items() if isinstance(each, Credentials)}
    bases = await _bases(plan, resolver, runtime) if failures else {}

    def edit_at(store: str, key: str) -> Where:
        written = config.stores.get(store)
        if written is None:  # an MFA session that the plan puts before several roles
            return plan.steps[store].where
        return written.fields[key].where if key in written.fields else written.where

    investigator = Investigator(Chains(plan, client, sessions, bases), evidence, edit_at)
    found: list[RefusalFinding] = []
    for start in range(0, len(failures), _AT_ONCE):
        part = failures[start : start + _AT_ONCE]
        found += [each for all_of in await gather(*[investigator.explain(one) for one in part]) for each in all_of]
    return distinct(found)


async def _bases(plan: Plan, resolver: Resolver, runtime: Runtime) -> Mapping[str, Credentials]:
    """The base credentials that are there, by profile; also where a token opens the first hop: they may read."""
    from dsops.aws.identity.ambient import load_ambient

    found: dict[str, Credentials] = {}
    if not plan.ambient:
        load = blocking(lambda: load_ambient(runtime.environ, runtime.folder, now=runtime.now()))
        (outcome,) = await settle(load)
        return {} if isinstance(outcome, DsopsError) else {"": outcome}
    for profile in plan.ambient:
        (outcome,) = await settle(resolver.base(profile))
        if not isinstance(outcome, DsopsError):
            found[profile] = outcome
    return found


def _failures(plan: Plan, trial: Trial) -> Iterator[Failure]:
    """What did not work, each once, in the order of the plan; what only lacks something that failed is none."""
    from dsops.explain.findings.ask import Failure

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
                of_it = [each for each in plan.variables if each.step == step.name and each.reference == reference]
                outcome.retell(outcome.message, where=outcome.where or of_it[0].where)
                yield Failure(step, outcome, reference.key, region_of(reference.key, step))


def _counts(plan: Plan, step: Step, reference: SecretReference, error: DsopsError) -> bool:
    """Whether somebody needs it: `default` and `optional` are for what is missing."""
    from dsops.resolve import MISSING

    if not isinstance(error, MISSING):
        return True
    of_it = [each for each in plan.variables if each.step == step.name and each.reference == reference]
    return any(each.default is None and not each.optional for each in of_it)


COMMAND = Command(
    help=(
        "Tries an environment (or one of its variables, or a store), and finds out why something is refused:\n"
        "the hop, the policy, the statement, what it wants and what the call has, and what to do. Reads\n"
        "what the callers of the chain may read themselves; what nobody here may read can be given as files.\n"
        "Says how sure it is: proven, likely, or which fact is missing and who can look it up. With --message\n"
        "it explains what another program was refused. The exit code is 6 when something was found."
    ),
    run=_run,
    flags=(CONFIG, ENVIRONMENT, REASON, TRUST_POLICY, POLICIES, MESSAGE),
    operands=(Operand(OPERAND, "a variable of the environment, or a store", is_required=False),),
)

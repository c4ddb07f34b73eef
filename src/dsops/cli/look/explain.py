"""`dsops explain`: why AWS refuses a hop or a secret, how certain that is, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dsops.cli.framework.command import CONFIG, ENVIRONMENT, NO_AGENT, PICK, REASON, Arguments, Command, Flag, Operand
from dsops.cli.framework.process_runtime import DONE
from dsops.cli.framework.project import agent_of, environment_name, load_config, plan_one_store, show_notes
from dsops.credentials import Credentials
from dsops.errors import (
    CheckFailed,
    ConfigNotFound,
    LimitExceeded,
    NoCredentials,
    SessionForNothing,
    StoreUnknown,
    listed,
    nearest,
)
from dsops.model import Config, Environment
from dsops.pipeline.configuration import only_variable
from dsops.pipeline.execution import carry_out
from dsops.pipeline.plans import base_identity, plan_named
from dsops.plan import Plan
from dsops.runtime import Runtime

if TYPE_CHECKING:
    from dsops.explain.evidence.library import Evidence

OPERAND = "VARIABLE|STORE"

TRUST_POLICY = Flag(
    "--trust-policy",
    "use the trust policy in FILE if you can't read the role in AWS; ROLE is an ARN or a store; may be repeated",
    value="ROLE=FILE",
    is_repeatable=True,
    own_variable="DSOPS_EXPLAIN_TRUST_POLICY",
)
POLICIES = Flag(
    "--policies",
    (
        "a file with users, roles and their policies: the output of `aws iam get-account-authorization-details` or "
        "`terraform show -json`, a CloudFormation template, or the seed of a sandbox; may be repeated"
    ),
    value="FILE",
    is_repeatable=True,
    own_variable="DSOPS_EXPLAIN_POLICIES",
)

MESSAGE = Flag(
    "--message",
    "explain the error output of another program, with a plain or encoded message; `-` is stdin",
    value="FILE",
    own_variable="DSOPS_EXPLAIN_MESSAGE",
)


def _run(arguments: Arguments, runtime: Runtime) -> int:
    from dsops.cli.look.explain_text import show
    from dsops.explain.findings.trial import investigate

    if arguments.text(MESSAGE.name):
        return _explain_message(arguments, runtime)
    word = arguments.operand(OPERAND)
    try:
        config = load_config(arguments, runtime, names=(word,) if word else ())
    except ConfigNotFound as error:
        error.missing = "" if word or arguments.text(CONFIG.name) else OPERAND
        raise
    try:
        plan, about = _plan(config, arguments, runtime)
    except LimitExceeded as error:
        from dsops.explain.findings.refused import limit_findings

        runtime.report(DONE)
        show("", limit_findings(error), is_json=arguments.switch("--json"))
        return CheckFailed.exit_code
    cached = _cached_sessions(plan, word if word in config.stores else "", arguments, runtime)
    findings = carry_out(investigate(config, plan, _evidence(plan, arguments, runtime), runtime, cached), runtime)
    runtime.report(DONE)
    show(about, findings, is_json=arguments.switch("--json"))
    return CheckFailed.exit_code if findings else 0


def _explain_message(arguments: Arguments, runtime: Runtime) -> int:
    """Explain an error that another program printed.

    Uses the policies that can be read with the base credentials or a store's session.
    """
    from dsops.cli.look.explain_text import show
    from dsops.explain.findings.trial import investigate_message
    from dsops.pipeline.policy_file import read_policy

    store = arguments.operand(OPERAND)
    text = read_policy(arguments.text(MESSAGE.name), runtime)
    if store:
        config = load_config(arguments, runtime, names=(store,))
        plan = _plan_of_store(config, store, _environment(config, arguments), runtime)
    else:
        plan = Plan("", (), {}, {"": base_identity(runtime)}, 0, ())
    evidence, cached = _evidence(plan, arguments, runtime), _cached_sessions(plan, store, arguments, runtime)
    try:
        findings = carry_out(investigate_message(plan, store, text, evidence, runtime, cached), runtime)
    except NoCredentials as error:
        if not store:
            hint = "if the program ran with a store's session, name the store: `dsops explain STORE --message FILE`"
            error.retell(error.message, hint=f"{hint}; else set AWS_PROFILE")
        raise
    runtime.report(DONE)
    show("the message", findings, is_json=arguments.switch("--json"))
    return CheckFailed.exit_code


def _cached_sessions(plan: Plan, store: str, arguments: Arguments, runtime: Runtime) -> Mapping[str, Credentials]:
    """Return the agent's sessions for the steps that send an MFA code, so that no code is needed again.

    Other steps are tried, because a cached session does not show whether AWS would still issue it.
    """
    agent = agent_of(plan, arguments, runtime) if any(step.asks_code for step in plan.steps.values()) else None
    return agent.cached(store, plan.environment) if agent is not None else {}


def _evidence(plan: Plan, arguments: Arguments, runtime: Runtime) -> Evidence:
    """Read the policies from the files that the flags name."""
    from dsops.cli.look.explain_files import evidence_of

    policy_files, trust_policies = arguments.texts(POLICIES.name), arguments.texts(TRUST_POLICY.name)
    return evidence_of(plan.steps.values(), policy_files, trust_policies, runtime)


def _plan(config: Config, arguments: Arguments, runtime: Runtime) -> tuple[Plan, str]:
    """Return the plan to try, and the name of the environment, variable or store for use in the answer."""
    word = arguments.operand(OPERAND)
    if not word:
        name = environment_name(config, arguments)
        return _noted(plan_named(config, name, runtime)), f"environment {name}"
    environment = _environment(config, arguments)
    name = environment.name if environment is not None else ""
    if environment is not None and word in environment.variables:
        return _noted(plan_named(only_variable(config, name, word), name, runtime)), f"{word} of environment {name}"
    if word not in config.stores:
        known_names = [*(environment.variables if environment is not None else ()), *config.stores]
        meant = nearest(word, known_names)
        hint = f"did you mean `{meant}`?" if meant else f"use one of {listed(known_names)}"
        raise StoreUnknown(f"`{word}` is neither a variable of the environment nor a store", hint=hint)
    if environment is not None:
        store_variables = {
            key: variable
            for key, variable in environment.variables.items()
            if variable.reference is not None and variable.reference.store == word
        }
        if store_variables:
            reduced_config = config._replace(
                environments={**config.environments, name: environment._replace(variables=store_variables)}
            )
            return _noted(plan_named(reduced_config, name, runtime)), f"store {word} of environment {name}"
    plan = _plan_of_store(config, word, environment, runtime)
    return plan, f"store {word} of environment {name}" if plan.environment else f"store {word}"


def _environment(config: Config, arguments: Arguments) -> Environment | None:
    """Return the named environment, or the default, or the only one; None if there are several and no default."""
    name = arguments.text("--env") or config.default_environment
    if not name and len(config.environments) == 1:
        name = next(iter(config.environments))
    return config.environments.get(name)


def _plan_of_store(config: Config, store: str, environment: Environment | None, runtime: Runtime) -> Plan:
    """Return the plan for the session of the store; shows its notes on stderr.

    With `session_policy: auto`, the plan has the variables that the environment reads through the store. Raises
    SessionForNothing if there are no such variables.
    """
    try:
        return plan_one_store(config, store, runtime)
    except SessionForNothing:
        if environment is None:
            raise
    full_plan = plan_named(config, environment.name, runtime, also=store)
    steps = {variable.name: variable.step for variable in full_plan.variables if variable.step}
    store_variables = {
        name: environment.variables[name] for name, step in steps.items() if store in _chain(full_plan, step)
    }
    reduced_environments = {**config.environments, environment.name: environment._replace(variables=store_variables)}
    return _noted(plan_named(config._replace(environments=reduced_environments), environment.name, runtime, also=store))


def _chain(plan: Plan, name: str) -> list[str]:
    """Return the named step, and the steps whose credentials it uses, directly or through other steps."""
    chain = []
    while name in plan.steps:
        chain.append(name)
        name = plan.steps[name].credentials_from
    return chain


def _noted(plan: Plan) -> Plan:
    show_notes(plan.notes)
    return plan


COMMAND = Command(
    help=(
        "Try an environment (or one of its variables, or a store) and find out why AWS refuses a request.\n"
        "\n"
        "The answer names the hop, the policy and the statement. It shows what the statement requires, what\n"
        "the call sent, and the next step. dsops reads the policies that the callers of the chain are allowed\n"
        "to read; pass other policies as files. The answer says how certain it is: proven, likely, or which\n"
        "fact is missing and who can look it up. With --message, dsops explains the error of another program.\n"
        "The exit code is 6 if a cause was found."
    ),
    run=_run,
    flags=(CONFIG, ENVIRONMENT, PICK, NO_AGENT, REASON, TRUST_POLICY, POLICIES, MESSAGE),
    operands=(Operand(OPERAND, "a variable of the selected environment in dsops.yaml, or a store", is_required=False),),
)

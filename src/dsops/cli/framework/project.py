"""The first steps of a command: load the configuration that its arguments name, plan it, and fetch values.

This module reads arguments and shows notes; the pipeline or the agent does the work.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping

from dsops.agent.client import is_wanted
from dsops.cli.framework.command import ENVIRONMENT, Arguments
from dsops.cli.framework.process_runtime import is_terminal
from dsops.config import Examined
from dsops.credentials import Credentials
from dsops.model import Config
from dsops.pipeline import configuration
from dsops.pipeline.execution import Pipeline
from dsops.pipeline.journal import record_run
from dsops.pipeline.plans import environment_of_sessions, plan_named, plan_of_session, stores_in_variables
from dsops.plan import Plan
from dsops.runtime import Runtime
from dsops.secret import Secret
from dsops.startup import TYPE_CHECKING

if TYPE_CHECKING:
    from dsops.agent.messages import PipelineRequest
    from dsops.agent.remote import RemotePipeline


def load_config(
    arguments: Arguments, runtime: Runtime, *, is_chosen: bool = True, names: Collection[str] | None = ()
) -> Config:
    """Load the configuration to use. If a discovered configuration is not allowed yet, the user is asked.

    `is_chosen` and `names` are parameters of `dsops.config.load`: `names` are the stores on the command line. Raises
    NotAllowed.
    """
    is_alone = bool(names) and not (arguments.has(ENVIRONMENT.name) and arguments.text(ENVIRONMENT.name))
    return permitted(read_config(arguments, runtime, is_chosen=is_chosen, names=names, is_alone=is_alone), runtime)


def permitted(config: Config, runtime: Runtime) -> Config:
    """Return the configuration if the user has allowed it or allows it now. Raises NotAllowed."""
    if config.is_allowed:
        return config
    from dsops.cli.framework.permission import ask_permission

    return ask_permission(config, runtime)


def read_config(
    arguments: Arguments,
    runtime: Runtime,
    *,
    is_chosen: bool = True,
    names: Collection[str] | None = (),
    is_alone: bool = False,
) -> Config:
    """Read the named configuration, or find one from the working folder upward; shows its notes on stderr.

    For commands that only show a plan: the user may not have allowed the configuration, so its plan must not be
    executed.
    """
    config = configuration.read_config(
        runtime, arguments.text("--config"), is_chosen=is_chosen, names=names, is_alone=is_alone
    )
    show_notes(config.notes)
    return config


def examine_config(arguments: Arguments, runtime: Runtime) -> Examined:
    """Read the configuration, and return it with all problems in it instead of raising the first."""
    examined = configuration.examine_config(runtime, arguments.text("--config"))
    show_notes(examined.config.notes)
    return examined


def environment_name(config: Config, arguments: Arguments) -> str:
    """Return the name of the environment to use: the named, the default or the only one. Raises EnvironmentUnknown."""
    return configuration.choose_environment(config, arguments.text("--env"), arguments.command)


def plan_environment(config: Config, arguments: Arguments, runtime: Runtime) -> Plan:
    """Return the plan of the environment; shows its notes on stderr."""
    plan = plan_named(config, environment_name(config, arguments), runtime)
    show_notes(plan.notes)
    return plan


def plan_one_store(config: Config, name: str, runtime: Runtime, *, is_carried_out: bool = True) -> Plan:
    """Return the plan for the session of one store; shows its notes on stderr."""
    plan = plan_of_session(config, name, runtime, is_carried_out=is_carried_out)
    show_notes(plan.notes)
    return plan


def plan_session(config: Config, store: str, arguments: Arguments, runtime: Runtime) -> Plan:
    """Return the plan for a store's session in the environment of `--env`; shows the plan's notes on stderr."""
    plan = plan_of_session(config, store, runtime, environment=arguments.text("--env"))
    show_notes(plan.notes)
    return plan


def fetch(plan: Plan, arguments: Arguments, runtime: Runtime, variable: str = "") -> Mapping[str, Secret]:
    """Fetch the value of every variable of the plan; writes the audit record first.

    `variable` is the plan's only variable; "" for a whole environment. An agent uses this name to make the same plan.
    """
    agent = agent_of(plan, arguments, runtime)
    values = agent.secrets(plan.environment, variable) if agent else None
    if values is None:
        values = Pipeline(runtime).secrets(plan, min_ttl_seconds=min_ttl_of(arguments))
    record_run(arguments.name, runtime, variables=list(values))
    return values


def fetch_with_sessions(
    plan: Plan, arguments: Arguments, runtime: Runtime
) -> tuple[Mapping[str, Secret], list[Credentials]]:
    """Return the values of all variables, and the sessions whose parts are among these values.

    Writes the audit record first.
    """
    agent = agent_of(plan, arguments, runtime)
    # The sessions are requested before the values. If a session is renewed in between, the values contain the newer
    # session, which expires later than the returned one.
    stores, environment = stores_in_variables(plan), environment_of_sessions(plan)
    answers = [agent.credentials(store, environment) for store in stores] if agent else []
    values = agent.secrets(plan.environment) if agent else None
    sessions = [session for session in answers if session is not None]
    if values is None:
        values, sessions = Pipeline(runtime).secrets_with_sessions(plan, min_ttl_seconds=min_ttl_of(arguments))
    record_run(arguments.name, runtime, variables=list(values))
    return values, sessions


def issue(plan: Plan, store: str, arguments: Arguments, runtime: Runtime) -> Credentials:
    """Return the session of that store; writes the audit record first."""
    session = session_of(plan, store, arguments, runtime)
    record_run(arguments.name, runtime, store=store)
    return session


def session_of(plan: Plan, store: str, arguments: Arguments, runtime: Runtime) -> Credentials:
    """Return the session of that store for this process's own calls, which have audit records of their own."""
    agent = agent_of(plan, arguments, runtime)
    session = agent.credentials(store, environment_of_sessions(plan)) if agent else None
    if session is None:
        session = Pipeline(runtime).credentials(plan, store, min_ttl_seconds=min_ttl_of(arguments))
    return session


def min_ttl_of(arguments: Arguments) -> float | None:
    """Return the seconds of `--min-ttl`; None without the flag, and for commands that do not take the flag."""
    return arguments.seconds("--min-ttl") if arguments.has("--min-ttl") else None


def request_of(arguments: Arguments) -> PipelineRequest:
    """Return the request to the agent of a command whose output the agent produces."""
    from dsops.agent.messages import PipelineRequest

    return PipelineRequest(
        arguments.name,
        config=arguments.text("--config"),
        environment=arguments.text("--env") if arguments.has("--env") else "",
        min_ttl_seconds=min_ttl_of(arguments),
        reason=arguments.text("--reason"),
    )


def agent_of(plan: Plan, arguments: Arguments, runtime: Runtime) -> RemotePipeline | None:
    """Return the agent for this plan; None if this process has to do the work."""
    # The agent gets the environment of this process, so a runtime with another environment (a test, another program)
    # must not use the agent.
    if runtime.environ is not os.environ or arguments.switch("--no-agent") or not is_wanted(runtime.environ):
        return None
    from dsops.agent.messages import PipelineRequest
    from dsops.agent.remote import RemotePipeline

    request = PipelineRequest(
        arguments.name,
        config=arguments.text("--config"),
        profile=arguments.text("--for-profile") if arguments.has("--for-profile") else "",
        min_ttl_seconds=min_ttl_of(arguments),
        reason=runtime.reason,
        run=runtime.journal.run if runtime.journal is not None else "",
        read=plan.read,
    )
    is_watched = not arguments.switch("--quiet") and (arguments.switch("--verbose") or is_terminal())
    return RemotePipeline(request, runtime, watches=is_watched)


def show_notes(notes: Iterable[str]) -> None:
    """Write notes, which are not errors, to stderr."""
    for text in notes:
        from dsops.cli.framework.output import note

        note(text)

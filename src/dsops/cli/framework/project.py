"""What a command begins with: the configuration that counts here, its plan, and a plan carried out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping

from dsops import tasks
from dsops.agent.client import is_wanted
from dsops.aws.http.client import make_client
from dsops.cache import CredentialCache
from dsops.cli.framework.command import ENVIRONMENT, Arguments
from dsops.config import Examined, examine, load
from dsops.credentials import Credentials
from dsops.errors import EnvironmentUnknown, ValueUnusable
from dsops.model import Config
from dsops.pipeline.journal import add_run, hand_out, recorded, write_quietly
from dsops.plan import Ambient, Plan, make_plan, plan_store
from dsops.resolve import issue_credentials, resolve
from dsops.resolve.identity import ambient_of, proof_of
from dsops.runtime import Runtime, user_name
from dsops.secret import Secret
from dsops.stores import StoreTypes

_PROCESS_KEY = os.urandom(32)
"""Of the digests of base identities: the same in all plans of this process, and unknown outside of it."""


Tell = Callable[[Iterable[str]], None]
"""Takes what a person should know, though nothing is wrong."""


def load_config(arguments: Arguments, runtime: Runtime, *, is_chosen: bool = True, tell: Tell | None = None) -> Config:
    """The configuration to carry out: one that was found is allowed, or the person at the terminal is asked to.

    `is_chosen`: it is the user who names it, now, and nothing that was written down earlier. Raises NotAllowed.
    """
    return permitted(read_config(arguments, runtime, is_chosen=is_chosen, tell=tell), runtime)


def permitted(config: Config, runtime: Runtime) -> Config:
    """The configuration, which the user has allowed or allows now. Raises NotAllowed."""
    if config.is_allowed:
        return config
    from dsops.cli.setup.allow import ask_permission

    return ask_permission(config, runtime)


def read_config(arguments: Arguments, runtime: Runtime, *, is_chosen: bool = True, tell: Tell | None = None) -> Config:
    """The configuration that was named, or found from the working folder upward; its notes go to stderr, or `tell`.

    For commands that only compute: what is planned with it may be shown, and is not carried out unless it is allowed.
    """
    config = load(
        folder=runtime.folder,
        environ=runtime.environ,
        named=arguments.text("--config"),
        types=StoreTypes(),
        is_chosen=is_chosen,
    )
    if runtime.journal is not None:
        runtime.journal.about(config=config.files[0].path)
    (tell or show_notes)(config.notes)
    return config


def examine_config(arguments: Arguments, runtime: Runtime) -> Examined:
    """The same configuration with every problem instead of an error."""
    found = examine(
        folder=runtime.folder, environ=runtime.environ, named=arguments.text("--config"), types=StoreTypes()
    )
    if runtime.journal is not None:
        runtime.journal.about(config=found.config.files[0].path)
    show_notes(found.config.notes)
    return found


def environment_name(config: Config, arguments: Arguments) -> str:
    """The environment that is meant: the one named, the default one, the only one. Raises EnvironmentUnknown."""
    name = arguments.text("--env") or config.default_environment
    if name:
        return name
    names = list(config.environments)
    if len(names) == 1:
        return names[0]
    file = config.files[0].path.rpartition(os.sep)[2]
    raise EnvironmentUnknown(
        "no environment is named",
        why=f"{file} has {', '.join(names)}" if names else f"{file} has none",
        hint=_how_to_name(names, config, arguments.command) if names else f"add one under `envs:` in {file}",
    )


def _how_to_name(names: list[str], config: Config, command: tuple[str, ...]) -> str:
    """The flag to write; where it was written in the wrong place, that one."""
    if command and command[0] in names:
        return f"write `--env {command[0]}`, and the command after `--`"
    if command and command[0] in config.stores:
        return f"write `--credentials {command[0]}` for the session of that store, and the command after `--`"
    if any(word == ENVIRONMENT.name or word.startswith(f"{ENVIRONMENT.name}=") for word in command):
        return "write `--env` before the command: behind it, it belongs to the command"
    return f"write `--env {names[0]}`, or `default_env: {names[0]}` into the file"


def plan_environment(config: Config, arguments: Arguments, runtime: Runtime) -> Plan:
    """What a run of the environment that is meant would do; the plan's notes go to stderr."""
    plan = plan_named(config, environment_name(config, arguments), runtime)
    show_notes(plan.notes)
    return plan


def plan_named(config: Config, name: str, runtime: Runtime, *, also: str = "", lasts: bool = False) -> Plan:
    """What a run of that environment would do; `also` and `lasts` are those of `make_plan`."""
    if runtime.journal is not None:
        runtime.journal.about(environment=name)
    return make_plan(
        config,
        name,
        environ=runtime.environ,
        user=user_name(),
        timestamp=runtime.timestamp,
        ambient=ambient_of(runtime.environ, _PROCESS_KEY, runtime.folder),
        proof=proof_of(runtime.environ, _PROCESS_KEY, runtime.folder),
        store_types=StoreTypes(),
        also=also,
        lasts=lasts,
        reason=runtime.reason,
    )


def plan_one_store(
    config: Config,
    name: str,
    runtime: Runtime,
    *,
    shows_notes: bool = True,
    lasts: bool = False,
    is_carried_out: bool = True,
) -> Plan:
    """What it takes to get one store's session; the plan's notes go to stderr."""
    plan = plan_store(
        config,
        name,
        environ=runtime.environ,
        user=user_name(),
        timestamp=runtime.timestamp,
        ambient=ambient_of(runtime.environ, _PROCESS_KEY, runtime.folder),
        proof=proof_of(runtime.environ, _PROCESS_KEY, runtime.folder),
        store_types=StoreTypes(),
        lasts=lasts,
        is_carried_out=is_carried_out,
        reason=runtime.reason,
    )
    if shows_notes:
        show_notes(plan.notes)
    return plan


def plan_session(
    config: Config, store: str, arguments: Arguments, runtime: Runtime, *, tell: Tell | None = None
) -> Plan:
    """What it takes to get one store's session, as the environment that is named has it; notes as in `load_config`."""
    if arguments.text("--env"):
        plan = plan_named(config, arguments.text("--env"), runtime, also=store)
    else:
        plan = plan_one_store(config, store, runtime, shows_notes=False)
    (tell or show_notes)(plan.notes)
    return plan


def environment_of_sessions(plan: Plan) -> str:
    """The environment's name, where what its sessions may do follows from what it reads; else any plan has the same."""
    return plan.environment if any("session_policy_covers" in step.settings for step in plan.steps.values()) else ""


def base_identity(runtime: Runtime) -> Ambient:
    """What can be told, without asking anybody, of the credentials that sign a first hop."""
    return ambient_of(runtime.environ, _PROCESS_KEY, runtime.folder)("")


def fetch(plan: Plan, arguments: Arguments, runtime: Runtime, variable: str = "") -> Mapping[str, Secret]:
    """The value of every variable of the plan; `variable` is its only one, where it has no others.

    The agent finds them, where there may be one: then it makes the same plan once more. Else it is done here.
    """
    if may_use_agent(arguments, runtime):
        from dsops.agent import remote

        found = remote.secrets(arguments, runtime, plan.environment, variable)
        if found is not None:
            add_run(arguments, runtime, variables=list(found))
            hand_out(runtime)
            return found
    client, cache = make_client(runtime), CredentialCache(runtime.now, is_of_one_run=True)
    min_ttl_seconds = arguments.seconds("--min-ttl") if arguments.has("--min-ttl") else None
    work = resolve(plan, runtime, client, cache, min_ttl_seconds=min_ttl_seconds)
    names = [each.name for each in plan.variables]
    return carry_out(recorded(work, arguments, runtime, variables=names), runtime)


def issue(plan: Plan, name: str, arguments: Arguments, runtime: Runtime) -> Credentials:
    """The session of that store, of the agent's where there may be one."""
    if may_use_agent(arguments, runtime):
        from dsops.agent import remote

        found = remote.credentials(arguments, runtime, name, environment=environment_of_sessions(plan))
        if found is not None:
            add_run(arguments, runtime, store=name)
            hand_out(runtime)
            return found
    client, cache = make_client(runtime), CredentialCache(runtime.now, is_of_one_run=True)
    min_ttl_seconds = arguments.seconds("--min-ttl") if arguments.has("--min-ttl") else None
    work = issue_credentials(plan, name, runtime, client, cache, min_ttl_seconds=min_ttl_seconds)
    return carry_out(recorded(work, arguments, runtime, store=name), runtime)


def may_use_agent(arguments: Arguments, runtime: Runtime) -> bool:
    """Whether an agent may do the work of this command line."""
    # The agent is asked in the name of this process: an environment that somebody made up stays in here.
    return runtime.environ is os.environ and not arguments.switch("--no-agent") and is_wanted(runtime.environ)


def tell_place(error: ValueUnusable, plan: Plan) -> None:
    """Adds the line of the variable that the error names."""
    where = next((each.where for each in plan.variables if f"`{each.name}`" in error.message), None)
    error.retell(error.message, where=where)


def carry_out(work: tasks.Work[tasks.T], runtime: Runtime) -> tasks.T:
    """The result of work that may send requests, once what it did is on the audit trail."""
    try:
        result = tasks.run(work, LazyDriver(runtime.environ))
    except BaseException:
        write_quietly(runtime)
        raise
    hand_out(runtime)
    return result


class LazyDriver:
    """A driver that is opened by its first request: an environment of literals costs no libcurl."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._driver: tasks.Driver | None = None

    def start(self, request: object, token: object) -> None:
        """Begins a transfer."""
        self._opened().start(request, token)

    def prepare(self, request: object) -> None:
        """Opens a connection that will be needed."""
        self._opened().prepare(request)

    def _opened(self) -> tasks.Driver:
        if self._driver is None:
            from dsops.aws.http.transport import open_driver

            self._driver = open_driver(self._environ)
        return self._driver

    def poll(self, timeout_seconds: float) -> list[tuple[object, object]]:
        """What has come to an end; only asked when something is under way."""
        return self._driver.poll(timeout_seconds) if self._driver else []

    def cancel(self) -> None:
        """Ends what is under way."""
        if self._driver:
            self._driver.cancel()


def shown_path(config: Config, runtime: Runtime) -> str:
    """The configuration's main file as a person here would name it."""
    path = config.files[0].path
    return path.removeprefix(f"{runtime.folder}{os.sep}")


def show_notes(notes: Iterable[str]) -> None:
    """Puts what a person should know, though nothing is wrong, on stderr."""
    for each in notes:
        from dsops.cli.framework.output import note

        note(each)

"""The parts that the commands about one secret share: operands, flags, opening the secret, prompts, `--dry-run`."""

from __future__ import annotations

import json

from dsops.arn import parse_arn
from dsops.cli.framework.command import CONFIG, NO_AGENT, REASON, Arguments, Flag, Operand
from dsops.cli.framework.output import answer, answer_json, answer_sentence, table
from dsops.cli.framework.project import load_config, plan_one_store, session_of
from dsops.credentials import Credentials
from dsops.errors import SecretChanged, SessionForNothing, UsageError
from dsops.model import Config
from dsops.pipeline.execution import carry_out
from dsops.plan import Plan
from dsops.plan.statements import policy, statements_of
from dsops.runtime import Runtime
from dsops.schema import BUILTIN_TYPES, OWN_POLICY
from dsops.secret_editing import open_secret, planned_calls
from dsops.startup import NamedTuple
from dsops.stores import StoreTypes
from dsops.stores.writing.writable_secret import CurrentVersion, Operation, WritableSecret

STORE = Operand("STORE", "a store of the configuration that dsops can write to")
KEY = Operand("KEY", "the name of the secret or parameter, as in `key` in dsops.yaml")

EXPECT = Flag("--expect", "fail unless this version is current", value="VERSION")
SHOW = Flag("--show", "print values, too", "switch", own_variable="DSOPS_SHOW_VALUES")
YES = Flag("--yes", "do not ask for confirmation", "switch", own_variable="DSOPS_WRITE_YES")
DRY_RUN = Flag(
    "--dry-run",
    "print the calls and the permissions that they need, and send none",
    "switch",
    own_variable="DSOPS_WRITE_DRY_RUN",
)
FLAGS = (CONFIG, NO_AGENT, REASON)


class Target(NamedTuple):
    """The secret that a command line names."""

    store: str
    key: str
    plan: Plan
    secret: WritableSecret
    credentials: Credentials

    def place(self, current: CurrentVersion | None = None) -> str:
        """Return the secret's name with its region and account, for prompts and messages."""
        arn = parse_arn(current.arn) if current is not None else None
        arn = arn or parse_arn(self.credentials.arn)
        account = f", account {arn.account}" if arn is not None and arn.account else ""
        return f"the {self.secret.noun} `{self.secret.name}` ({self.secret.region}{account})"

    def current(self, runtime: Runtime, expected: str = "") -> CurrentVersion:
        """Return the current version. If `expected` is not "", raises SecretChanged for any other version."""
        current = carry_out(self.secret.current(), runtime)
        if expected and current.version != expected:
            raise SecretChanged(
                f"{self.place(current)} has changed, and nothing was written",
                why=f"`--expect` is {expected}, but the current version is {current.version or 'none'}",
                hint=f"`dsops history {self.store} {self.key}` shows the versions",
            )
        return current


def plan_target(arguments: Arguments, runtime: Runtime) -> Plan:
    """Return the plan for the session of STORE. Raises UsageError for a store that is read-only for dsops."""
    name = arguments.operand(STORE.name)
    config = load_config(arguments, runtime, names=(name,))
    try:
        plan = plan_one_store(config, name, runtime)
    except SessionForNothing as error:
        raise UsageError(
            f"the session of store `{name}` can only read",
            why="its `session_policy: auto` allows reading the secrets of an environment, but never writing",
            hint=_other_stores(config),
        ) from error
    if not plan.steps[name].type.is_writable:
        raise UsageError(
            f"dsops can't write to store `{name}`: its type is {plan.steps[name].type.name}",
            hint=_other_stores(config, name if plan.steps[name].type.gives_credentials else ""),
            where=plan.steps[name].where,
        )
    return plan


def open_target(plan: Plan, arguments: Arguments, runtime: Runtime) -> Target:
    """Open the secret that the command line names, with a session of its store."""
    store, key = arguments.operand(STORE.name), arguments.operand(KEY.name)
    credentials = session_of(plan, store, arguments, runtime)
    return Target(store, key, plan, open_secret(plan, store, key, credentials, runtime), credentials)


def _other_stores(config: Config, signer: str = "") -> str:
    """Return a hint that lists the stores that dsops can write to or, without any, says which store to add.

    `signer` is a store whose session could sign the calls.
    """
    types = StoreTypes()
    names = [
        store.name
        for store in config.stores.values()
        if store.type in types and types[store.type].is_writable and not _reads_only(store.name, config)
    ]
    if names:
        return f"write through {', '.join(names)}"
    writable = [name for name, store_type in BUILTIN_TYPES.items() if store_type.is_writable]
    if signer:
        return f"add a store to dsops.yaml: `secrets: {{type: {writable[0]}, credentials_from: {signer}}}`"
    return f"add a store of the type {' or '.join(writable)} whose role has no `session_policy: auto`"


def _reads_only(name: str, config: Config) -> bool:
    """Whether a store of the chain has `session_policy: auto`. Handles a chain that is a cycle."""
    passed: list[str] = []
    while name in config.stores and name not in passed:
        passed.append(name)
        if config.stores[name].text_of("session_policy") == OWN_POLICY:
            return True
        name = config.stores[name].text_of("credentials_from")
    return False


def confirm(question: str, arguments: Arguments, runtime: Runtime) -> None:
    """Ask the user to confirm, unless `--yes` is set. Raises UsageError if the answer is not yes."""
    if arguments.switch(YES.name):
        return
    answered = runtime.confirm(f"{question} [y/N] ")
    if answered is None:
        raise UsageError("there is no terminal to confirm at", hint="`--yes` skips the confirmation")
    if not answered:
        raise UsageError(
            "nothing was done", why="the answer was not yes", hint="run it again and answer `y`, or add `--yes`"
        )


def show_calls(plan: Plan, operation: Operation, arguments: Arguments) -> int:
    """Print the calls and permissions of an operation."""
    store, key = arguments.operand(STORE.name), arguments.operand(KEY.name)
    calls, step = planned_calls(plan, store, key, operation), plan.steps[store]
    document = policy(statements_of(calls.needs))
    actions = [f"{step.type.service}:{action}" for action in calls.actions]
    if arguments.switch("--json"):
        answer_json({"store": store, "key": key, "calls": actions, "policy": json.loads(json.dumps(document))})
        return 0
    source = f"store `{step.credentials_from}`" if step.credentials_from else "the base credentials"
    rows = [("store", f"{store} ({step.type.name})"), ("key", key), ("signed by", source)]
    rows += [("calls" if index == 0 else "", action) for index, action in enumerate(actions)]
    answer(table(("", ""), rows).lstrip("\n"))
    answer(f"\nThe session needs these permissions:\n{json.dumps(document, indent=2)}")
    return 0


def answer_version(target: Target, text: str, facts: dict[str, str | None], arguments: Arguments) -> None:
    """Print the result of a command that has changed the secret."""
    if arguments.switch("--json"):
        answer_json({"store": target.store, "key": target.key, "name": target.secret.name, **facts})
    else:
        answer_sentence(text)

"""`dsops revoke`: deny everything to a role's sessions that were issued before a certain time."""

from __future__ import annotations

from datetime import UTC, datetime

from dsops.agent.forget import forget_role
from dsops.arn import Arn, parse_arn
from dsops.aws.http.call import Client, make_client
from dsops.cli.framework.command import CONFIG, NO_AGENT, PICK, REASON, Arguments, Command, Flag, Operand
from dsops.cli.framework.output import answer, answer_json, answer_sentence, note
from dsops.cli.framework.process_runtime import DONE
from dsops.cli.framework.project import issue, load_config, plan_one_store
from dsops.endpoint import Endpoint, resolve_endpoint
from dsops.errors import RevocationRefused, SessionForNothing, UsageError
from dsops.pipeline.execution import carry_out
from dsops.pipeline.journal import record_run
from dsops.pipeline.plans import require_session
from dsops.resolve.base import base_endpoint, base_environ, load_base, session_endpoint
from dsops.revocation.policy import POLICY_NAME, revocation_policy, time_text, why_not_revocable
from dsops.revocation.role import (
    PolicyCaller,
    RoleToRevoke,
    attach,
    check_caller,
    cutoff,
    role_of_arn,
    role_of_store,
    time_of_aws,
)
from dsops.runtime import Runtime
from dsops.secret import Secret
from dsops.text import counted

_YES = Secret("yes")


def _run(arguments: Arguments, runtime: Runtime) -> int:
    name, applies = arguments.operand("STORE"), arguments.switch("--apply")
    requested = _moment(arguments.text("--before"))
    if arguments.text("--with") and not applies:
        raise UsageError("`--with` has no effect without `--apply`", hint="add `--apply`, or leave out `--with`")
    role = _role(name, arguments, runtime)
    why, hint = why_not_revocable(role.arn)
    if why:
        raise RevocationRefused(f"sessions of {role.arn} can't be revoked", why=why, hint=hint)
    client = make_client(runtime)
    before = _before(requested, client, base_endpoint(runtime, role.region), runtime, applies=applies)
    forgotten = 0
    if applies:
        _apply(role.arn, before, _caller(arguments, runtime, role.region), arguments, client, runtime)
        record_run(
            arguments.name, runtime, subject=name, role=str(role.arn), before=before.strftime("%Y-%m-%dT%H:%M:%SZ")
        )
        forgotten = forget_role(role.arn, runtime.environ)
    runtime.report(DONE)
    _show(arguments, role.arn, before, revocation_policy(before), forgotten)
    return 0


def _moment(text: str) -> datetime | None:
    """Parse the time of `--before`; None without the flag. Raises UsageError for a time without a time zone."""
    if not text:
        return None
    hint = "write it as 2026-11-24T12:00:00Z"
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"`--before {text}` is not a time", hint=hint) from error
    if moment.tzinfo is None:
        raise UsageError(f"`--before {text}` has no time zone", hint=hint)
    return moment.astimezone(UTC)


def _role(name: str, arguments: Arguments, runtime: Runtime) -> RoleToRevoke:
    """Return the role to revoke.

    If the user names the role by ARN, no configuration is read: in an emergency, variables or tokens that the store
    needs may be missing.
    """
    arn = parse_arn(name)
    if arn is not None:
        return role_of_arn(arn)
    config = load_config(arguments, runtime, names=(name,))
    plan = plan_one_store(config, name, runtime, is_carried_out=False)
    require_session(plan, name)
    return role_of_store(plan, name)


def _before(
    requested: datetime | None, client: Client, endpoint: Endpoint, runtime: Runtime, *, applies: bool
) -> datetime:
    """Return the time before which sessions are denied: `requested`, or the present time by AWS's clock."""
    aws_time = carry_out(time_of_aws(client, endpoint), runtime)
    if aws_time is None and (requested or not applies):
        note(f"{endpoint.short} did not tell the time: using this machine's clock")
    return cutoff(requested, aws_time, endpoint, runtime, applies=applies)


def _caller(arguments: Arguments, runtime: Runtime, region: str) -> PolicyCaller:
    name = arguments.text("--with")
    iam = resolve_endpoint("iam", region, base_environ(runtime))
    if not name:
        return PolicyCaller(load_base(runtime), base_endpoint(runtime, region), iam, "the base credentials")
    try:
        plan = plan_one_store(load_config(arguments, runtime, names=(name,)), name, runtime)
    except SessionForNothing as error:
        raise UsageError(
            f"the session of store `{name}` is not allowed to attach a policy",
            why="its `session_policy: auto` allows only reading the secrets of an environment",
            hint="name another store with `--with`, or leave out `--with` to use the base credentials",
        ) from error
    require_session(plan, name)
    credentials = issue(plan, name, arguments, runtime)
    return PolicyCaller(credentials, session_endpoint(plan, name, runtime), iam, f"store `{name}`")


def _apply(
    role: Arn, before: datetime, caller: PolicyCaller, arguments: Arguments, client: Client, runtime: Runtime
) -> None:
    """Ask the user to confirm, then attach the policy to the role."""
    check = check_caller(role, before, caller, client, is_named=bool(arguments.text("--before")))
    denied_caller = carry_out(check, runtime)
    if denied_caller:
        note(f"the session that attaches it, {denied_caller}, is then denied, too")
    if not arguments.switch("--yes"):
        _confirm(role, before, runtime)
    carry_out(attach(role, before, caller, client), runtime)


def _confirm(role: Arn, before: datetime, runtime: Runtime) -> None:
    typed = runtime.ask(f"deny everything to sessions of {role} issued before {time_text(before)}? type yes: ")
    if typed is None:
        raise UsageError("there is no terminal to ask for confirmation", hint="`--yes` skips the confirmation")
    if typed != _YES:
        why, hint = "the answer was not `yes`", "run the command again and type yes, or add `--yes`"
        raise UsageError("no session was revoked", why=why, hint=hint)


def _show(arguments: Arguments, role: Arn, before: datetime, policy: str, forgotten: int) -> None:
    applies = arguments.switch("--apply")
    if arguments.switch("--json"):
        import json

        answer_json(
            {
                "role_arn": str(role),
                "policy_name": POLICY_NAME,
                "before": time_text(before),
                "policy": json.loads(policy),
                "is_attached": applies,
                "agent_forgot": forgotten,
            }
        )
        return
    moment = time_text(before)
    if applies:
        answer_sentence(f"{role}: sessions issued before {moment} are denied everything (policy {POLICY_NAME})")
        if forgotten:
            note(f"the agent has forgotten {counted(forgotten, 'session')} of the role")
    else:
        answer(policy)
        note(f"as the inline policy {POLICY_NAME} of {role} this denies everything to sessions issued before {moment}")
        note("`--apply` attaches it; it takes a few seconds until every service knows")
    note("it does not end sessions of other roles that were assumed from these: revoke those roles too")
    note("callers that may assume the role can still get new sessions: change its trust policy to stop them")


COMMAND = Command(
    help=(
        "Deny everything to the sessions of a role that were issued before now, or before --before.\n"
        "\n"
        "Prints the policy; --apply attaches it to the role, under the name that the button `Revoke active\n"
        "sessions` of the console uses. For a store, this is the role of its last hop. New sessions still\n"
        "work, including new sessions of the store. The agent forgets the old sessions.\n"
        "\n"
        "The policy is attached with the base credentials, or with the session of the store named by --with.\n"
        "These credentials must belong to the role's account and need iam:PutRolePolicy."
    ),
    run=_run,
    is_audited=True,
    flags=(
        CONFIG,
        PICK,
        NO_AGENT,
        REASON,
        Flag("--before", "deny sessions issued before this time (default: now, by the clock of AWS)", value="TIME"),
        Flag("--apply", "attach the policy to the role", "switch", own_variable="DSOPS_REVOKE_APPLY"),
        Flag(
            "--with",
            "attach the policy with the session of this store",
            value="STORE",
            own_variable="DSOPS_REVOKE_WITH",
        ),
        Flag("--yes", "revoke without asking for confirmation", "switch", own_variable="DSOPS_REVOKE_YES"),
    ),
    operands=(Operand("STORE", "a store of the configuration that assumes a role, or the ARN of a role"),),
)

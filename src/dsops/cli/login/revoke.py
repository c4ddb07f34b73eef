"""`dsops revoke`: the sessions of a role that were issued before a moment may do nothing any more."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from dsops.agent import client as agent
from dsops.arn import Arn, is_session_of, parse_arn, partition_named
from dsops.aws.apis.iam import Iam, get_role_policy, put_role_policy
from dsops.aws.apis.sts import get_caller_identity
from dsops.aws.http.client import Client, make_client
from dsops.aws.http.clock import time_at
from dsops.cli.framework.command import CONFIG, NO_AGENT, REASON, Arguments, Command, Flag, Operand
from dsops.cli.framework.output import answer, answer_json, counted, note
from dsops.cli.framework.project import issue, load_config, plan_one_store
from dsops.cli.framework.world import DONE
from dsops.cli.look.whoami import base_endpoint, base_environ, load_base, session_endpoint
from dsops.credentials import Credentials
from dsops.endpoint import Endpoint, resolve_endpoint
from dsops.errors import AccessDenied, EntityNotFound, RevocationRefused, ServiceError, SessionForNothing, UsageError
from dsops.model import Config
from dsops.pipeline.execution import carry_out
from dsops.pipeline.journal import record_run
from dsops.pipeline.plans import require_session
from dsops.plan import Step
from dsops.policy.revocation import POLICY_NAME, revocation_policy, revoked_before, time_text, why_not_revocable
from dsops.runtime import Runtime
from dsops.secret import Secret

_YES = Secret("yes")


class _Caller(NamedTuple):
    """Who attaches the policy, and where STS and IAM are for them."""

    credentials: Credentials
    sts: Endpoint
    iam: Endpoint
    what: str
    """For people: `the base credentials`."""


def _run(arguments: Arguments, runtime: Runtime) -> int:
    name, applies = arguments.operand("STORE"), arguments.switch("--apply")
    wished = _moment(arguments.text("--before"))
    if arguments.text("--with") and not applies:
        raise UsageError("`--with` says who attaches the policy", hint="add `--apply`, or leave out `--with`")
    role, region, config = _role(name, arguments, runtime)
    why, hint = why_not_revocable(role)
    if why:
        raise RevocationRefused(f"sessions of {role} can't be revoked", why=why, hint=hint)
    client = make_client(runtime)
    before = _before(wished, client, base_endpoint(runtime, region), runtime, applies=applies)
    policy = revocation_policy(before)
    forgotten = 0
    if applies:
        caller = _caller(arguments, runtime, config, region)
        _apply(role, before, policy, caller, arguments, client, runtime)
        moment = before.strftime("%Y-%m-%dT%H:%M:%SZ")
        record_run(arguments.name, runtime, subject=name, role=str(role), before=moment)
        forgotten = _forget(role, runtime)
    runtime.report(DONE)
    _show(arguments, role, before, policy, forgotten)
    return 0


def _moment(text: str) -> datetime | None:
    """The moment that was written; None for none. A time without its zone is nobody's."""
    if not text:
        return None
    hint = "write it as 2026-11-24T12:00:00Z"
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"`--before` can't be `{text}`", hint=hint) from error
    if moment.tzinfo is None:
        raise UsageError(f"`--before` can't be `{text}`: it has no time zone", hint=hint)
    return moment.astimezone(UTC)


def _role(name: str, arguments: Arguments, runtime: Runtime) -> tuple[Arn, str, Config | None]:
    """The role that is meant, a region of its partition, and the configuration where one was read.

    An ARN needs none: whoever has to revoke in a hurry may not have what the store's own fields ask for.
    """
    written = parse_arn(name)
    if written is not None:
        partition = partition_named(written.partition)
        if written.service != "iam" or written.resource_type != "role" or partition is None:
            raise UsageError(f"`{name}` is no role's ARN", hint="it is arn:aws:iam::ACCOUNT:role/NAME")
        return written, partition.global_region, None
    config = load_config(arguments, runtime)
    plan = plan_one_store(config, name, runtime, is_carried_out=False)
    require_session(plan, name)
    step = plan.steps[name]
    while "role_arn" not in step.settings and step.credentials_from:
        step = plan.steps[step.credentials_from]
    role = parse_arn(str(step.settings.get("role_arn", "")))
    if role is None:
        raise _without_role(name, step)
    return role, step.region, config


def _without_role(name: str, step: Step) -> RevocationRefused:
    if step.type == "aws.sso":
        return RevocationRefused(
            f"the role of store `{name}` is a permission set's, and can't be changed in IAM",
            why="IAM Identity Center keeps it",
            hint="put the statement that `dsops revoke arn:aws:iam::ACCOUNT:role/ANY` prints into the permission set, "
            "or take the assignment away",
            where=step.where,
        )
    return RevocationRefused(
        f"store `{name}` assumes no role",
        why="what it works with is a user's own key, or a session of one, or another profile's",
        hint="name a role: `dsops revoke arn:aws:iam::ACCOUNT:role/NAME`; for a user's sessions, what this prints "
        "becomes a policy of the user",
        where=step.where,
    )


def _before(
    wished: datetime | None, client: Client, endpoint: Endpoint, runtime: Runtime, *, applies: bool
) -> datetime:
    """The moment before which sessions are denied: AWS's now, which no clock of ours decides, unless one is named."""
    told = carry_out(time_at(client._replace(connect_timeout_ms=5_000), endpoint), runtime)
    if told is None and applies and wished is None:
        raise ServiceError(
            f"{endpoint.short} could not be asked for the time",
            why="this machine's clock may be behind, and sessions would slip through",
            hint="try again, or name the moment with `--before`",
        )
    if told is None:
        note(f"{endpoint.short} could not be asked for the time: this machine's clock counts")
    # AWS keeps times to the second. A session of the second that is not over yet must not slip through.
    now = (told or runtime.now().replace(microsecond=0)) + timedelta(seconds=1)
    if wished is not None and wished > now:
        raise UsageError(
            f"`--before` can't be {time_text(wished)}: for AWS it is {time_text(now)}",
            why="until then every new session would be denied as well",
            hint="leave it out; to lock a role, change its trust policy",
        )
    return wished or now


def _caller(arguments: Arguments, runtime: Runtime, config: Config | None, region: str) -> _Caller:
    name = arguments.text("--with")
    iam = resolve_endpoint("iam", region, base_environ(runtime))
    if not name:
        return _Caller(load_base(runtime)[0], base_endpoint(runtime, region), iam, "the base credentials")
    try:
        plan = plan_one_store(config or load_config(arguments, runtime), name, runtime)
    except SessionForNothing as error:
        raise UsageError(
            f"the session of store `{name}` may not attach a policy",
            why="its `session_policy: auto` allows what an environment reads, and nothing else",
            hint="name another store with `--with`, or leave it out for the base credentials",
        ) from error
    require_session(plan, name)
    credentials = issue(plan, name, arguments, runtime)
    return _Caller(credentials, session_endpoint(plan, name, runtime), iam, f"store `{name}`")


def _apply(
    role: Arn, before: datetime, policy: str, caller: _Caller, arguments: Arguments, client: Client, runtime: Runtime
) -> None:
    """Attaches the policy, once a person has agreed."""
    identity = carry_out(get_caller_identity(client, caller.credentials, caller.sts), runtime)
    if identity.account != role.account:
        # PutRolePolicy takes a name, not an ARN: it would find a role of that name in the other account.
        raise UsageError(
            f"{caller.what} can't revoke sessions of {role}",
            why=f"they belong to account {identity.account}, and IAM only changes roles of the caller's own account",
            hint=f"name a store whose role is in account {role.account}: `--with STORE`",
        )
    iam = Iam(client, caller.credentials, caller.iam)
    _refuse_earlier(role, before, _present(iam, role, runtime), is_named=bool(arguments.text("--before")))
    if is_session_of(identity.arn, role):
        note(f"the session that attaches it, {identity.arn}, is denied as well from then on")
    if not arguments.switch("--yes"):
        _confirm(role, before, runtime)
    try:
        carry_out(put_role_policy(iam, role.resource_name, POLICY_NAME, policy), runtime)
    except AccessDenied as error:
        error.retell(error.message, hint=f"name who may, with `--with STORE`, or allow iam:PutRolePolicy on {role}")
        raise


def _present(iam: Iam, role: Arn, runtime: Runtime) -> str | None:
    """The policy that stands there already; "" for none, None where it may not be read."""
    try:
        return carry_out(get_role_policy(iam, role.resource_name, POLICY_NAME), runtime)
    except EntityNotFound:
        return ""
    except AccessDenied:
        return None


def _refuse_earlier(role: Arn, before: datetime, present: str | None, *, is_named: bool) -> None:
    """What was revoked stays revoked."""
    if present is None and is_named:
        raise AccessDenied(
            f"the policy {POLICY_NAME} that {role} may have can't be read",
            why="a time that is named could be earlier than that policy's, and bring sessions back",
            hint="leave out `--before`, or allow iam:GetRolePolicy",
        )
    if not present:
        return
    earlier = revoked_before(present)
    if earlier is None:
        raise RevocationRefused(
            f"{role} has a policy {POLICY_NAME} that somebody has written anew",
            why="it would be replaced, with what else it says",
            hint="give it another name, then try again",
        )
    if earlier > before:
        raise UsageError(
            f"sessions of {role} are denied already when they were issued before {time_text(earlier)}",
            why=f"{time_text(before)} is earlier: what lies between would work again",
            hint="nothing is left to do; a later `--before` denies more",
        )


def _confirm(role: Arn, before: datetime, runtime: Runtime) -> None:
    typed = runtime.ask(f"deny everything to sessions of {role} issued before {time_text(before)}? type yes: ")
    if typed is None:
        raise UsageError("nobody is at a terminal to agree", hint="`--yes` agrees beforehand")
    if typed != _YES:
        why, hint = "the answer was not `yes`", "run it again and type yes, or give `--yes`"
        raise UsageError("nothing was done", why=why, hint=hint)


def _forget(role: Arn, runtime: Runtime) -> int:
    """Has the agent forget the role's sessions: AWS refuses them from now on; gives how many it held."""
    if runtime.environ is not os.environ or not agent.is_wanted(runtime.environ):
        return 0
    reply = agent.ask([b"forget", str(role).encode()], lambda _kind, _data: None, watches=False, starts=False)
    return int(agent.unpack(reply[1])[0]) if reply is not None and reply[0] == agent.RESULT else 0


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
        answer(f"{role}: sessions issued before {moment} are denied everything (policy {POLICY_NAME})")
        if forgotten:
            note(f"the agent has forgotten {counted(forgotten, 'session')} of the role")
    else:
        answer(policy)
        note(f"as the inline policy {POLICY_NAME} of {role} this denies everything to sessions issued before {moment}")
        note("`--apply` attaches it; it takes a few seconds until every service knows")
    note("it does not end sessions of other roles that were assumed from these: revoke those roles too")
    note("who may assume the role gets a new session, which works: change its trust policy to keep them out")


COMMAND = Command(
    help=(
        "Denies everything to the sessions of a role that were issued before now, or before --before:\n"
        "prints the policy, and with --apply attaches it to the role, under the name that the button of\n"
        "the console gives it. The role is that of the store's last hop. New sessions work, also those of\n"
        "the same store; the agent forgets the old ones.\n\n"
        "It takes a caller in the role's account who may iam:PutRolePolicy: the base credentials, or those\n"
        "of the store named by --with."
    ),
    run=_run,
    is_audited=True,
    flags=(
        CONFIG,
        NO_AGENT,
        REASON,
        Flag("--before", "sessions issued before that moment; AWS's now if left out", value="TIME"),
        Flag("--apply", "attach the policy to the role", "switch", own_variable="DSOPS_REVOKE_APPLY"),
        Flag("--with", "the store whose session attaches it", value="STORE", own_variable="DSOPS_REVOKE_WITH"),
        Flag("--yes", "agree beforehand instead of at the terminal", "switch", own_variable="DSOPS_REVOKE_YES"),
    ),
    operands=(Operand("STORE", "a store of the configuration that assumes a role, or a role's ARN"),),
)

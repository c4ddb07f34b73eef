"""Questions to policies that stand in IAM: AWS's, with the keys of whoever asks, or a sandbox's, with its admins'."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache

from dsops.aws.apis.iam import Iam
from dsops.aws.apis.kms import Kms
from dsops.aws.apis.organizations import OrganizationsClient
from dsops.aws.apis.secret_policy import SecretsManagerClient
from dsops.aws.apis.sts import get_caller_identity
from dsops.aws.http.client import make_client
from dsops.cli.framework.output import clean
from dsops.cli.framework.project import carry_out
from dsops.cli.framework.world import DONE
from dsops.cli.look.whoami import base_endpoint, base_environ, load_base
from dsops.credentials import Credentials
from dsops.endpoint import Endpoint, is_loopback, parse_address, resolve_endpoint
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
from dsops.explain.evidence.attached import AttachedReader
from dsops.explain.evidence.completer import Completer
from dsops.explain.evidence.organization import OrganizationReader
from dsops.extras import install_command
from dsops.policy import Case, CompletedQuestion, PolicySet
from dsops.runtime import Runtime
from dsops.secret import Secret

Questions = Sequence[tuple[Case, PolicySet]]


def ask_aws(questions: Questions, file: str, runtime: Runtime) -> Sequence[CompletedQuestion]:
    """Each question with what the caller's own keys may read of the caller's account, in order."""
    credentials, _ = load_base(runtime)
    client, sts = make_client(runtime), base_endpoint(runtime)
    environ = base_environ(runtime)
    iam = Iam(client, credentials, resolve_endpoint("iam", sts.region, environ))
    organizations = OrganizationsClient(client, credentials, resolve_endpoint("organizations", sts.region, environ))

    async def work() -> list[CompletedQuestion | DsopsError]:
        identity = await get_caller_identity(client, credentials, sts)
        organization = OrganizationReader({identity.account: organizations}, lambda _: None)

        def secrets(account: str, region: str) -> list[SecretsManagerClient]:
            if account != identity.account:
                return []
            return [SecretsManagerClient(client, credentials, resolve_endpoint("secretsmanager", region, environ))]

        def keys(account: str, region: str) -> list[Kms]:
            if account != identity.account:
                return []
            return [Kms(client, credentials, resolve_endpoint("kms", region, environ))]

        completer = Completer({identity.account: AttachedReader(iam)}, organization, secrets, keys)
        return await completer.complete_all([(case.asked, policies) for case, policies in questions])

    return _checked(carry_out(work(), runtime), questions, file, runtime)


def ask_sandbox(questions: Questions, url: str, file: str, runtime: Runtime) -> Sequence[CompletedQuestion]:
    """Each question with what a sandbox has, in order; read with the keys of each account's `admin`.

    The keys in the environment stay there: they may be those of a real account.
    """
    address = parse_address(url)
    if address is None or not is_loopback(address.host):
        raise UsageError(
            f"--sandbox {clean(url)} is not the address of a sandbox on this machine",
            hint="write what `dsops sandbox serve` prints, such as http://127.0.0.1:4566",
        )
    # Nothing of the environment counts on the way to this machine: no proxy, no other address.
    quiet = runtime._replace(environ={})
    client = make_client(quiet)
    accounts = {case.asked.principal.account for case, _ in questions} | {
        case.asked.resource_account for case, _ in questions
    }
    find = _admin_finder(url)

    def organizations(account: str) -> OrganizationsClient | None:
        found = find(account)
        return OrganizationsClient(client, found[0], _endpoint("organizations", found[1], url)) if found else None

    def secrets(account: str, region: str) -> list[SecretsManagerClient]:
        found = find(account)
        return [SecretsManagerClient(client, found[0], _endpoint("secretsmanager", region, url))] if found else []

    def keys(account: str, region: str) -> list[Kms]:
        found = find(account)
        return [Kms(client, found[0], _endpoint("kms", region, url))] if found else []

    readers, own = {}, {}
    for account in sorted(accounts - {""}):
        found, asked = find(account), organizations(account)
        if found is not None and asked is not None:
            readers[account] = AttachedReader(Iam(client, found[0], _endpoint("iam", found[1], url)))
            own[account] = asked

    async def work() -> list[CompletedQuestion | DsopsError]:
        completer = Completer(readers, OrganizationReader(own, organizations), secrets, keys)
        return await completer.complete_all([(case.asked, policies) for case, policies in questions])

    return _checked(carry_out(work(), quiet), questions, file, runtime)


def _endpoint(service: str, region: str, url: str) -> Endpoint:
    return resolve_endpoint(service, region, {}, endpoint_url=url)


def _admin_finder(url: str) -> Callable[[str], tuple[Credentials, str] | None]:
    """What gives the keys of an account's `admin` and the sandbox's region; None for an account that it hasn't."""
    try:
        from dsops.sandbox.control.running_sandboxes import ask
    except ModuleNotFoundError as error:
        hint = f"install it: {install_command('sandbox')}"
        raise ExtraMissing("the sandbox is not installed", why=f"{error.name} is missing", hint=hint) from error
    ask(url, "health")

    @cache
    def find(account: str) -> tuple[Credentials, str] | None:
        # An account without an admin who has keys is one of which nothing can be read, too.
        with suppress(SandboxUnavailable, KeyError):
            told = ask(url, "identity", **{"as": f"admin@{account}"})
            return Credentials(told["AccessKeyId"], Secret(told["SecretAccessKey"])), str(told["Region"])
        return None

    return find


def _checked(
    found: Sequence[CompletedQuestion | DsopsError], questions: Questions, file: str, runtime: Runtime
) -> Sequence[CompletedQuestion]:
    """What was found; raises every user and role that does not exist, with the lines of the cases that name them."""
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
        raise CasesInvalid(f"{file} names what IAM does not have", problems=tuple(problems))
    return completed

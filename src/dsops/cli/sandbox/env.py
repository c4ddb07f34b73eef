"""`dsops sandbox env`: the variables by which a shell is somebody in the running sandbox: a user, a pod, a CI job."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlencode

from dsops.cli.framework.command import Arguments, Command, Flag
from dsops.cli.framework.output import answer
from dsops.cli.sandbox.mint import PORT
from dsops.errors import UsageError
from dsops.runtime import Runtime

AS = Flag(
    "--as",
    "whose keys to use: a user of the sandbox, NAME or NAME@ACCOUNT",
    value="NAME",
    own_variable="DSOPS_SANDBOX_AS",
)
ROLE = Flag(
    "--container-role",
    "play an ECS task of this role instead of a user",
    value="ROLE",
    own_variable="DSOPS_SANDBOX_CONTAINER_ROLE",
)
POD_ROLE = Flag(
    "--pod-role",
    "play a pod of this role, as EKS Pod Identity has it, instead of a user",
    value="ROLE",
    own_variable="DSOPS_SANDBOX_POD_ROLE",
)
SERVICE_ACCOUNT = Flag(
    "--service-account",
    "with --pod-role: the pod's service account",
    value="NAMESPACE/NAME",
    default="default/default",
    own_variable="DSOPS_SANDBOX_SERVICE_ACCOUNT",
)
FUNCTION_ROLE = Flag(
    "--function-role",
    "play a Lambda function of this role instead of a user",
    value="ROLE",
    own_variable="DSOPS_SANDBOX_FUNCTION_ROLE",
)
FUNCTION = Flag(
    "--function",
    "with --function-role: the function's name",
    value="NAME",
    default="function",
    own_variable="DSOPS_SANDBOX_FUNCTION",
)
GITHUB_REPOSITORY = Flag(
    "--github-repository",
    "play a job of GitHub Actions in this repository instead of a user",
    value="OWNER/NAME",
    own_variable="DSOPS_SANDBOX_GITHUB_REPOSITORY",
)
GITHUB_REF = Flag(
    "--github-ref",
    "with --github-repository: the branch or tag",
    value="REF",
    default="refs/heads/main",
    own_variable="DSOPS_SANDBOX_GITHUB_REF",
)

_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")

Variables = dict[str, str]


def _env(arguments: Arguments, runtime: Runtime) -> int:
    from dsops.sandbox.control.client import client_variables, rivals
    from dsops.sandbox.control.running_sandboxes import ask, find_running

    _check_who(arguments)
    url = find_running(arguments.integer("--port"), runtime.environ)
    role = "".join(arguments.text(flag.name) for flag in (ROLE, POD_ROLE, FUNCTION_ROLE))
    identity = ask(url, "identity", **{"as": arguments.text("--as"), "container_role": role})
    variables = client_variables(url, identity["Region"], identity["AccessKeyId"], identity["SecretAccessKey"])
    for flag, add in _PLAYED.items():
        if arguments.text(flag):
            for name in _KEYS:
                del variables[name]
            variables |= add(arguments, url, identity)
    # A name may be any text; what is no name to a shell it would run.
    names = [name for name in rivals(runtime.environ) if name.isascii() and name.isidentifier()]
    if runtime.environ.get(_OF_A_JOB[0], "").startswith(f"{url}/"):
        names += [name for name in _OF_A_JOB if name in runtime.environ]
    gone = [name for name in names if name not in variables]
    if gone:
        answer(f"unset {' '.join(gone)}")
    for name, value in variables.items():
        answer(f"export {name}={shlex.quote(value)}")
    return 0


def _check_who(arguments: Arguments) -> None:
    """Somebody is one of these, and what says more of one of them is not said of another."""
    chosen = [flag for flag in (AS.name, *_PLAYED) if arguments.text(flag)]
    if len(chosen) > 1:
        raise UsageError(f"{chosen[0]} and {chosen[1]} exclude each other", hint="say one of them")
    for flag, what in ((GITHUB_REPOSITORY, "OWNER/NAME, such as org/app"), (SERVICE_ACCOUNT, "NAMESPACE/NAME")):
        named = arguments.text(flag.name)
        if named and not all(named.partition("/")[::2]):
            raise UsageError(f"`{flag.name}` can't be `{named}`", hint=f"it is {what}")


def _container(arguments: Arguments, url: str, identity: dict[str, Any]) -> Variables:
    """As ECS sets them in the containers of a task."""
    role = _path(arguments.text(ROLE.name))
    return {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{url}/_sandbox/container-credentials/{role}",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": identity["ContainerToken"],
    }


def _pod(arguments: Arguments, url: str, identity: dict[str, Any]) -> Variables:
    """As EKS Pod Identity sets them, but for the token, which EKS puts into a file."""
    namespace, _, account = arguments.text(SERVICE_ACCOUNT.name).partition("/")
    query = urlencode({"namespace": namespace, "service_account": account})
    role = _path(arguments.text(POD_ROLE.name))
    return {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{url}/_sandbox/pod-credentials/{role}?{query}",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": identity["ContainerToken"],
    }


def _function(arguments: Arguments, url: str, _: dict[str, Any]) -> Variables:
    """As Lambda sets them for a function: the role's session, and the function's name."""
    from dsops.sandbox.control.running_sandboxes import tell

    name = arguments.text(FUNCTION.name)
    session = tell(url, "function", {"role": arguments.text(FUNCTION_ROLE.name), "function": name})
    return {
        "AWS_ACCESS_KEY_ID": session["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": session["SecretAccessKey"],
        "AWS_SESSION_TOKEN": session["Token"],
        "AWS_LAMBDA_FUNCTION_NAME": name,
    }


def _job(arguments: Arguments, url: str, identity: dict[str, Any]) -> Variables:
    """As the runner sets them for a job of GitHub Actions that may ask for a token."""
    repository, ref = arguments.text(GITHUB_REPOSITORY.name), arguments.text(GITHUB_REF.name)
    query = urlencode({"api-version": "2.0", "repository": repository, "ref": ref})
    return dict(zip(_OF_A_JOB, (f"{url}/_sandbox/github?{query}", identity["GitHubToken"]), strict=True))


def _path(role: str) -> str:
    """A role's name or ARN in the path of an address."""
    return quote(role, safe="/")


_PLAYED: dict[str, Callable[[Arguments, str, dict[str, Any]], Variables]] = {
    ROLE.name: _container,
    POD_ROLE.name: _pod,
    FUNCTION_ROLE.name: _function,
    GITHUB_REPOSITORY.name: _job,
}
"""Who is no user, and the variables by which they find their credentials."""

_OF_A_JOB = ("ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN")
"""The runner's own; only the sandbox's are taken back."""

ENV = Command(
    help='Prints shell exports for the sandbox that runs: eval "$(dsops sandbox env --as alice)".',
    run=_env,
    flags=(AS, PORT, ROLE, POD_ROLE, SERVICE_ACCOUNT, FUNCTION_ROLE, FUNCTION, GITHUB_REPOSITORY, GITHUB_REF),
)

"""`dsops sandbox env`: print the variables that give a shell an identity of the running sandbox."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Any

from dsops.cli.framework.command import Arguments, Command, Flag
from dsops.cli.framework.output import answer
from dsops.cli.sandbox.issue_tokens import PORT
from dsops.errors import UsageError
from dsops.runtime import Runtime
from dsops.sandbox.control.client import (
    GITHUB_VARIABLES,
    client_variables,
    container_variables,
    function_variables,
    github_variables,
    pod_variables,
    rivals,
)

AS = Flag(
    "--as",
    "use the keys of this user of the sandbox: NAME or NAME@ACCOUNT",
    value="NAME",
    own_variable="DSOPS_SANDBOX_AS",
)
ROLE = Flag(
    "--container-role",
    "simulate an ECS task with this role instead of a user",
    value="ROLE",
    own_variable="DSOPS_SANDBOX_CONTAINER_ROLE",
)
POD_ROLE = Flag(
    "--pod-role",
    "simulate a pod with this role (EKS Pod Identity) instead of a user",
    value="ROLE",
    own_variable="DSOPS_SANDBOX_POD_ROLE",
)
SERVICE_ACCOUNT = Flag(
    "--service-account",
    "with --pod-role: the service account of the pod",
    value="NAMESPACE/NAME",
    default="default/default",
    own_variable="DSOPS_SANDBOX_SERVICE_ACCOUNT",
)
FUNCTION_ROLE = Flag(
    "--function-role",
    "simulate a Lambda function with this role instead of a user",
    value="ROLE",
    own_variable="DSOPS_SANDBOX_FUNCTION_ROLE",
)
FUNCTION = Flag(
    "--function",
    "with --function-role: the name of the function",
    value="NAME",
    default="function",
    own_variable="DSOPS_SANDBOX_FUNCTION",
)
GITHUB_REPOSITORY = Flag(
    "--github-repository",
    "simulate a GitHub Actions job of this repository instead of a user",
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
    # A name that is not an identifier is left out: after `unset`, it would run as shell code.
    names = [name for name in rivals(runtime.environ) if name.isascii() and name.isidentifier()]
    if runtime.environ.get(GITHUB_VARIABLES[0], "").startswith(f"{url}/"):
        names += [name for name in GITHUB_VARIABLES if name in runtime.environ]
    removed_names = [name for name in names if name not in variables]
    if removed_names:
        answer(f"unset {' '.join(removed_names)}")
    for name, value in variables.items():
        answer(f"export {name}={shlex.quote(value)}")
    return 0


def _check_who(arguments: Arguments) -> None:
    """Raises UsageError for two identities at once, and for malformed names."""
    chosen = [flag for flag in (AS.name, *_PLAYED) if arguments.text(flag)]
    if len(chosen) > 1:
        raise UsageError(f"{chosen[0]} and {chosen[1]} can't be combined", hint="use one of them")
    for flag, what in ((GITHUB_REPOSITORY, "OWNER/NAME, such as org/app"), (SERVICE_ACCOUNT, "NAMESPACE/NAME")):
        named = arguments.text(flag.name)
        if named and not all(named.partition("/")[::2]):
            raise UsageError(f"`{flag.name}` can't be `{named}`", hint=f"write {what}")


def _container(arguments: Arguments, url: str, identity: dict[str, Any]) -> Variables:
    return container_variables(url, arguments.text(ROLE.name), identity["ContainerToken"])


def _pod(arguments: Arguments, url: str, identity: dict[str, Any]) -> Variables:
    namespace, _, account = arguments.text(SERVICE_ACCOUNT.name).partition("/")
    return pod_variables(url, arguments.text(POD_ROLE.name), namespace, account, identity["ContainerToken"])


def _function(arguments: Arguments, url: str, _: dict[str, Any]) -> Variables:
    from dsops.sandbox.control.running_sandboxes import tell

    name = arguments.text(FUNCTION.name)
    return function_variables(
        tell(url, "function", {"role": arguments.text(FUNCTION_ROLE.name), "function": name}), name
    )


def _job(arguments: Arguments, url: str, identity: dict[str, Any]) -> Variables:
    repository, ref = arguments.text(GITHUB_REPOSITORY.name), arguments.text(GITHUB_REF.name)
    return github_variables(url, repository, ref, identity["GitHubToken"])


_PLAYED: dict[str, Callable[[Arguments, str, dict[str, Any]], Variables]] = {
    ROLE.name: _container,
    POD_ROLE.name: _pod,
    FUNCTION_ROLE.name: _function,
    GITHUB_REPOSITORY.name: _job,
}
"""Maps a workload's flag to a function that returns variables with which the workload's SDK gets credentials."""

ENV = Command(
    help='Print shell exports for the running sandbox: eval "$(dsops sandbox env --as alice)".',
    run=_env,
    flags=(AS, PORT, ROLE, POD_ROLE, SERVICE_ACCOUNT, FUNCTION_ROLE, FUNCTION, GITHUB_REPOSITORY, GITHUB_REF),
)

"""`dsops credentials`: the session that a store issues, for another program."""

from __future__ import annotations

import os

from dsops.agent.client import begin_elsewhere
from dsops.cli.framework.command import CONFIG, NO_AGENT, REASON, SESSION_ENVIRONMENT, Arguments, Command, Flag, Operand
from dsops.cli.framework.output import Json, answer_bytes, json_text, note
from dsops.cli.framework.project import Tell, issue, load_config, plan_session
from dsops.cli.framework.world import DONE
from dsops.credentials import Credentials
from dsops.errors import FileNotWritten, NotAllowed, UsageError
from dsops.input_file import read_whole, reason
from dsops.plan import Plan
from dsops.render import renderer
from dsops.runtime import Runtime
from dsops.secret import Secret

STDOUT = "-"
_MOST_BYTES = 1 << 24

FORMATS = {
    "json": "one object, with the caller's ARN",
    "env": "`export AWS_...='...'` lines for a shell",
    "powershell": "`$env:AWS_... = '...'` lines for PowerShell",
    "fish": "`set -gx AWS_... '...'` lines for fish",
    "ini": "a profile named as the store, for ~/.aws/credentials",
    "process": "what `credential_process` in ~/.aws/config expects",
    "github": "adds to $GITHUB_ENV, for later steps of GitHub Actions",
    "gitlab": "NAME=value lines for GitLab's dotenv reports",
}


def _run(arguments: Arguments, runtime: Runtime) -> int:
    name, format_name, out = arguments.operand("STORE"), arguments.text("--format"), arguments.text("--out")
    if runtime.environ is os.environ:
        begin_elsewhere(arguments.text("--for-profile"))
    # First of all: what can't be written must not cost a call.
    step_file = ""
    if format_name == "github":
        from dsops.cli.run.github import require_step

        step_file = require_step(out, runtime)
    credentials = issue(planned(arguments, runtime), name, arguments, runtime)
    runtime.report(DONE)
    if step_file:
        from dsops.cli.run.exec_mask import secrets_of
        from dsops.cli.run.github import export

        export(renderer("github")(_variables(credentials)), secrets_of(credentials), step_file)
    elif out in {"", STDOUT}:
        answer_bytes(text_of(name, format_name, credentials))
    else:
        _write(name, format_name, credentials, out)
    return 0


def is_plain(arguments: Arguments) -> bool:
    """Whether nothing is written but an answer on stdout."""
    return arguments.text("--out") in {"", STDOUT} and arguments.text("--format") != "github"


def planned(arguments: Arguments, runtime: Runtime, tell: Tell | None = None) -> Plan:
    """What it takes to get the session that is asked for; `tell` as in `load_config`."""
    name, profile = arguments.operand("STORE"), arguments.text("--for-profile")
    try:
        # A profile names the file for as long as it stands there: what it may do is what was allowed.
        config = load_config(arguments, runtime, is_chosen=not profile, tell=tell)
    except NotAllowed as error:
        if profile:
            error.retell(error.message, why=f"profile `{profile}` names this file, which may have changed since")
        raise
    plan = plan_session(config, name, arguments, runtime, tell=tell)
    require_session(plan, name)
    return plan


def text_of(name: str, format_name: str, credentials: Credentials) -> bytes:
    """The answer, in every format but GitHub's."""
    if format_name == "json":
        return f"{json_text({'store': name, **_value(credentials)})}\n".encode()
    if format_name == "process":
        from dsops.render.keys import process

        return process(_variables(credentials))
    if format_name == "ini":
        from dsops.render.profile import section

        return section(name, _variables(credentials)).encode()
    return renderer("shell" if format_name == "env" else format_name)(_variables(credentials))


def _write(name: str, format_name: str, credentials: Credentials, path: str) -> None:
    """Puts the answer into a file for its owner alone; a file of profiles keeps its other ones."""
    from dsops.render.file import write_private

    text = text_of(name, format_name, credentials)
    if format_name == "ini":
        from dsops.render.profile import put

        text = put(old_text(path), name, _variables(credentials)).encode()
    write_private(path, text)
    until = credentials.expiration_text
    kind = f"keys that work until {until}" if until else "long-term keys"
    note(f"`{path}` holds {kind}: remove them when you are done")


def old_text(path: str) -> str:
    """What a file of profiles holds; "" where there is none. One that can't be read is not replaced either."""
    try:
        return read_whole(path, _MOST_BYTES).decode()
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError:
        # From None: the error carries the file's bytes.
        why, hint = "what it holds now is not UTF-8", "save it as UTF-8, or name another"
        raise FileNotWritten(f"`{path}` was not written", why=why, hint=hint) from None
    except OSError as error:
        raise FileNotWritten(f"`{path}` was not written", why=reason(error), hint="is the file yours?") from error


def require_session(plan: Plan, name: str) -> None:
    """Refuses a store that has nothing to do with AWS credentials."""
    store_type = plan.steps[name].type
    if not store_type.gives_credentials and not store_type.takes_credentials:
        raise UsageError(
            f"store `{name}` has no credentials: its type is {store_type.name}",
            hint="name a store of the type aws.sts, or one that reads with AWS credentials",
            where=plan.steps[name].where,
        )


def _variables(credentials: Credentials) -> dict[str, Secret]:
    values = {
        "AWS_ACCESS_KEY_ID": Secret(credentials.access_key_id),
        "AWS_SECRET_ACCESS_KEY": credentials.secret_access_key,
        # Empty for a long-term key: a token that is left over from before would spoil it.
        "AWS_SESSION_TOKEN": credentials.session_token or Secret(""),
    }
    if credentials.expiration:
        values["AWS_CREDENTIAL_EXPIRATION"] = Secret(credentials.expiration_text)
    return values


def _value(credentials: Credentials) -> dict[str, Json]:
    token = credentials.session_token
    return {
        "access_key_id": credentials.access_key_id,
        "secret_access_key": credentials.secret_access_key.reveal(),
        "session_token": token.reveal() if token else None,
        "expiration": credentials.expiration_text or None,
        "arn": credentials.arn or None,
    }


_LIST = "\n".join(f"  {name:<12}{text}" for name, text in FORMATS.items())

COMMAND = Command(
    help=(
        f"Prints the credentials that a store issues, or reads with, in one of these formats:\n\n{_LIST}\n\n"
        "With --out they are on a disk, since you ask for it: in a file for its owner alone (mode 0600),\n"
        "written in one step. As `ini` it keeps its other profiles. `github` takes no --out: it prints what\n"
        "the runner has to mask, then adds the variables to the file that GITHUB_ENV names.\n\n"
        "  # ~/.aws/config\n"
        "  [profile target]\n"
        "  credential_process = dsops --config /path/dsops.yaml credentials aws-sts-target --format process\n\n"
        "`dsops export aws-config` writes such profiles."
    ),
    run=_run,
    is_audited=True,
    flags=(
        CONFIG,
        SESSION_ENVIRONMENT,
        NO_AGENT,
        REASON,
        Flag(
            "--format",
            "the format",
            value="FORMAT",
            choices=tuple(FORMATS),
            default="json",
            own_variable="DSOPS_CREDENTIALS_FORMAT",
        ),
        # Not DSOPS_OUT, which is `render`'s: it would keep the answer from who runs this as a credential_process.
        Flag("--out", "the file to write instead of stdout", value="FILE", own_variable="DSOPS_CREDENTIALS_OUT"),
        Flag("--min-ttl", "do not give credentials that end sooner", "seconds", value="SECONDS"),
        Flag(
            "--for-profile",
            "the profile that this is the credential_process of: AWS_PROFILE of that name is passed over",
            value="NAME",
        ),
    ),
    operands=(Operand("STORE", "the name of a store of the configuration"),),
)

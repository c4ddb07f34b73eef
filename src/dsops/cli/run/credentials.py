"""`dsops credentials`: print the session of a store, for another program."""

from __future__ import annotations

import os

from dsops.agent.client import begin_elsewhere
from dsops.cli.framework.command import (
    CONFIG,
    NO_AGENT,
    PICK,
    REASON,
    SESSION_ENVIRONMENT,
    Arguments,
    Command,
    Flag,
    Operand,
)
from dsops.cli.framework.output import Json, answer_bytes, json_text, note
from dsops.cli.framework.process_runtime import DONE
from dsops.cli.framework.project import issue, load_config, plan_session, request_of
from dsops.credentials import Credentials
from dsops.errors import FileNotWritten, NotAllowed
from dsops.input_file import read_whole, reason
from dsops.pipeline.plans import require_session
from dsops.plan import Plan
from dsops.render import renderer
from dsops.runtime import Runtime
from dsops.secret import Secret
from dsops.startup import TYPE_CHECKING

if TYPE_CHECKING:
    from dsops.agent.command_lines import AnswerLine

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
    # Flags are checked first, so that no call is made for output that can't be written.
    step_file = ""
    if format_name == "github":
        from dsops.cli.run.github import require_step

        step_file = require_step(out, runtime)
    credentials = issue(_planned(arguments, runtime), name, arguments, runtime)
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


def _line(arguments: Arguments) -> AnswerLine | None:
    format_name = arguments.text("--format")
    if arguments.text("--out") not in {"", STDOUT} or format_name == "github":
        return None
    from dsops.agent.command_lines import CredentialsLine

    store = arguments.operand("STORE")
    request = request_of(arguments)._replace(store=store, profile=arguments.text("--for-profile"))
    return CredentialsLine(request, lambda credentials: text_of(store, format_name, credentials))


def _planned(arguments: Arguments, runtime: Runtime) -> Plan:
    """Return the plan for the session of the store."""
    name, profile = arguments.operand("STORE"), arguments.text("--for-profile")
    try:
        # The configuration needs permission, since it may have changed after the profile was written.
        config = load_config(arguments, runtime, is_chosen=not profile, names=(name,))
    except NotAllowed as error:
        if profile:
            error.retell(error.message, why=f"profile `{profile}` names this file, which may have changed since")
        raise
    plan = plan_session(config, name, arguments, runtime)
    require_session(plan, name)
    return plan


def text_of(name: str, format_name: str, credentials: Credentials) -> bytes:
    """Format the session in any format except `github`, whose variables are written to the runner's file."""
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
    """Write the session to a file with mode 0600; other profiles in an `ini` file are left unchanged."""
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
    """Return the text of a profiles file; "" if it does not exist. Raises FileNotWritten if it can't be read."""
    try:
        return read_whole(path, _MOST_BYTES).decode()
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError:
        # The error is raised `from None`, because the original error contains the file's bytes.
        why, hint = "its current content is not UTF-8", "save the file as UTF-8, or name another file"
        raise FileNotWritten(f"`{path}` was not written", why=why, hint=hint) from None
    except OSError as error:
        raise FileNotWritten(
            f"`{path}` was not written", why=reason(error), hint="check the owner and mode of the file"
        ) from error


def _variables(credentials: Credentials) -> dict[str, Secret]:
    values = {
        "AWS_ACCESS_KEY_ID": Secret(credentials.access_key_id),
        "AWS_SECRET_ACCESS_KEY": credentials.secret_access_key,
        # For a long-term key, the token is set to an empty text: with an inherited token, AWS would refuse the call.
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
        f"Print the credentials that a store issues or uses, in one of these formats:\n\n{_LIST}\n\n"
        "With --out, they are written to a file, atomically, with mode 0600. Other profiles in an `ini` file\n"
        "are kept. `github` takes no --out: it prints the commands that make the runner mask the secrets,\n"
        "then adds the variables to the file in $GITHUB_ENV.\n\n"
        "  # ~/.aws/config\n"
        "  [profile target]\n"
        "  credential_process = dsops --config /path/dsops.yaml credentials aws-sts-target --format process\n\n"
        "`dsops export aws-config` writes profiles like this."
    ),
    run=_run,
    answered=_line,
    is_audited=True,
    flags=(
        CONFIG,
        PICK,
        SESSION_ENVIRONMENT,
        NO_AGENT,
        REASON,
        Flag(
            "--format",
            "the output format",
            value="FORMAT",
            choices=tuple(FORMATS),
            default="json",
            own_variable="DSOPS_CREDENTIALS_FORMAT",
        ),
        # The flag does not use DSOPS_OUT, the variable of `render`: a credential_process has to print its result.
        Flag("--out", "write to this file instead of stdout", value="FILE", own_variable="DSOPS_CREDENTIALS_OUT"),
        Flag("--min-ttl", "minimum remaining lifetime of the credentials", "seconds", value="SECONDS"),
        Flag(
            "--for-profile",
            ("the profile whose credential_process runs this command: AWS_PROFILE is ignored if it names that profile"),
            value="NAME",
        ),
    ),
    operands=(Operand("STORE", "the name of a store of the configuration"),),
)

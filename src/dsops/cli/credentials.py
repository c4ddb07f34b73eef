"""`dsops credentials`: the session that a store issues, for another program."""

from __future__ import annotations

from dsops.cli.command import CONFIG, NO_AGENT, Arguments, Command, Flag, Operand
from dsops.cli.output import Json, answer_bytes, answer_json
from dsops.cli.project import issue, load_config, plan_one_store
from dsops.cli.world import DONE
from dsops.credentials import Credentials
from dsops.errors import UsageError
from dsops.plan import Plan
from dsops.render import renderer
from dsops.runtime import Runtime
from dsops.secret import Secret
from dsops.stores import StoreTypes

FORMATS = {
    "json": "one object, with the caller's ARN",
    "env": "`export AWS_...='...'` lines for a shell",
    "process": "what `credential_process` in ~/.aws/config expects",
}


def _run(arguments: Arguments, runtime: Runtime) -> int:
    name = arguments.operand("STORE")
    plan = plan_one_store(load_config(arguments, runtime), name, runtime)
    require_session(plan, name)
    credentials = issue(plan, name, arguments, runtime)
    runtime.report(DONE)
    if arguments.text("--format") == "env":
        answer_bytes(renderer("shell")(_variables(credentials)))
    elif arguments.text("--format") == "process":
        answer_json(_process_value(credentials))
    else:
        answer_json({"store": name, **_value(credentials)})
    return 0


def require_session(plan: Plan, name: str) -> None:
    """Refuses a store that has nothing to do with AWS credentials."""
    store_type = StoreTypes()[plan.steps[name].type]
    if not store_type.gives_credentials and not store_type.takes_credentials:
        raise UsageError(
            f"store `{name}` has no credentials: its type is {store_type.name}",
            hint="name a store of the type aws.sts, or one that reads with AWS credentials",
            where=plan.steps[name].where,
        )


def expiration_text(credentials: Credentials) -> str:
    """`2026-11-24T15:07:18Z`; "" when no expiry is known."""
    return credentials.expiration.strftime("%Y-%m-%dT%H:%M:%SZ") if credentials.expiration else ""


def _variables(credentials: Credentials) -> dict[str, Secret]:
    values = {
        "AWS_ACCESS_KEY_ID": Secret(credentials.access_key_id),
        "AWS_SECRET_ACCESS_KEY": credentials.secret_access_key,
        # Empty for a long-term key: a token that is left over from before would spoil it.
        "AWS_SESSION_TOKEN": credentials.session_token or Secret(""),
    }
    if credentials.expiration:
        values["AWS_CREDENTIAL_EXPIRATION"] = Secret(expiration_text(credentials))
    return values


def _value(credentials: Credentials) -> dict[str, Json]:
    token = credentials.session_token
    return {
        "access_key_id": credentials.access_key_id,
        "secret_access_key": credentials.secret_access_key.reveal(),
        "session_token": token.reveal() if token else None,
        "expiration": expiration_text(credentials) or None,
        "arn": credentials.arn or None,
    }


def _process_value(credentials: Credentials) -> Json:
    """AWS SDKs and Tools Reference Guide, "Process credential provider": without Expiration it is never asked again."""
    value: dict[str, Json] = {
        "Version": 1,
        "AccessKeyId": credentials.access_key_id,
        "SecretAccessKey": credentials.secret_access_key.reveal(),
    }
    if credentials.session_token:
        value["SessionToken"] = credentials.session_token.reveal()
    if credentials.expiration:
        value["Expiration"] = expiration_text(credentials)
    return value


_LIST = "\n".join(f"  {name:<9}{text}" for name, text in FORMATS.items())

COMMAND = Command(
    help=(
        f"Prints the credentials that a store issues, or reads with, in one of these formats:\n\n{_LIST}\n\n"
        "  # ~/.aws/config\n"
        "  [profile target]\n"
        "  credential_process = dsops --config /path/dsops.yaml credentials aws-sts-target --format process"
    ),
    run=_run,
    flags=(
        CONFIG,
        NO_AGENT,
        Flag(
            "--format",
            "the format",
            value="FORMAT",
            choices=tuple(FORMATS),
            default="json",
            own_variable="DSOPS_CREDENTIALS_FORMAT",
        ),
        Flag("--min-ttl", "do not give credentials that end sooner", "seconds", value="SECONDS"),
    ),
    operands=(Operand("STORE", "the name of a store of the configuration"),),
)

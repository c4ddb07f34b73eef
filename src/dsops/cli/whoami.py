"""`dsops whoami`: who a call would be made by, asked of AWS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dsops.aws.ambient import OF_ENVIRONMENT, load_ambient, passed_over
from dsops.aws.client import make_client
from dsops.aws.sts import Identity, get_caller_identity
from dsops.cli.command import CONFIG, NO_AGENT, SESSION_ENVIRONMENT, Arguments, Command, Operand
from dsops.cli.credentials import require_session
from dsops.cli.output import answer, answer_json, clean, note
from dsops.cli.project import base_identity, carry_out, issue, load_config, plan_session
from dsops.cli.world import DONE
from dsops.credentials import Credentials
from dsops.endpoint import Endpoint, resolve_endpoint
from dsops.plan import Plan
from dsops.resolve.identity import endpoints_of
from dsops.runtime import Runtime
from dsops.stores.endpoints import endpoint_of

DEFAULT_REGION = "us-east-1"
"""Of STS alone, which answers everywhere."""


def _run(arguments: Arguments, runtime: Runtime) -> int:
    name = arguments.operand("STORE")
    chain: tuple[str, ...] = ()
    if name:
        plan = plan_session(load_config(arguments, runtime), name, arguments, runtime)
        require_session(plan, name)
        credentials = issue(plan, name, arguments, runtime)
        endpoint, chain = session_endpoint(plan, name, runtime), tuple(_chain(plan, name))
    else:
        credentials, _ = load_base(runtime)
        endpoint = base_endpoint(runtime)
    identity = carry_out(get_caller_identity(make_client(runtime), credentials, endpoint), runtime)
    runtime.report(DONE)
    if credentials.source == OF_ENVIRONMENT and passed_over(runtime.environ):
        note(passed_over(runtime.environ))
    _show(arguments, runtime, identity, credentials, chain)
    return 0


def _chain(plan: Plan, name: str) -> Iterator[str]:
    """The store, and those whose sessions it rests on, down to the base credentials."""
    while name:
        yield name
        name = plan.steps[name].credentials_from


def session_endpoint(plan: Plan, name: str, runtime: Runtime) -> Endpoint:
    """STS as it is reached for the store that issues the session; a secret store's own address is another service's."""
    step = plan.steps[name]
    while step.type != "aws.sts" and step.credentials_from:
        step = plan.steps[step.credentials_from]
    return endpoint_of(step, "sts", runtime) if step.type == "aws.sts" else base_endpoint(runtime, step.region)


def load_base(runtime: Runtime) -> tuple[Credentials, str]:
    """The base credentials, and where they come from."""
    found = load_ambient(runtime.environ, runtime.folder, now=runtime.now())
    return found, found.source


def base_source(source: str, caller_arn: str) -> str:
    """Where base credentials come from; an instance by its id, which stands in the caller that its role makes."""
    session = caller_arn.rpartition("/")[2]
    is_instance = source.endswith("the instance's role") and session.startswith("i-")
    return f"{source} {session}" if is_instance else source


def base_endpoint(runtime: Runtime, region: str = "", profile: str = "") -> Endpoint:
    """STS where the base credentials are at home: `region`, else that of the environment, or of its profile."""
    environ = runtime.environ
    region = region or environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or base_identity(runtime).region
    return resolve_endpoint("sts", region or DEFAULT_REGION, base_environ(runtime, profile))


def base_environ(runtime: Runtime, profile: str = "") -> Mapping[str, str]:
    """The environment, and what the base credentials' profile says of endpoints besides."""
    return {**runtime.environ, **dict(endpoints_of(runtime.environ, profile, runtime.folder))}


def _show(
    arguments: Arguments, runtime: Runtime, identity: Identity, credentials: Credentials, chain: tuple[str, ...]
) -> None:
    base = credentials.source if chain else base_source(credentials.source, identity.arn)
    expiration = credentials.expiration_text
    seconds_left = int(credentials.seconds_left(runtime.now())) if expiration else None
    if arguments.switch("--json"):
        answer_json({
            "arn": identity.arn,
            "account": identity.account,
            "user_id": identity.user_id,
            "source": f"store {chain[0]}" if chain else base,
            "chain": [*chain],
            "base_source": base or None,
            "key_id": credentials.masked_key_id,
            "is_temporary": credentials.is_temporary,
            "expiration": expiration or None,
            "seconds_left": seconds_left,
        })
        return
    answer(clean(f"caller   {identity.arn}"))
    answer(clean(f"account  {identity.account}"))
    answer(clean(f"user id  {identity.user_id}"))
    answer(clean(f"source   {_source(chain, base)}"))
    answer(f"key      {credentials.masked_key_id}")
    if seconds_left is not None:
        answer(f"expires  {expiration}, in {duration_text(seconds_left)}")
    elif credentials.is_temporary:
        answer("expires  not known: a session whose end nobody told")
    else:
        answer("expires  never: a long-term key")


def _source(chain: tuple[str, ...], base: str) -> str:
    """`store target, through jump, from profile ada (IAM Identity Center)`."""
    store = [f"store {chain[0]}"] if chain else []
    through = [f"through {' and '.join(chain[1:])}"] if chain[1:] else []
    return ", ".join([*store, *through, *([f"from {base}" if chain else base] if base else [])])


def duration_text(seconds: int) -> str:
    """`59 min`, `2 h 5 min`, `40 s`."""
    if seconds < 60:
        return f"{seconds} s"
    hours, minutes = divmod(seconds // 60, 60)
    return " ".join(part for part in (f"{hours} h" if hours else "", f"{minutes} min" if minutes else "") if part)


COMMAND = Command(
    help=(
        "Asks AWS who the caller is: with the base credentials, which sign the first hop, or with those of\n"
        "a store. Shows where they come from and how long they last, never a secret part."
    ),
    run=_run,
    flags=(CONFIG, SESSION_ENVIRONMENT, NO_AGENT),
    operands=(Operand("STORE", "a store whose session is asked about", is_required=False),),
)

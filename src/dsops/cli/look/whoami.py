"""`dsops whoami`: who a call would be made by, asked of AWS."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

from dsops.aws.apis.sts import CallerIdentity, get_caller_identity
from dsops.aws.http.client import make_client
from dsops.aws.identity.ambient import load_ambient, passed_over
from dsops.cli.framework.command import CONFIG, NO_AGENT, REASON, SESSION_ENVIRONMENT, Arguments, Command, Operand
from dsops.cli.framework.output import Json, answer, answer_json, clean, note
from dsops.cli.framework.project import base_identity, carry_out, issue, load_config, plan_session
from dsops.cli.framework.world import DONE
from dsops.cli.look.whoami_session import (
    Carried,
    base_is_session,
    carried,
    carried_value,
    hop_value,
    hop_words,
    hops_of,
    limits,
    of_base,
)
from dsops.cli.run.credentials import require_session
from dsops.credentials import OF_ENVIRONMENT, Credentials
from dsops.endpoint import Endpoint, resolve_endpoint
from dsops.plan import Plan, Step
from dsops.resolve.identity import endpoints_of
from dsops.runtime import Event, Runtime
from dsops.startup import NamedTuple
from dsops.stores import StoreTypes
from dsops.stores.endpoints import endpoint_of

DEFAULT_REGION = "us-east-1"
"""Of STS alone, which answers everywhere."""


class _Session(NamedTuple):
    """Credentials, and what is known of the way to them."""

    credentials: Credentials
    endpoint: Endpoint
    """STS, where it is asked who they are."""
    carried: Carried
    chain: tuple[str, ...] = ()
    """The store and those below it; () for base credentials."""
    hops: tuple[Step, ...] = ()
    ends: Mapping[str, str] = {}
    """Store -> when its session ends, for those that were issued on the way."""


def _run(arguments: Arguments, runtime: Runtime) -> int:
    name = arguments.operand("STORE")
    session = _session_of(name, arguments, runtime) if name else _base_session(runtime)
    work = get_caller_identity(make_client(runtime), session.credentials, session.endpoint)
    identity = carry_out(work, runtime)
    runtime.report(DONE)
    if session.credentials.source == OF_ENVIRONMENT and passed_over(runtime.environ):
        note(passed_over(runtime.environ))
    if arguments.switch("--json"):
        answer_json(_value(session, identity, runtime))
    else:
        for label, words in _lines(session, identity, runtime):
            answer(clean(f"{label:<9}{words}"))
    return 0


def _base_session(runtime: Runtime) -> _Session:
    credentials, _ = load_base(runtime)
    return _Session(credentials, base_endpoint(runtime), of_base(is_temporary=credentials.is_temporary))


def _session_of(name: str, arguments: Arguments, runtime: Runtime) -> _Session:
    """The session of a store; `ends` has those hops that had to be made for it, and were told."""
    plan = plan_session(load_config(arguments, runtime), name, arguments, runtime)
    require_session(plan, name)
    ends: dict[str, str] = {}
    credentials = issue(plan, name, arguments, runtime._replace(report=_collect(ends, runtime.report)))
    hops = hops_of(plan, name)
    if hops:
        ends[hops[-1].name] = credentials.expiration_text
    known = carried(hops, is_from_session=base_is_session(plan, name))
    return _Session(credentials, session_endpoint(plan, name, runtime), known, tuple(_chain(plan, name)), hops, ends)


def _collect(ends: dict[str, str], report: Callable[[Event], None]) -> Callable[[Event], None]:
    """Passes events on, and keeps when each session ends that is issued."""

    def reported(event: Event) -> None:
        if event.name == "credentials.issued":
            ends[event.facts["store"]] = event.facts["expires"]
        report(event)

    return reported


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


def _value(session: _Session, identity: CallerIdentity, runtime: Runtime) -> Json:
    """The answer for programs."""
    credentials, chain, base = session.credentials, session.chain, _base(session, identity)
    expiration = credentials.expiration_text
    return {
        "arn": identity.arn,
        "account": identity.account,
        "user_id": identity.user_id,
        "source": f"store {chain[0]}" if chain else base,
        "chain": [*chain],
        "base_source": base or None,
        "key_id": credentials.masked_key_id,
        "is_temporary": credentials.is_temporary,
        "expiration": expiration or None,
        "seconds_left": int(credentials.seconds_left(runtime.now())) if expiration else None,
        "region": session.endpoint.region,
        "endpoint": session.endpoint.url,
        "hops": [
            hop_value(step, end := session.ends.get(step.name, ""), _seconds_left(end, runtime))
            for step in session.hops
        ],
        **carried_value(session.carried),
    }


def _lines(session: _Session, identity: CallerIdentity, runtime: Runtime) -> Iterator[tuple[str, str]]:
    """The answer for people: a label, and what it is about."""
    credentials, known = session.credentials, session.carried
    yield "caller", identity.arn
    yield "account", identity.account
    yield "user id", identity.user_id
    yield "source", _source(session.chain, _base(session, identity))
    yield "key", credentials.masked_key_id
    yield "expires", _end(credentials, runtime)
    yield "region", f"{session.endpoint.region} ({session.endpoint.short})"
    for number, step in enumerate(session.hops, 1):
        yield "hop" if number == 1 else "", f"{number}. {hop_words(step)}, {_hop_end(step, session.ends, runtime)}"
    for number, tag in enumerate(known.tags):
        how = "inherited from" if tag.is_inherited else "sent by"
        yield "" if number else "tags", f"{tag.key}={tag.value} ({how} {tag.store})"
    if known.source_identity:
        yield "identity", f"{known.source_identity} (source identity, set by {known.source_identity_store})"
    for number, words in enumerate(limits(session.hops[-1]) if session.hops else ()):
        yield "" if number else "limits", words
    for number, words in enumerate(known.not_known):
        yield "" if number else "unknown", words


def _base(session: _Session, identity: CallerIdentity) -> str:
    source = session.credentials.source
    return source if session.chain else base_source(source, identity.arn)


def _end(credentials: Credentials, runtime: Runtime) -> str:
    if credentials.expiration_text:
        left = int(credentials.seconds_left(runtime.now()))
        return f"{credentials.expiration_text}, in {duration_text(left)}"
    return "not known: a session whose end nobody told" if credentials.is_temporary else "never: a long-term key"


def _hop_end(step: Step, ends: Mapping[str, str], runtime: Runtime) -> str:
    """When a hop's session ends; one that was not needed, since a later one was held, is not looked for."""
    if StoreTypes()[step.type].gives_long_term:
        return "a long-term key"
    left = _seconds_left(ends.get(step.name, ""), runtime)
    return "its end is not known here" if left is None else f"{duration_text(left)} left"


def _seconds_left(expiration: str, runtime: Runtime) -> int | None:
    if not expiration:
        return None
    return int((datetime.fromisoformat(expiration) - runtime.now()).total_seconds())


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
        "a store. Shows where they come from and how long they last, each hop behind them, the tags, the\n"
        "source identity and the session policy that the configuration puts on them, and what nobody can\n"
        "tell; never a secret part."
    ),
    run=_run,
    is_audited=True,
    flags=(CONFIG, SESSION_ENVIRONMENT, NO_AGENT, REASON),
    operands=(Operand("STORE", "a store whose session is asked about", is_required=False),),
)

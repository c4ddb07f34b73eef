"""`dsops whoami`: show the caller identity that AWS returns, and its session's hops, tags and policies."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

from dsops.aws.apis.sts import CallerIdentity, get_caller_identity
from dsops.aws.http.call import make_client
from dsops.aws.identity.ambient import passed_over
from dsops.cli.framework.command import CONFIG, NO_AGENT, PICK, REASON, SESSION_ENVIRONMENT, Arguments, Command, Operand
from dsops.cli.framework.output import Json, answer, answer_json, note
from dsops.cli.framework.process_runtime import DONE
from dsops.cli.framework.project import issue, load_config, plan_session
from dsops.cli.framework.screen import wrapped
from dsops.credentials import OF_ENVIRONMENT, Credentials
from dsops.endpoint import Endpoint
from dsops.errors import NoCredentials
from dsops.pipeline.execution import carry_out
from dsops.pipeline.plans import require_session
from dsops.pipeline.profiles import read_aws_profiles
from dsops.plan import Plan, Step
from dsops.plan.session_attributes import (
    SessionAttributes,
    as_issued,
    base_is_session,
    carried,
    hop_words,
    hops_of,
    limits,
    of_base,
    session_target,
    text_values,
)
from dsops.resolve.base import base_endpoint, base_source, load_base, session_endpoint
from dsops.runtime import Event, Runtime
from dsops.startup import NamedTuple
from dsops.text import clean, duration_text


class _Session(NamedTuple):
    """Credentials, and the chain of stores from which they come."""

    credentials: Credentials
    endpoint: Endpoint
    """The STS endpoint for GetCallerIdentity."""
    carried: SessionAttributes
    chain: tuple[str, ...] = ()
    """The named store and the stores whose credentials it uses; () for base credentials."""
    hops: tuple[Step, ...] = ()
    ends: Mapping[str, str] = {}
    """Map each store to the expiration of its session, for the sessions that this run issued."""


def _run(arguments: Arguments, runtime: Runtime) -> int:
    name = arguments.operand(STORE.name)
    session = _session_of(name, arguments, runtime) if name else _base_session(runtime)
    work = get_caller_identity(make_client(runtime), session.credentials, session.endpoint)
    identity = carry_out(work, runtime)
    runtime.report(DONE)
    session = session._replace(hops=as_issued(session.hops, identity.arn))
    if session.credentials.source == OF_ENVIRONMENT and passed_over(runtime.environ):
        note(passed_over(runtime.environ))
    if arguments.switch("--json"):
        answer_json(_value(session, identity, runtime))
    else:
        for label, words in _lines(session, identity, runtime):
            answer(wrapped(clean(f"{label:<9}{words}"), 1, indent=9))
    return 0


def _base_session(runtime: Runtime) -> _Session:
    try:
        credentials = load_base(runtime)
    except NoCredentials as error:
        error.missing = STORE.name  # lets the caller offer a list of stores and profiles to choose from
        raise
    return _Session(credentials, base_endpoint(runtime), of_base(is_temporary=credentials.is_temporary))


def _session_of(name: str, arguments: Arguments, runtime: Runtime) -> _Session:
    """Get the session of a store; `ends` of the result has the expirations of the hops that this run issues."""
    plan = plan_session(load_config(arguments, runtime, names=(name,)), name, arguments, runtime)
    require_session(plan, name)
    ends: dict[str, str] = {}
    credentials = issue(plan, name, arguments, runtime._replace(report=_collect(ends, runtime.report)))
    hops = hops_of(plan, name)
    if hops:
        ends[hops[-1].name] = credentials.expiration_text
    chain = tuple(_chain(plan, name))
    is_from_session = base_is_session(plan, name)
    if is_from_session is None:
        is_from_session = _profile_is_session(plan.steps[chain[-1]].profile, runtime)
    known = carried(hops, is_from_session=is_from_session)
    return _Session(credentials, session_endpoint(plan, name, runtime), known, chain, hops, ends)


def _profile_is_session(name: str, runtime: Runtime) -> bool | None:
    """Whether the access key of a profile, or of the default profile, is temporary; None if that is unknown."""
    environ = runtime.environ
    default = environ.get("AWS_PROFILE") or environ.get("AWS_DEFAULT_PROFILE") or "default"
    profile = read_aws_profiles(runtime)[0].by_name.get(name or default)
    return profile.has_session if profile is not None else None


def _collect(ends: dict[str, str], report: Callable[[Event], None]) -> Callable[[Event], None]:
    """Return a reporter that passes events on, and stores the expiration of each issued session in `ends`."""

    def reported(event: Event) -> None:
        if event.name == "credentials.issued":
            ends[event.facts["store"]] = event.facts["expires"]
        report(event)

    return reported


def _chain(plan: Plan, name: str) -> Iterator[str]:
    """Yield the store and the stores whose credentials it uses, down to the base credentials."""
    while name:
        yield name
        name = plan.steps[name].credentials_from


def _value(session: _Session, identity: CallerIdentity, runtime: Runtime) -> Json:
    """Return the answer as JSON."""
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
        **_carried_value(session.carried),
    }


def hop_value(step: Step, expiration: str, seconds_left: int | None) -> Json:
    """Return a hop as JSON; `expiration` is "" if it is unknown."""
    settings = step.settings
    return {
        "store": step.name,
        "operation": step.session_source,
        "role": session_target(step) or None,
        "session_name": str(settings["role_session_name"]) if "role_session_name" in settings else None,
        "region": step.region or None,
        "is_chained": step.is_chained,
        "has_external_id": "external_id" in settings,
        "mfa_device": str(settings["serial_number"]) if "serial_number" in settings else None,
        "has_session_policy": "session_policy" in settings,
        "policy_arns": list(text_values(step, "policy_arns")),
        "expiration": expiration or None,
        "seconds_left": seconds_left,
    }


def _carried_value(known: SessionAttributes) -> Mapping[str, Json]:
    """Return the session's tags and source identity as JSON."""
    identity = {"value": known.source_identity, "store": known.source_identity_store}
    return {
        "tags": [dict(tag._asdict()) for tag in known.tags],
        "source_identity": identity if known.source_identity else None,
        "not_known": list(known.not_known),
    }


def _lines(session: _Session, identity: CallerIdentity, runtime: Runtime) -> Iterator[tuple[str, str]]:
    """Yield the answer as text: labels and values."""
    credentials, known = session.credentials, session.carried
    yield "caller", identity.arn
    yield "account", identity.account
    yield "user id", identity.user_id
    yield "source", _source(session.chain, _base(session, identity))
    yield "key", credentials.masked_key_id
    yield "expires", _end(credentials, runtime)
    yield "region", f"{session.endpoint.region} ({session.endpoint.short})"
    for number, step in enumerate(session.hops, 1):
        yield "hop" if number == 1 else "", f"{number}. {hop_words(step)}{_hop_end(step, session.ends, runtime)}"
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
    return "unknown: the credentials do not say it" if credentials.is_temporary else "never: a long-term key"


def _hop_end(step: Step, ends: Mapping[str, str], runtime: Runtime) -> str:
    """Return when a hop's session expires; "" if a cached session made the hop unnecessary."""
    if step.type.gives_long_term:
        return ", a long-term key"
    left = _seconds_left(ends.get(step.name, ""), runtime)
    return "" if left is None else f", {duration_text(left)} left"


def _seconds_left(expiration: str, runtime: Runtime) -> int | None:
    if not expiration:
        return None
    return int((datetime.fromisoformat(expiration) - runtime.now()).total_seconds())


def _source(chain: tuple[str, ...], base: str) -> str:
    """Describe the source of the credentials: `store target, through jump, from profile ada (...)`."""
    store = [f"store {chain[0]}"] if chain else []
    through = [f"through {' and '.join(chain[1:])}"] if chain[1:] else []
    return ", ".join([*store, *through, *([f"from {base}" if chain else base] if base else [])])


STORE = Operand("STORE", "use the session of this store", is_required=False)

COMMAND = Command(
    help=(
        "Ask AWS who the caller is: with the base credentials, which sign the first hop, or with the session\n"
        "of a store.\n"
        "\n"
        "Shows where the credentials come from, how long they last, and each hop before them. Also shows\n"
        "the tags, the source identity and the session policy that the configuration sets, and which facts\n"
        "remain unknown because no AWS API returns them. Never shows a secret."
    ),
    run=_run,
    is_audited=True,
    flags=(CONFIG, SESSION_ENVIRONMENT, NO_AGENT, REASON, PICK),
    operands=(STORE,),
)

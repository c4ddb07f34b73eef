"""A question sent to Athena or CloudTrail Lake: whose credentials ask, what is told meanwhile, Ctrl-C."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import NamedTuple

from dsops.audit.cloudtrail.dialects import ATHENA
from dsops.audit.cloudtrail.engines import AthenaEngine, Engine, LakeEngine, Query
from dsops.audit.cloudtrail.whole import AskedQuestion, AthenaTarget
from dsops.audit.report import Answer
from dsops.aws.apis.athena import Athena
from dsops.aws.apis.cloudtrail import Lake
from dsops.aws.apis.queries import QueryState
from dsops.aws.http.client import make_client
from dsops.cli.framework.command import Arguments
from dsops.cli.framework.output import note
from dsops.cli.framework.project import carry_out, issue, load_config, plan_session
from dsops.cli.framework.world import DONE
from dsops.cli.run.credentials import require_session
from dsops.credentials import Credentials
from dsops.endpoint import Endpoint, resolve_endpoint
from dsops.errors import DsopsError, UsageError
from dsops.resolve.base import base_environ, base_region, load_base
from dsops.runtime import Event, Runtime
from dsops.text import counted


class _Caller(NamedTuple):
    """Who asks, and where."""

    credentials: Credentials
    endpoint: Endpoint


def ask_aws(wanted: AskedQuestion, place: AthenaTarget, arguments: Arguments, runtime: Runtime) -> tuple[Answer, Query]:
    """The answer, and the query that gave it; what it has cost is a note, Ctrl-C stops it.

    With `--json` there is no note: what was scanned is in the answer, and stderr is an error's alone.
    """
    tell: Callable[[str], None] = (lambda _: None) if arguments.switch("--json") else note
    caller = _caller(wanted, place, arguments, runtime)
    engine = _engine(wanted, place, caller, runtime)
    who = caller.credentials.arn or caller.credentials.masked_key_id
    query = Query(engine, wanted.question, wanted.sql, caller=who)
    tell(f"{engine.title} is asked in {caller.endpoint.region}: AWS bills for the bytes that are scanned")

    def told(seen: QueryState, seconds: float) -> None:
        scanned = "" if seen.scanned_bytes is None else counted(seen.scanned_bytes, "byte")
        facts = {"engine": engine.title, "state": seen.state, "seconds": f"{seconds:.0f}", "scanned": scanned}
        runtime.report(Event("query.waiting", facts))

    def tell_scanned() -> None:
        if query.scanned_bytes is not None:
            scanned = counted(query.scanned_bytes, "byte")
            tell(f"{scanned} scanned, by which AWS bills: query {query.id} in {engine.title}")

    try:
        given = carry_out(query.run(timeout_seconds=place.timeout_seconds, told=told), runtime)
    except DsopsError:
        runtime.report(DONE)
        tell_scanned()
        raise
    except KeyboardInterrupt:
        runtime.report(DONE)
        _stop(query, engine, runtime)
        raise
    runtime.report(DONE)
    tell_scanned()
    return given, query


def _caller(wanted: AskedQuestion, place: AthenaTarget, arguments: Arguments, runtime: Runtime) -> _Caller:
    service = "athena" if wanted.dialect == ATHENA else "cloudtrail"
    name = arguments.text("--store")
    if not name:
        endpoint = _endpoint(service, place.region or base_region(runtime), base_environ(runtime), wanted)
        return _Caller(load_base(runtime), endpoint)
    plan = plan_session(load_config(arguments, runtime), name, arguments, runtime)
    require_session(plan, name)
    step = plan.steps[name]
    environ = {**runtime.environ, **dict(step.endpoints)}
    endpoint = _endpoint(service, place.region or step.region, environ, wanted)
    return _Caller(issue(plan, name, arguments, runtime), endpoint)


def _endpoint(service: str, region: str, environ: Mapping[str, str], wanted: AskedQuestion) -> Endpoint:
    if not region:
        hint = "name the one that it is in: `--region eu-west-1`, or set AWS_REGION"
        raise UsageError(f"no region is known for {wanted.dialect.title}", hint=hint)
    return resolve_endpoint(service, region, environ)


def _engine(wanted: AskedQuestion, place: AthenaTarget, caller: _Caller, runtime: Runtime) -> Engine:
    client = make_client(runtime)
    if wanted.dialect == ATHENA:
        api = Athena(
            client, caller.credentials, caller.endpoint, place.workgroup, place.database, place.catalog, place.output
        )
        return AthenaEngine(api, wanted.source, os.urandom(24).hex())
    return LakeEngine(Lake(client, caller.credentials, caller.endpoint, wanted.source, place.output))


def _stop(query: Query, engine: Engine, runtime: Runtime) -> None:
    """Ends what goes on in AWS, for a person who has had enough."""
    if query.is_sent and not query.id:
        note(f"a query may have begun in {engine.title}, and be billed: its history there has the id")
    if not query.is_under_way:
        return
    try:
        carry_out(query.stop(), runtime)
    except DsopsError:
        note(f"the query {query.id} may go on, and be billed: `{query.stop_words}` stops it")
    else:
        note(f"the query {query.id} was stopped")

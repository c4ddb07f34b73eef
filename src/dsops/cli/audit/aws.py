"""Runs a question in Athena: chooses the credentials, shows progress, and stops the query on Ctrl-C."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from dsops.audit.cloudtrail.athena_query import AthenaQuery
from dsops.audit.cloudtrail.statement import AskedQuestion, AthenaTarget
from dsops.audit.report import Answer
from dsops.aws.apis.athena import Athena, QueryState
from dsops.aws.http.call import make_client
from dsops.cli.framework.command import Arguments
from dsops.cli.framework.output import note
from dsops.cli.framework.process_runtime import DONE
from dsops.cli.framework.project import issue, load_config, plan_session
from dsops.credentials import Credentials
from dsops.endpoint import Endpoint, resolve_endpoint
from dsops.errors import DsopsError, UsageError
from dsops.pipeline.execution import carry_out
from dsops.pipeline.plans import require_session
from dsops.resolve.base import base_environ, base_region, load_base
from dsops.runtime import Event, Runtime
from dsops.text import counted


class _Caller(NamedTuple):
    """The credentials that sign the calls to Athena, and Athena's endpoint."""

    credentials: Credentials
    endpoint: Endpoint


def ask_aws(
    wanted: AskedQuestion, place: AthenaTarget, arguments: Arguments, runtime: Runtime
) -> tuple[Answer, AthenaQuery]:
    """Run the query in Athena; return the answer and the query. Ctrl-C stops the query.

    A note on stderr says how many bytes Athena scanned. With `--json` there is no note: the answer contains the
    number of bytes, and stderr is for errors only.
    """
    tell: Callable[[str], None] = (lambda _: None) if arguments.switch("--json") else note
    caller = _caller(place, arguments, runtime)
    api = Athena(
        make_client(runtime),
        caller.credentials,
        caller.endpoint,
        place.workgroup,
        place.database,
        place.catalog,
        place.output,
    )
    who = caller.credentials.arn or caller.credentials.masked_key_id
    query = AthenaQuery(api, wanted.question, wanted.sql, table=wanted.source, caller=who)
    tell(f"running the query in Athena in {caller.endpoint.region}: AWS bills for the bytes scanned")

    def show_progress(status: QueryState, seconds: float) -> None:
        scanned = "" if status.scanned_bytes is None else counted(status.scanned_bytes, "byte")
        facts = {"engine": "Athena", "state": status.state, "seconds": f"{seconds:.0f}", "scanned": scanned}
        runtime.report(Event("query.waiting", facts))

    def tell_scanned() -> None:
        if query.scanned_bytes is not None:
            scanned = counted(query.scanned_bytes, "byte")
            tell(f"{scanned} scanned, for which AWS bills: query {query.id} in Athena")

    try:
        athena_answer = carry_out(query.run(timeout_seconds=place.timeout_seconds, on_progress=show_progress), runtime)
    except DsopsError:
        runtime.report(DONE)
        tell_scanned()
        raise
    except KeyboardInterrupt:
        runtime.report(DONE)
        _stop(query, runtime)
        raise
    runtime.report(DONE)
    tell_scanned()
    return athena_answer, query


def _caller(place: AthenaTarget, arguments: Arguments, runtime: Runtime) -> _Caller:
    name = arguments.text("--store")
    if not name:
        endpoint = _endpoint(place.region or base_region(runtime), base_environ(runtime))
        return _Caller(load_base(runtime), endpoint)
    plan = plan_session(load_config(arguments, runtime, names=(name,)), name, arguments, runtime)
    require_session(plan, name)
    step = plan.steps[name]
    environ = {**runtime.environ, **dict(step.endpoints)}
    endpoint = _endpoint(place.region or step.region, environ)
    return _Caller(issue(plan, name, arguments, runtime), endpoint)


def _endpoint(region: str, environ: Mapping[str, str]) -> Endpoint:
    if not region:
        hint = "set it with `--region eu-west-1` or AWS_REGION"
        raise UsageError("the region of Athena is unknown", hint=hint)
    return resolve_endpoint("athena", region, environ)


def _stop(query: AthenaQuery, runtime: Runtime) -> None:
    """Stop the query in AWS after Ctrl-C."""
    if query.is_sent and not query.id:
        note("Athena may have started a query, which AWS bills: its id is in Athena's query history")
    if not query.is_under_way:
        return
    try:
        carry_out(query.stop(), runtime)
    except DsopsError:
        note(f"the query {query.id} may still run and be billed: `{query.stop_command}` stops it")
    else:
        note(f"the query {query.id} was stopped")

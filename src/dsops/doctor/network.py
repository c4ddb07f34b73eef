"""Checks of the network: proxies, certificates, the servers that the stores call, and the clock."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from dsops.aws.http.call import Client
from dsops.aws.http.clock import ServerProbe, glance_at
from dsops.aws.http.network import TRUST_VARIABLES, is_excepted, proxy_for, system_trust, trust_from
from dsops.doctor.check import Check, failed
from dsops.endpoint import Endpoint, parse_address
from dsops.errors import ConfigError, DsopsError, ServiceError, TimedOut, VariableInvalid
from dsops.plan import Plan, PlannedVariable, Step, region_of
from dsops.runtime import Event, PartCount, Runtime
from dsops.stores.endpoints import endpoint_of
from dsops.stores.sso_login import session_of
from dsops.tasks import pause, settle

CODES = {
    "doctor.certificates": "the file or folder whose path is in a variable such as AWS_CA_BUNDLE contains certificates",
    "doctor.proxy": "the proxies set in variables such as HTTPS_PROXY can be used",
    "doctor.clock": "this machine's clock agrees with AWS's",
    "doctor.endpoint": "each server that a store calls responds, and its certificate does not expire soon",
}
"""Maps the code of each check to the statement that is true if the check is ok."""

_PROXIES = ("https_proxy", "http_proxy", "no_proxy")
_SOON = timedelta(days=14)
_TOLD_SECONDS = 60
_MOST_SECONDS = 300
"""The largest clock difference in seconds that all services accept: Secrets Manager 5 minutes, STS 15 minutes."""


def endpoints_of_plan(plan: Plan, runtime: Runtime) -> Iterator[Endpoint]:
    """Yield the valid endpoints that the plan's stores call.

    An invalid endpoint is reported by the check of its store.
    """
    variables = plan.variables_by_step()
    for step in plan.steps.values():
        for region in _regions(step, variables.get(step.name, ()), runtime):
            try:
                yield endpoint_of(step, step.type.service, runtime, region)
            except ConfigError:
                continue


def _regions(step: Step, variables: Iterable[PlannedVariable], runtime: Runtime) -> Iterable[str]:
    if not step.type.service:
        return ()
    if step.type.service == "sso":
        try:
            return (session_of(step.settings, runtime.environ, runtime.folder).region,)
        except ConfigError:
            return ()
    if step.session_action == "CreateSession" and step.proof is not None and step.proof.region:
        return (step.proof.region,)  # the trust anchor's region, whatever `region` says for the stores that use it
    keys = [variable.reference.key for variable in variables if variable.reference is not None]
    if step.type.read_action and keys:
        return dict.fromkeys(region_of(key, step) for key in keys)
    return (step.region,)


async def look_at(endpoints: Sequence[Endpoint], client: Client, parts: PartCount) -> list[ServerProbe | DsopsError]:
    """Send a request without credentials to every server in parallel; return the answers or errors."""
    # Let other tasks run first: a task that prompts the user waits until no transfer is in progress.
    await pause(0)
    return await settle(*[_send_probe(endpoint, client, parts) for endpoint in endpoints])


async def _send_probe(endpoint: Endpoint, client: Client, parts: PartCount) -> ServerProbe:
    try:
        glance = await glance_at(client, endpoint, asks_certificate=True)
    except TimedOut as error:
        if error.how_far != "unsent":
            error.retell(
                error.message,
                hint="the server accepts connections and does not answer: check the address and the network",
            )
        raise
    except ServiceError as error:
        if error.how_far == "unsent":
            raise
        # A single broken connection may be a coincidence, so the request is repeated.
        glance = await glance_at(client, endpoint, asks_certificate=True)
    finally:
        parts.add()
    client.runtime.report(Event("endpoint.answered", {"endpoint": endpoint.short}))
    return glance


def check_endpoints(
    endpoints: Sequence[Endpoint],
    glances: Sequence[ServerProbe | DsopsError],
    now: datetime,
    *,
    is_all_well: bool = False,
) -> Iterator[Check]:
    """Yield one check for each server. `is_all_well` is true if every signed call succeeded."""
    for endpoint, glance in zip(endpoints, glances, strict=True):
        name = f"endpoint {endpoint.service}.{endpoint.region}"
        if isinstance(glance, DsopsError) and is_all_well:
            why = f"it answers signed calls, but no request without credentials: {glance.why}".removesuffix(": ")
            yield Check("doctor.endpoint", name, "warning", glance.message, why, glance.hint)
        elif isinstance(glance, DsopsError):
            yield failed("doctor.endpoint", name, glance)
        elif glance.certificate_end is not None and glance.certificate_end - now < _SOON:
            detail = f"the certificate of {endpoint.short} ends at {shown(glance.certificate_end)}"
            hint = "the server's operator has to renew the certificate, unless this machine's clock is wrong"
            yield Check("doctor.endpoint", name, "warning", detail, "then no client trusts it", hint)
        else:
            end = f"; certificate until {shown(glance.certificate_end)}" if glance.certificate_end else ""
            yield Check("doctor.endpoint", name, "ok", f"{endpoint.url} answers{end}")


def check_clock(endpoints: Sequence[Endpoint], glances: Sequence[ServerProbe | DsopsError]) -> Check:
    """Compare this machine's clock with AWS's clock.

    AWS's time is the Date header of a response: from STS if STS was called, otherwise from the first server.
    """
    dated = [
        (endpoint, glance)
        for endpoint, glance in zip(endpoints, glances, strict=True)
        if isinstance(glance, ServerProbe) and glance.time is not None
    ]
    if not dated:
        detail = "no server sent its time" if endpoints else "no AWS endpoint is called"
        return Check("doctor.clock", "clock", "skipped", detail)
    endpoint, glance = min(dated, key=lambda pair: pair[0].service != "sts")
    seconds, ahead = round(abs(glance.ahead_seconds)), glance.ahead_seconds > 0
    if not seconds:
        return Check("doctor.clock", "clock", "ok", f"agrees with {endpoint.short}")
    detail = f"{seconds} s {'behind' if ahead else 'ahead of'} {endpoint.short}"
    if seconds <= _TOLD_SECONDS:
        return Check("doctor.clock", "clock", "ok", detail)
    why = "AWS refuses what is signed for another time than its own: from 5 minutes on, and STS from 15"
    if seconds > _MOST_SECONDS:
        why += "; dsops goes by AWS's time, other programs do not"
    hint = "set the clock: `timedatectl set-ntp true`, or `sudo sntp -sS time.apple.com` on macOS"
    return Check("doctor.clock", "clock", "failed" if seconds > _MOST_SECONDS else "warning", detail, why, hint)


def check_proxies(endpoints: Sequence[Endpoint], environ: Mapping[str, str]) -> Check:
    """Report the proxies that are used, and how many servers are reached through each."""
    ways: dict[str, int] = {}
    excepted = 0
    for endpoint in endpoints:
        address = parse_address(endpoint.url)
        if address is None:
            continue
        try:
            proxy = proxy_for(address, environ)
        except VariableInvalid as error:
            return failed("doctor.proxy", "proxies", error)
        if proxy is not None:
            way = f"{proxy.url} ({proxy.origin})"
            ways[way] = ways.get(way, 0) + 1
        elif is_excepted(address, environ) and _is_named(address.scheme, environ):
            excepted += 1
    direct = len(endpoints) - sum(ways.values())
    parts = [f"{_servers(number)} through {way}" for way, number in ways.items()]
    parts += [f"{_servers(direct)} without one"] if parts and direct else []
    detail = ", ".join(parts) or ("NO_PROXY excepts every server" if excepted else "none")
    for name in _PROXIES:
        if environ.get(name) and environ.get(name.upper()) and environ[name] != environ[name.upper()]:
            return Check(
                "doctor.proxy",
                "proxies",
                "warning",
                f"{name} and {name.upper()} differ",
                f"dsops goes by {name}; another program may go by the other one",
                f"unset one of them: {detail}",
            )
    return Check("doctor.proxy", "proxies", "ok", detail)


def _is_named(scheme: str, environ: Mapping[str, str]) -> bool:
    return bool(environ.get(f"{scheme}_proxy") or environ.get(f"{scheme.upper()}_PROXY"))


def _servers(number: int) -> str:
    return f"{number} server" if number == 1 else f"{number} servers"


def check_certificates(endpoints: Sequence[Endpoint], environ: Mapping[str, str], folder: str) -> Check:
    """Check that the trust store contains certificates. A variable can set it; the default is the system's."""
    check = _certificates(environ, folder)
    is_needed = any(endpoint.url.startswith("https:") for endpoint in endpoints)
    return check if is_needed or check.status != "failed" else check._replace(status="warning", errors=())


def _certificates(environ: Mapping[str, str], folder: str) -> Check:
    try:
        trust = trust_from(environ, folder)
    except VariableInvalid as error:
        return failed("doctor.certificates", "certificates", error)
    if trust is None:
        if system_trust() is None:
            return Check(
                "doctor.certificates",
                "certificates",
                "warning",
                "none are found on this machine",
                "without them no server can be trusted",
                "install the package ca-certificates, or set AWS_CA_BUNDLE",
            )
        return Check("doctor.certificates", "certificates", "ok", "the system's")
    origin = next(name for name in TRUST_VARIABLES if environ.get(name))
    path = trust.file or trust.folder
    number, problem = _certificates_in(path)
    if problem:
        hint = f"set {origin} to a PEM file that you can read, or unset it to use the system's certificates"
        unusable = VariableInvalid(f"{origin} is set to {path}, {problem}", hint=hint)
        return failed("doctor.certificates", "certificates", unusable)
    return Check("doctor.certificates", "certificates", "ok", f"{number} in {path} ({origin})")


def _certificates_in(path: str) -> tuple[int, str]:
    """Return the number of certificates in a file, or of files in a folder, and a problem ("" for none)."""
    from ssl import PROTOCOL_TLS_CLIENT, SSLContext, SSLError

    context = SSLContext(PROTOCOL_TLS_CLIENT)
    try:
        if os.path.isdir(path):
            number = sum(not name.startswith(".") for name in os.listdir(path))
        else:
            context.load_verify_locations(cafile=path)
            number = context.cert_store_stats()["x509"]
    except SSLError:
        return 0, "which contains something other than whole certificates"
    except OSError as error:
        return 0, f"which can't be read: {(error.strerror or 'unknown reason').lower()}"
    return number, "" if number else "which contains no certificates"


def shown(time: datetime) -> str:
    """Format a time as dsops prints it: `2026-11-24T12:00:00Z`."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")

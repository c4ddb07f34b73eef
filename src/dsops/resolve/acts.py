"""The audit records of a run: sessions issued or reused and secrets read, each with its outcome."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping

from dsops.credentials import Credentials, SandboxRun
from dsops.endpoint import is_aws_host, parse_address
from dsops.errors import DsopsError, ServiceError
from dsops.plan import PlannedVariable, SecretReference, Step
from dsops.runtime import Act, Runtime
from dsops.secret import Secret
from dsops.stores.endpoints import endpoint_of
from dsops.stores.interface import SecretMetadata

HIDDEN = "HIDDEN_DUE_TO_SECURITY_REASONS"
"""The text that CloudTrail shows in place of a value that it does not record."""

# Maps a store's setting to the request parameter that CloudTrail records. Other settings are not recorded.
_ASKED = {
    "role_arn": "roleArn",
    "role_session_name": "roleSessionName",
    "duration_seconds": "durationSeconds",
    "external_id": "externalId",
    "serial_number": "serialNumber",
    "session_policy": "policy",
    "source_identity": "sourceIdentity",
    "transitive_tag_keys": "transitiveTagKeys",
    "principal_arn": "principalArn",
    "federated_user_name": "name",
    "target_principal": "targetPrincipal",
    "task_policy_arn": "taskPolicyArn",
    "account_id": "accountId",
    "role_name": "roleName",
}


def issued(
    step: Step, source: Credentials | None, outcome: Credentials | DsopsError, hop: int, runtime: Runtime
) -> Act:
    """Return the record of a session that was requested. The outcome is the session, or the error."""
    error = outcome if isinstance(outcome, DsopsError) else None
    is_asked = error is None or _was_asked(error)
    service = step.type.service if step.session_action else ""
    return Act(
        step.session_action or "IssueCredentials",
        service if is_asked else "",
        step.region,
        caller=source.arn if source is not None else "",
        key=source.access_key_id if source is not None else "",
        identity=_identity(step) if source is None else {},
        asked=_request_parameters(step),
        answer=session_answer(outcome) if isinstance(outcome, Credentials) else {},
        request_id=outcome.request_id if isinstance(outcome, Credentials) else "",
        error=error,
        facts={**_of_step(step, runtime), **_base_source(step, source), "hop": hop, "cached": False},
    )


def held(step: Step, session: Credentials, hop: int, runtime: Runtime) -> Act:
    """Return the record of a cached session that this run uses without a request."""
    act = issued(step, None, session, hop, runtime)
    facts = {**act.facts, "source": session.source, "cached": True}
    return act._replace(service="", identity={}, request_id="", facts=facts)


def reads(
    step: Step,
    variables: Iterable[PlannedVariable],
    outcomes: Mapping[SecretReference, Secret | DsopsError],
    metadata_by_reference: Mapping[SecretReference, SecretMetadata],
    reader: Credentials | None,
    runtime: Runtime,
    *,
    is_cached: bool = False,
    is_of_sandbox: bool | None = None,
) -> Iterable[Act]:
    """Yield one record for each secret that was read, even if several of the step's variables use the secret."""
    secrets: dict[tuple[str, str], list[SecretReference]] = {}
    for reference in outcomes:
        secrets.setdefault((reference.key, reference.version), []).append(reference)
    of_step, variable_names = _of_step(step, runtime), _names(variables)
    for (key, version), references in secrets.items():
        metadata = next(
            (metadata_by_reference[reference] for reference in references if reference in metadata_by_reference),
            SecretMetadata(),
        )
        failures = [outcome for outcome in map(outcomes.get, references) if isinstance(outcome, DsopsError)]
        # If the secret was read but one field is missing in it, the read itself did not fail.
        error = failures[0] if len(failures) == len(references) or (failures and not metadata.version) else None
        names = [name for reference in references for name in variable_names.get(reference, ())]
        facts: dict[str, object] = {
            **of_step,
            "secret": key,
            "version": metadata.version,
            "variables": names,
            "cached": is_cached,
        }
        if metadata.arn:
            facts["arn"] = metadata.arn
        if metadata.operation:
            facts["operation"] = metadata.operation
        service = "" if is_cached else step.type.service
        if step.type.gives_credentials or (error is not None and not _was_asked(error)):
            # No service: the call that issued a session has a record of its own, or no request was sent.
            service = ""
        yield Act(
            step.type.read_action or "ReadSecret",
            service,
            metadata.region or step.region,
            caller=reader.arn if reader is not None else "",
            key=reader.access_key_id if reader is not None else "",
            asked=_asked_of(step, key, version),
            request_id=metadata.request_id,
            error=error,
            facts=facts,
            is_of_sandbox=is_of_sandbox,
        )


def _names(variables: Iterable[PlannedVariable]) -> Mapping[SecretReference, list[str]]:
    """Return reference -> names of the variables that read it."""
    names: dict[SecretReference, list[str]] = {}
    for variable in variables:
        if variable.reference is not None:
            names.setdefault(variable.reference, []).append(variable.name)
    return names


def _was_asked(error: DsopsError) -> bool:
    """Whether a request was sent to AWS. This is inferred from the error.

    An error that was raised before any request contains no response from AWS.
    """
    return error.aws is not None or isinstance(error, ServiceError)


def _asked_of(step: Step, key: str, version: str) -> Mapping[str, object]:
    if step.type.service == "ssm":
        name = key if key.startswith("arn:") else f"{step.settings.get('parameter_prefix', '')}{key}"
        names = [f"{name}:{version}" if version else name]
        return {"names": names, "withDecryption": step.settings.get("with_decryption") is not False}
    return {"secretId": key, **({"version": version} if version else {})}


def _of_step(step: Step, runtime: Runtime) -> dict[str, object]:
    """Return the facts that all records of the step contain."""
    facts: dict[str, object] = {"store": step.name, "storeType": step.type.name, "where": str(step.where)}
    if step.credentials_from:
        facts["credentialsFrom"] = step.credentials_from
    if step.profile:
        facts["profile"] = step.profile
    address = parse_address(_url(step, runtime))
    endpoint = "" if address is None or is_aws_host(address.host) else f"{address.scheme}://{address.authority}"
    if endpoint:  # the host is not AWS's own: a sandbox, a VPC endpoint or another address
        facts["endpoint"] = endpoint
    return facts


def is_of_sandbox(step: Step, runtime: Runtime, sandboxes: Container[str]) -> bool | None:
    """Whether the step's requests go to one of these sandboxes; None for literals and environment variables.

    A store that calls no AWS service (a key in the keyring, a plugin's secret) never uses a sandbox.
    """
    if step.type.is_local:
        return None
    return _url(step, runtime) in sandboxes


def sandbox_of(step: Step, runtime: Runtime, sandboxes: Mapping[str, str]) -> SandboxRun | None:
    """Return the sandbox that answered the step's requests, or None."""
    url = "" if step.type.is_local else _url(step, runtime)
    return SandboxRun(url, sandboxes[url]) if url in sandboxes else None


def _url(step: Step, runtime: Runtime) -> str:
    """Return the endpoint of the store's requests; "" for a store that calls no AWS service."""
    service = step.type.service
    try:
        return endpoint_of(step, service, runtime).url if service else ""
    except DsopsError:
        return ""


def _base_source(step: Step, source: Credentials | None) -> Mapping[str, object]:
    """Return the source of the base credentials."""
    text = source.source if source is not None else step.proof.source if step.proof is not None else ""
    return {"source": text} if text else {}


def _identity(step: Step) -> Mapping[str, object]:
    """Return the caller of an unsigned call in CloudTrail's format. It contains what is known before the call."""
    if step.operation == "AssumeRoleWithSAML":
        return {"type": "SAMLUser"}
    if step.operation != "AssumeRoleWithWebIdentity":
        return {}
    speaks_of = step.proof.speaks_of if step.proof is not None else None
    if speaks_of is None:
        return {"type": "WebIdentityUser"}
    issuer, subject, _ = speaks_of
    return {"type": "WebIdentityUser", "userName": subject, "identityProvider": issuer}


def _request_parameters(step: Step) -> Mapping[str, object]:
    parameters: dict[str, object] = {}
    for name, parameter_name in _ASKED.items():
        value = step.settings.get(name)
        if isinstance(value, Secret):
            parameters[parameter_name] = HIDDEN
        elif isinstance(value, (str, int)):
            parameters[parameter_name] = value
        elif isinstance(value, tuple):
            parameters[parameter_name] = [text for text in value if isinstance(text, str)]
    if isinstance(step.settings.get("external_id"), str):
        parameters["externalId"] = HIDDEN
    arns = step.settings.get("policy_arns")
    if isinstance(arns, tuple):
        parameters["policyArns"] = [{"arn": arn} for arn in arns if isinstance(arn, str)]
    tags = step.settings.get("tags")
    if isinstance(tags, tuple):
        parameters["tags"] = [
            {"key": pair[0], "value": HIDDEN if isinstance(pair[1], Secret) else pair[1]}
            for pair in tags
            if isinstance(pair, tuple)
        ]
    return parameters


def session_answer(session: Credentials) -> Mapping[str, object]:
    """Return the session in the format of CloudTrail's `responseElements`, without the session token."""
    credentials: dict[str, object] = {"accessKeyId": session.access_key_id}
    if session.session_token is not None:
        credentials["sessionToken"] = HIDDEN
    if session.expiration is not None:
        moment = session.expiration
        hour, half = moment.hour % 12 or 12, "AM" if moment.hour < 12 else "PM"
        day = f"{_MONTHS[moment.month - 1]} {moment.day}, {moment.year}"
        credentials["expiration"] = f"{day}, {hour}:{moment.minute:02}:{moment.second:02} {half}"
    answer: dict[str, object] = {"credentials": credentials}
    if session.arn:
        answer["assumedRoleUser"] = {"arn": session.arn}
    if session.source_identity:
        answer["sourceIdentity"] = session.source_identity
    return answer


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
"""CloudTrail's month names, which do not depend on the locale: `Nov 25, 2026, 1:20:11 AM`."""

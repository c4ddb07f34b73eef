"""Make the plan of an environment or of one store."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dsops.arn import partition_of_region
from dsops.endpoint import is_aws_host, is_region_name, parse_address, resolve_endpoint
from dsops.errors import ConfigError, EnvironmentUnknown, StoreUnknown, VariableInvalid, VariableUnset, listed, nearest
from dsops.interpolate import InterpolationNames, expand_text
from dsops.model import Budget, Config, Environment, Text, Variable
from dsops.plan.draft import Draft
from dsops.plan.drafts import Drafts, region_missing
from dsops.plan.findings import PlanFindings
from dsops.plan.fingerprint import ambient_fingerprint, proof_fingerprint, session_fingerprint
from dsops.plan.limits import check_chain, check_session, check_user_session, note_same_callers
from dsops.plan.mfa import share_mfa_sessions
from dsops.plan.references import canonical_reference, count_calls, region_of_arns
from dsops.plan.types import (
    Ambient,
    Fingerprint,
    Plan,
    PlannedVariable,
    Proof,
    SecretReference,
    Step,
    no_proof,
    no_recording,
)
from dsops.schema import OF_A_USER, OWN_POLICY, POLICY_RECORDING, Settings, StoreType
from dsops.secret import Secret
from dsops.startup import NamedTuple


class _Read(NamedTuple):
    """A variable whose value is read from a store, with its reference expanded."""

    variable: Variable
    store: str
    reference: SecretReference
    is_whole: bool
    """Whether all `${NAME}` could be expanded. If not, the problem has been reported."""


def make_plan(
    config: Config,
    environment_name: str,
    *,
    environ: Mapping[str, str],
    user: str = "",
    timestamp: str = "",
    ambient: Callable[[str], Ambient],
    store_types: Mapping[str, StoreType],
    also: str = "",
    lasts: bool = False,
    reason: str = "",
    proof: Callable[[str, Settings], Proof] = no_proof,
    recorded: Callable[[str], str] = no_recording,
) -> Plan:
    """Make the plan of an environment ("" for the default environment).

    - `user`, `timestamp`: the values of `${USER}` and `${TIMESTAMP}`.
    - `ambient`: returns the base identity of a profile ("" for none).
    - `proof`: identifies the token or login of a store.
    - `recorded`: returns the session policy for a recording, given by its path.
    - `also`: another store whose session is needed.
    - `lasts`: sessions will be renewed at times when no user can enter an MFA code.
    - `reason`: sent to AWS for stores with `reason_to`.

    `ambient`, `proof` and `recorded` are called only for profiles and stores that the plan uses. Raises
    EnvironmentUnknown, StoreUnknown, or one ConfigError with all problems of the environment. If all problems have the
    same subclass of ConfigError, the error has that class.
    """
    environment = find_environment(config, environment_name)
    if also:
        _require_store(config, also)
    names = InterpolationNames(environ, timestamp, user, budget=Budget())
    planner = _Planner(config, names, ambient, store_types, proof, recorded, lasts=lasts, reason=reason)
    return planner.plan_environment(environment, also)


def plan_store(
    config: Config,
    store_name: str,
    *,
    environ: Mapping[str, str],
    user: str = "",
    timestamp: str = "",
    ambient: Callable[[str], Ambient],
    store_types: Mapping[str, StoreType],
    lasts: bool = False,
    is_carried_out: bool = True,
    reason: str = "",
    proof: Callable[[str, Settings], Proof] = no_proof,
    recorded: Callable[[str], str] = no_recording,
) -> Plan:
    """Make the plan of one store, with the chain of stores that provides its credentials. The plan has no variables.

    Pass `is_carried_out=False` if the caller needs only the roles and logins of the chain. Then no session is issued,
    and `session_policy: auto` is not replaced by a policy.
    """
    _require_store(config, store_name)
    names = InterpolationNames(environ, timestamp, user, budget=Budget())
    planner = _Planner(
        config, names, ambient, store_types, proof, recorded, lasts=lasts, is_carried_out=is_carried_out, reason=reason
    )
    return planner.plan_store(store_name)


def _require_store(config: Config, name: str) -> None:
    if name not in config.stores:
        near = nearest(name, config.stores)
        hint = f"did you mean `{near}`?" if near else f"the stores are: {listed(config.stores)}"
        raise StoreUnknown(f"there is no store `{name}`", hint=hint)


def find_environment(config: Config, name: str) -> Environment:
    """Return the environment of that name, or the default environment for "". Raises EnvironmentUnknown."""
    name = name or config.default_environment
    if not name:
        raise EnvironmentUnknown("no environment is selected", hint="select one with --env, or set `default_env`")
    environment = config.environments.get(name)
    if environment is None:
        near = nearest(name, config.environments)
        names = ", ".join(config.environments) or "none"
        hint = f"did you mean `{near}`?" if near else f"the environments are: {names}"
        raise EnvironmentUnknown(f"there is no environment `{name}`", hint=hint)
    return environment


class _Planner:
    """The state of one plan while it is being made."""

    def __init__(
        self,
        config: Config,
        names: InterpolationNames,
        ambient: Callable[[str], Ambient],
        store_types: Mapping[str, StoreType],
        proof: Callable[[str, Settings], Proof],
        recorded: Callable[[str], str],
        *,
        lasts: bool,
        is_carried_out: bool = True,
        reason: str,
    ) -> None:
        self._recorded = recorded
        self._lasts = lasts
        self._is_carried_out = is_carried_out
        self._config = config
        self._names = names
        self._findings = PlanFindings()
        self._drafts = Drafts(config, names, ambient, store_types, self._findings, proof, reason)
        self._steps: dict[str, Step] = {}
        self._fingerprints: dict[str, Fingerprint] = {}
        self._addresses: dict[tuple[str, str, str, tuple[tuple[str, str], ...]], str] = {}

    def plan_environment(self, environment: Environment, also: str) -> Plan:
        """Return the plan of everything that the environment's variables need, and of the store `also`."""
        path = f"envs.{environment.name}"
        reads = []
        literals: dict[str, PlannedVariable] = {}
        for variable in environment.variables.values():
            if variable.reference is None:
                literals[variable.name] = self._literal(variable, f"{path}.{variable.name}")
                continue
            read = self._read(variable, f"{path}.{variable.name}.from")
            self._drafts.add(read.store, variable.reference.where)
            reads.append(read)
        if also:
            self._drafts.add(also, self._config.stores[also].where)
        self._finish_steps(reads)
        planned = {read.variable.name: self._planned(read, path) for read in reads}
        self._findings.raise_any(f"environment `{environment.name}`")
        variables = tuple([literals.get(name) or planned[name] for name in environment.variables])
        return self._plan(environment.name, variables)

    def plan_store(self, name: str) -> Plan:
        """Return the plan of one store's session."""
        self._drafts.add(name, self._config.stores[name].where)
        self._finish_steps([])
        self._findings.raise_any(f"store `{name}`")
        return self._plan("", ())

    def _plan(self, environment: str, variables: tuple[PlannedVariable, ...]) -> Plan:
        references: dict[str, set[SecretReference]] = {}
        for variable in variables:
            if variable.reference is not None:
                references.setdefault(variable.step, set()).add(variable.reference)
        drafts = self._drafts.by_name
        issues = {
            step.fingerprint
            for name, step in self._steps.items()
            if drafts[name].type.gives_credentials and not drafts[name].type.gives_long_term
        }
        return Plan(
            environment=environment,
            variables=variables,
            steps=self._steps,
            ambient=self._drafts.ambient,
            calls=count_calls(self._steps, references, issues=len(issues)),
            notes=tuple(self._findings.notes),
            unallowed="" if self._config.is_allowed else self._config.files[0].shown,
            read=self._config.read,
        )

    def _literal(self, variable: Variable, path: str) -> PlannedVariable:
        text = self._text(variable.literal, f"{path}.literal")
        return PlannedVariable(
            name=variable.name,
            step="",
            reference=None,
            literal=Secret(text),
            default=None,
            optional=variable.optional,
            transforms=variable.transforms,
            source="literal",
            where=variable.where,
        )

    def _read(self, variable: Variable, path: str) -> _Read:
        reference = variable.reference
        assert reference is not None  # noqa: S101 (its caller asked)
        problems = len(self._findings)
        expanded = SecretReference(
            self._text(reference.key, f"{path}.key"),
            self._text(reference.version, f"{path}.version"),
            self._text(reference.field, f"{path}.field"),
        )
        return _Read(variable, reference.store, expanded, is_whole=len(self._findings) == problems)

    def _planned(self, read: _Read, path: str) -> PlannedVariable:
        variable, reference, step = read.variable, read.reference, self._steps.get(read.store)
        if step is not None and variable.reference is not None and read.is_whole:
            reference = canonical_reference(step, reference, variable.reference.where, self._findings)
        default = variable.default
        return PlannedVariable(
            name=variable.name,
            step=read.store,
            reference=reference,
            literal=None,
            default=None if default is None else Secret(self._text(default, f"{path}.{variable.name}.default")),
            optional=variable.optional,
            transforms=variable.transforms,
            source=_source(read.store, reference),
            where=variable.where,
        )

    def _text(self, text: Text | None, path: str) -> str:
        """Expand a string; "" for None. A string that can't be expanded is reported and also gives ""."""
        if text is None:
            return ""
        try:
            return expand_text(text.text, self._names, text.where, path)
        except VariableUnset as error:
            self._findings.add_error(error, text.where, path)
            return ""

    def _finish_steps(self, reads: list[_Read]) -> None:
        """Turn drafts into steps, each after the step whose credentials it uses."""
        drafts = self._drafts
        by_store: dict[str, list[_Read]] = {}
        for read in reads:
            by_store.setdefault(read.store, []).append(read)
        for draft in drafts.by_name.values():
            if draft.type.takes_credentials and not draft.region and not draft.type.shown_as:
                draft.region = region_of_arns(read.reference.key for read in by_store.get(draft.name, ()))
                # A login always has a region. If the store's login is invalid, that problem is already reported.
                has_login = draft.proof is not None and draft.proof.login is not None
                if not draft.region and not has_login:
                    self._findings.add(*region_missing(draft))
        has_recording = any(POLICY_RECORDING in draft.settings for draft in drafts.by_name.values())
        if has_recording and self._is_carried_out:
            from dsops.plan.recorded_policy import write_recorded_policies

            write_recorded_policies(drafts.by_name.values(), self._recorded, self._findings)
        has_own = any(draft.settings.get("session_policy") == OWN_POLICY for draft in drafts.by_name.values())
        if has_own and self._is_carried_out:
            # Imported only if a store has `session_policy: auto`, because the import adds milliseconds to a cold run.
            from dsops.plan.own_policy import write_own_policies

            own_reads = [(read.store, read.reference, _may_be_missing(read.variable)) for read in reads]
            write_own_policies(drafts.by_name, own_reads, self._findings)
        share_mfa_sessions(drafts, self._session, self._findings, lasts=self._lasts)
        self._fingerprints.clear()  # Sharing an MFA session changes the fingerprint of each role that uses the session.
        for name, draft in drafts.by_name.items():
            self._steps[name] = self._finish(draft)
        note_same_callers(self._steps.values(), self._findings)

    def _finish(self, draft: Draft) -> Step:
        step = draft.step(self._session(draft), self._endpoints(draft))
        if draft.operation:
            step = self._checked(draft, step)
        return step

    def _checked(self, draft: Draft, step: Step) -> Step:
        is_session, why = self._chain(draft)
        check_session(step, draft.place, self._findings)
        if draft.is_role:
            step = step._replace(is_chained=is_session)
            if is_session:
                check_chain(step, draft.place, why, self._findings)
        elif is_session and draft.operation in OF_A_USER:
            check_user_session(step, draft.place, why, self._findings)
        return step

    def _chain(self, draft: Draft) -> tuple[bool | None, str]:
        """Return whether temporary credentials sign the step's call (None if unknown), and an explanation."""
        if draft.proof is not None:
            return False, ""
        source = self._drafts.by_name.get(draft.credentials_from)
        if source is not None:
            # If no known API action issues the credentials (as in a plugin's store), they may be long-term credentials.
            is_session = False if source.type.gives_long_term else source.type.issues_sessions or None
            return is_session, f"its credentials come from `{source.name}`"
        ambient = self._drafts.ambient_of(draft.profile)
        return ambient.is_temporary, f"the base credentials are temporary ({ambient.source})"

    def _session(self, draft: Draft) -> Fingerprint:
        """Return the fingerprint of the session that the step issues or uses for reading. It is computed once."""
        fingerprint = self._fingerprints.get(draft.name)
        if fingerprint is None:
            fingerprint = self._fingerprints[draft.name] = self._new_fingerprint(draft)
        return fingerprint

    def _new_fingerprint(self, draft: Draft) -> Fingerprint:
        if not draft.type.takes_credentials:
            if not draft.type.gives_credentials:
                return Fingerprint("")
            # This store of a plugin uses no base credentials, so only its type and identity determine the fingerprint.
            return session_fingerprint(draft.type, draft.identity, Fingerprint(""), partition="", endpoint="")
        source = self._drafts.by_name.get(draft.credentials_from)
        if draft.proof is not None:
            below = proof_fingerprint(draft.proof)
        else:
            below = self._session(source) if source else ambient_fingerprint(self._drafts.ambient_of(draft.profile))
        if not draft.type.gives_credentials:
            self._endpoint(draft)
            return below
        partition = partition_of_region(draft.region).name
        return session_fingerprint(
            draft.type, draft.identity, below, partition=partition, endpoint=self._endpoint(draft)
        )

    def _endpoints(self, draft: Draft) -> tuple[tuple[str, str], ...]:
        """Return the endpoint settings of the AWS profile at the start of the store's chain.

        If the chain starts with a token or login, the settings are those of the profile that the environment variables
        name.
        """
        while draft.credentials_from in self._drafts.by_name:
            if draft.credentials_from in self._steps:
                return self._steps[draft.credentials_from].endpoints
            draft = self._drafts.by_name[draft.credentials_from]
        if draft.proof is not None:
            return draft.proof.endpoints
        return self._drafts.ambient_of(draft.profile).endpoints if draft.type.takes_credentials else ()

    def _endpoint(self, draft: Draft) -> str:
        """Return the custom endpoint; "" for AWS's own. Report an unusable endpoint as a problem."""
        service, endpoint_url = draft.type.service, draft.settings.get("endpoint_url", "")
        if not service or not draft.region:
            return str(endpoint_url)
        source = self._drafts.by_name.get(draft.credentials_from)
        own = any(draft.place.field(name) is not None for name in ("region", "sso_region"))
        if (own or source is not None) and not is_region_name(draft.region):
            # the missing region is already reported as a problem of the key or of the store that provides the region
            return ""
        try:
            return self._custom_address(service, draft.region, str(endpoint_url), self._endpoints(draft))
        except VariableInvalid:
            raise  # an invalid environment variable affects all stores, not only this one
        except ConfigError as error:
            self._findings.add_error(error, draft.where, draft.place.path)
            return ""

    def _custom_address(
        self, service: str, region: str, endpoint_url: str, endpoints: tuple[tuple[str, str], ...]
    ) -> str:
        """Return the service's address in the region; "" for AWS's own. Each address is resolved once for a plan."""
        key = (service, region, endpoint_url, endpoints)
        if key not in self._addresses:
            environ = {**self._names.environ, **dict(endpoints)} if endpoints else self._names.environ
            url = resolve_endpoint(service, region, environ, endpoint_url=endpoint_url).url
            address = parse_address(url)
            self._addresses[key] = "" if address is None or is_aws_host(address.host) else url
        return self._addresses[key]


def _may_be_missing(variable: Variable) -> bool:
    return variable.optional or variable.default is not None


def _source(store: str, reference: SecretReference) -> str:
    field = f"#{reference.field}" if reference.field else ""
    version = f"?version={reference.version}" if reference.version else ""
    return f"store://{store}/{reference.key}{field}{version}"

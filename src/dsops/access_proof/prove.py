"""Carry out an escalation in a sandbox, call by call, with the credentials of the principal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, Literal, NamedTuple

from dsops.access.escalations.find import Escalation
from dsops.access.facts.world import IamIdentity, OrganizationFacts
from dsops.access_proof.calls import (
    PROBES,
    PlannedCall,
    calls_of,
    new_function,
    operation_of,
    region_of,
    unproven_actions,
)
from dsops.access_proof.seeds import PROVER, seed_of
from dsops.credentials import Credentials
from dsops.errors import SeedInvalid
from dsops.secret import Secret
from dsops.testing.local_aws import Identity, LocalAws
from dsops.testing.process import SandboxProcess

Outcome = Literal["proven", "failed", "not provable"]
_SESSION: Final = "dsops-proof"


class MadeCall(NamedTuple):
    """A call that was made in the sandbox."""

    principal: str
    """The ARN of the caller."""
    action: str
    error: str
    """The error; "" if the call succeeded."""


class EscalationProof(NamedTuple):
    """What happened when an escalation was carried out."""

    outcome: Outcome
    why: str
    """Why it is not proven, or up to where it is."""
    calls: tuple[MadeCall, ...] = ()


def proofs_of(
    world: OrganizationFacts, escalations: Iterable[Escalation]
) -> Iterator[tuple[Escalation, EscalationProof]]:
    """Carry out each escalation in a sandbox of its own. Raises ExtraMissing if the sandbox is not installed."""
    with SandboxProcess() as process:
        prover = Prover(world, process)
        for escalation in escalations:
            yield escalation, prover.prove(escalation)


class Prover:
    """Proves the escalations of a world, each in a new sandbox."""

    def __init__(self, world: OrganizationFacts, process: SandboxProcess) -> None:
        self._world = world
        self._process = process

    def prove(self, escalation: Escalation) -> EscalationProof:
        """Carry out an escalation. Raises ExtraMissing if the sandbox is not installed."""
        why = self._obstacle(escalation)
        if why:
            return EscalationProof("not provable", why)
        caller = self._world.identities[escalation.caller.name]
        target = self._world.identities.get(escalation.target, caller)
        function_role = escalation.target if ":function:" in escalation.through else ""
        seed = seed_of(self._world, (caller, target), function_role)
        try:
            with LocalAws(self._process.do, seed) as sandbox:
                return _Attempt(sandbox, escalation, caller).run()
        except SeedInvalid as error:
            return EscalationProof("not provable", f"the sandbox refuses the facts: {error.problems[0].message}")

    def _obstacle(self, escalation: Escalation) -> str:
        """Return why an escalation can't be carried out; "" if it can."""
        missing = unproven_actions(escalation)
        if missing:
            return f"the proof has no call for {', '.join(missing)}"
        if escalation.verdict != "yes":
            keys = dict.fromkeys(key for request in escalation.requests for key in request.answer.needed)
            return f"the requests need {', '.join(keys)}" if keys else "a fact is missing"
        if escalation.caller.name not in self._world.identities:
            return "the principal is not among the facts"
        return ""


class _Attempt:
    """One escalation in one sandbox."""

    def __init__(self, sandbox: LocalAws, escalation: Escalation, caller: IamIdentity) -> None:
        self._sandbox = sandbox
        self._escalation = escalation
        self._identity = caller
        self._prover = sandbox.user(f"{PROVER}@{caller.account}")
        self._prover_arn = f"user/{PROVER}"
        self._calls: list[MadeCall] = []

    def run(self) -> EscalationProof:
        """Make the calls, and return what happened."""
        caller = self._begin()
        if caller is None or not self._prepare():
            return self._proof("not provable", f"the sandbox can't be prepared: {self._last_error}")
        before = self._denied_probe(caller)
        key: Any = None
        for call in calls_of(self._escalation):
            answer = self._make(caller, self._identity.arn, call)
            if answer is None:
                return self._proof("failed", f"{call.action}: {self._last_error}")
            key = answer.get("AccessKey") or key
        return self._ended(self._gained(caller, key), before)

    def _ended(self, gained: Identity | None, before: PlannedCall | None) -> EscalationProof:
        """Return the proof after the calls of the rule: the call that was denied before has to succeed."""
        if gained is None:
            if self._escalation.rule.target in {"role", "assumed"}:
                return self._proof("failed", f"sts:AssumeRole: {self._last_error}")
            return self._proof("proven", "up to the use of what it made, which the sandbox does not carry out")
        if not self._escalation.gain.is_administrator or before is None:
            return self._proof("proven", "up to the gained permission, which is not tried")
        if self._make(gained, self._escalation.target, before) is None:
            return self._proof("failed", f"{before.action} is still denied: {self._last_error}")
        return self._proof("proven", f"{before.action} is denied before, and succeeds after it")

    @property
    def _last_error(self) -> str:
        return self._calls[-1].error

    def _begin(self) -> Identity | None:
        """Return the principal's credentials; None if its role can't be assumed."""
        identity = self._identity
        if identity.kind == "user":
            return self._sandbox.user(f"{identity.name}@{identity.account}")
        return self._assume(self._prover, self._prover_arn, identity.arn)

    def _prepare(self) -> bool:
        """Make the existing resource; False if it can't be made."""
        through = self._escalation.through
        if ":function:" not in through:
            return True
        call = PlannedCall("lambda:CreateFunction", new_function(through, self._escalation.target), region_of(through))
        return self._make(self._prover, self._prover_arn, call) is not None

    def _denied_probe(self, caller: Identity) -> PlannedCall | None:
        for probe in PROBES:
            if self._make(caller, self._identity.arn, probe) is None:
                return probe
        return None

    def _gained(self, caller: Identity, key: Any) -> Identity | None:
        """Return the credentials that the escalation gives; None if it gives none here."""
        target = self._escalation.rule.target
        if target in {"self", "group"}:
            return caller
        if key is not None:
            return caller.with_credentials(Credentials(key["AccessKeyId"], Secret(key["SecretAccessKey"])))
        if target not in {"role", "assumed"}:
            return None
        return self._assume(caller, self._identity.arn, self._escalation.target)

    def _assume(self, caller: Identity, arn: str, role: str) -> Identity | None:
        parameters = {"RoleArn": role, "RoleSessionName": _SESSION}
        answer = self._make(caller, arn, PlannedCall("sts:AssumeRole", parameters))
        if answer is None:
            return None
        made = answer["Credentials"]
        secret, token = Secret(made["SecretAccessKey"]), Secret(made["SessionToken"])
        return caller.with_credentials(Credentials(made["AccessKeyId"], secret, token))

    def _make(self, caller: Identity, arn: str, call: PlannedCall) -> Any:
        """Make a call and note it; return the answer, or None if it was refused."""
        service, operation = operation_of(call.action)
        client = caller.boto3_session().client(service, region_name=call.region or caller.region)
        methods = {api: method for method, api in client.meta.method_to_api_mapping.items()}
        try:
            answer = getattr(client, methods[operation])(**call.parameters)
        except client.exceptions.ClientError as error:
            self._calls.append(MadeCall(arn, call.action, error.response["Error"]["Code"]))
            return None
        self._calls.append(MadeCall(arn, call.action, ""))
        return answer

    def _proof(self, outcome: Outcome, why: str) -> EscalationProof:
        return EscalationProof(outcome, why, tuple(self._calls))

"""The IAM policies that a plan needs: trust and permission policies of roles, permissions of base credentials.

`grants_of` turns a plan into `Grants`, which `terraform` and `cloudformation` render.
`dsops.plan.required_permissions` derives the permissions that each session needs. Imported by `access`, `cli`,
`recording` and `seed`.
"""

from __future__ import annotations

from typing import NamedTuple

from dsops.arn import Arn, parse_arn
from dsops.grants.callers import Callers, RoleCaller
from dsops.grants.federation import tokens_of
from dsops.grants.inputs import GrantInputs
from dsops.grants.placeholders import Placeholder, blank, blanks_in, filled, told_apart
from dsops.grants.trust import trust_in_assertions, trust_in_callers, trust_in_certificates, trust_in_tokens
from dsops.plan import Plan, Step
from dsops.plan.required_permissions import SecretRead, by_source, session_needs, users_of
from dsops.plan.statements import Statement, compact, policy, statements_of

__all__ = [
    "BaseGrants",
    "GrantInputs",
    "Grants",
    "ManagedPolicy",
    "Placeholder",
    "RoleGrants",
    "SessionGrants",
    "blanks_in",
    "filled",
    "grants_of",
]

_HOUR = 3600
_WITH_POLICY = ("AssumeRole", "AssumeRoleWithWebIdentity", "AssumeRoleWithSAML", "GetFederationToken")


class RoleGrants(NamedTuple):
    """The trust and permission policies of one role."""

    arn: Arn
    stores: tuple[str, ...]
    """The stores that assume the role."""
    trust: tuple[Statement, ...]
    permissions: tuple[Statement, ...]
    max_session_duration: int

    @property
    def path(self) -> str:
        """The role's path, such as `/` or `/apps/`."""
        return "/" + self.arn.resource.removeprefix("role/").removesuffix(self.arn.resource_name)


class SessionGrants(NamedTuple):
    """The policy of one store's session, as `session_policy: auto` generates it."""

    store: str
    role: str
    """The ARN of the session's role; "" for a user's session."""
    account: str
    policy: dict[str, object]
    is_sent: bool
    """Whether the store sends the policy to AWS (`session_policy: auto`)."""

    @property
    def characters(self) -> int:
        """The policy's length as AWS counts it."""
        return len(compact(self.policy))


class BaseGrants(NamedTuple):
    """The permissions that base credentials, or an IAM Identity Center permission set, need."""

    who: str
    """The name used in texts and file names: `base`, or the profile's or store's name."""
    arn: str | Placeholder
    account: str
    """The account id; "" if unknown."""
    permissions: tuple[Statement, ...]


class ManagedPolicy(NamedTuple):
    """A managed policy that belongs to no environment."""

    name: str
    """The name in IAM: letters, digits and `+=,.@_-`."""
    description: str
    statements: tuple[Statement, ...]


class Grants(NamedTuple):
    """All policies that an environment needs."""

    environment: str
    roles: tuple[RoleGrants, ...]
    """The roles. A role comes after the roles in this list that it trusts."""
    sessions: tuple[SessionGrants, ...]
    bases: tuple[BaseGrants, ...]
    notes: tuple[str, ...]


def grants_of(plan: Plan, inputs: GrantInputs) -> Grants:
    """Return the policies that the plan needs.

    Raises PolicyIncomplete if an unknown value can't be replaced by a placeholder, and UsageError for an invalid
    caller.
    """
    return _Making(plan, inputs).grants()


class _Making:
    """Builds all policies of one plan."""

    def __init__(self, plan: Plan, inputs: GrantInputs) -> None:
        self._plan = plan
        self._steps = plan.steps
        self._written = inputs
        self._callers = Callers(plan, inputs.caller)
        self._by_source = by_source(plan.steps)
        self._reads: dict[str, list[SecretRead]] = {}
        """Maps a step's name to the secrets that the step reads."""
        for variable in plan.variables:
            if variable.step and variable.reference is not None:
                may_be_missing = variable.optional or variable.default is not None
                read = SecretRead(variable.step, variable.reference, may_be_missing)
                self._reads.setdefault(variable.step, []).append(read)
        self._notes: dict[str, None] = {}
        self._blanks: dict[Placeholder, Placeholder] = {}

    def grants(self) -> Grants:
        """Return all policies of the plan."""
        roles: dict[Arn, list[Step]] = {}
        for step in self._steps.values():
            arn = parse_arn(str(step.settings.get("role_arn", "")))
            if step.session_action and arn is not None:
                roles.setdefault(arn, []).append(step)
            elif step.operation == "AssumeRoleWithSAML":
                hint = "whose assertion says which role: name it in `role_arn` for the role's policies"
                self._notes[f"store `{step.name}` has no `role_arn`, {hint}"] = None
        roles_made = tuple([self._role(arn, steps) for arn, steps in roles.items()])
        sessions = tuple([session for step in self._steps.values() for session in self._session(step)])
        bases = tuple([base for caller in self._callers.bases() if (base := self._base(caller)).permissions])
        return Grants(self._plan.environment, roles_made, sessions, bases, tuple(self._notes))

    def _role(self, arn: Arn, steps: list[Step]) -> RoleGrants:
        trust: list[Statement] = []
        for step in steps:
            for document in self._trust(arn, step):
                statement: Statement = {key: told_apart(part, self._blanks) for key, part in document.items()}
                trust += [] if statement in trust else [statement]
        seconds = [step.settings.get("duration_seconds", _HOUR) for step in steps]
        users = [user for step in steps for user in users_of(step.name, self._by_source)]
        return RoleGrants(
            arn,
            tuple([step.name for step in steps]),
            tuple(trust),
            self._permissions(str(arn), arn.account, users),
            max([_HOUR, *[document for document in seconds if isinstance(document, int)]]),
        )

    def _trust(self, arn: Arn, step: Step) -> list[Statement]:
        if step.operation == "AssumeRoleWithSAML":
            provider: object = step.settings.get("principal_arn") or blank(
                "saml_provider", step.name, f"The ARN of the SAML provider whose assertions store `{step.name}` sends."
            )
            return [trust_in_assertions(arn, provider)]
        if step.session_action == "CreateSession":
            meaning = f"The common name (CN) in the subject of the certificate of store `{step.name}`."
            anchor = str(step.settings["trust_anchor_arn"])
            return [trust_in_certificates(anchor, blank("common_name", step.name, meaning))]
        if step.proof is not None:
            tokens = tokens_of(step, self._written.issuer)
            self._notes[f"account {arn.account} needs the OpenID Connect provider {tokens.issuer}"] = None
            return [trust_in_tokens(arn, tokens.issuer, tokens.audience, tokens.subject)]
        caller = self._callers.of(step)
        return trust_in_callers(
            step,
            self._steps,
            caller.principal,
            external_id=_external_id(step),
            has_mfa=self._callers.has_mfa(step),
            source_identity=self._written.source_identities.get(step.name, ""),
            own=caller.conditions,
        )

    def _permissions(self, who: str, account: str, users: list[Step]) -> tuple[Statement, ...]:
        """Return the permissions that an identity needs.

        Permissions that a trust policy in the identity's own account already grants are left out.
        """
        needed = []
        for step in dict.fromkeys(user.name for user in users):
            user = self._steps[step]
            role = parse_arn(str(user.settings.get("role_arn", "")))
            is_hop = role is not None and user.operation == "AssumeRole"
            if role is not None and is_hop and role.account == account and self._callers.of(user).is_named:
                # Within one account the role's trust policy is enough: measured on AWS, and stated in its guide (Policy
                # evaluation logic, resource-based policies in one account).
                note = f"{who} needs no permission to assume {role}: a trust policy of its own account names it"
                self._notes[note] = None
                continue
            needed.append(user)
        self._note_shared(account, needed)
        return tuple(statements_of(session_needs(needed, account, self._steps, self._reads_of(needed))))

    def _reads_of(self, users: list[Step]) -> list[SecretRead]:
        return [read for user in users for read in self._reads.get(user.name, ())]

    def _note_shared(self, account: str, users: list[Step]) -> None:
        for read in self._reads_of(users):
            arn = parse_arn(read.reference.key)
            if account and arn is not None and arn.account != account:
                self._notes[
                    f"{read.reference.key} is another account's: its resource policy and its key's have to let "
                    f"account {account} in as well"
                ] = None

    def _session(self, step: Step) -> list[SessionGrants]:
        arn = parse_arn(str(step.settings.get("role_arn", "")))
        if step.operation not in _WITH_POLICY:
            return []
        account = arn.account if arn is not None else ""
        users = users_of(step.name, self._by_source)
        needs = session_needs(users, account, self._steps, self._reads_of(users))
        if not needs:
            return []
        is_sent = "session_policy_covers" in step.settings
        if not account:
            account = self._callers.of(step).account
        role = str(arn) if arn is not None else ""
        return [SessionGrants(step.name, role, account, policy(statements_of(needs)), is_sent)]

    def _base(self, caller: RoleCaller) -> BaseGrants:
        permissions = self._permissions(caller.text, caller.account, caller.users)
        arn = caller.arn if isinstance(caller.arn, str) else self._blanks.get(caller.arn, caller.arn)
        return BaseGrants(caller.who, arn, caller.account, permissions)


def _external_id(step: Step) -> Placeholder | None:
    if "external_id" not in step.settings:
        return None
    meaning = f"The external ID that store `{step.name}` sends."
    return blank("external_id", step.name, meaning, is_secret=True)

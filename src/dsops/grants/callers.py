"""The callers that assume a role: the previous hop's role, a permission set, or the base credentials."""

from __future__ import annotations

from typing import NamedTuple

from dsops.arn import Arn, parse_arn, partition_of_region
from dsops.errors import UsageError
from dsops.grants.placeholders import Placeholder, blank
from dsops.grants.trust import Conditions, permission_set
from dsops.plan import Plan, Step
from dsops.plan.required_permissions import by_source, is_same_identity, users_of

_KINDS = ("user", "role", "root")


class RoleCaller(NamedTuple):
    """A caller that assumes a role."""

    who: str
    """The caller's name in messages: `base`, or the profile's or store's name."""
    arn: str | Placeholder
    account: str
    principal: object
    """The value of the Principal element in a trust policy."""
    is_named: bool
    """Whether `principal` names only this caller.

    If so, the caller needs no permission policy to assume a role in its own account.
    """
    conditions: Conditions
    users: list[Step]
    """The steps that call AWS as this caller."""

    @property
    def text(self) -> str:
        """A noun phrase for the caller, for use in sentences."""
        return self.arn if isinstance(self.arn, str) else f"the owner of the {self.who} credentials"


class Callers:
    """The callers in a plan."""

    def __init__(self, plan: Plan, named: str) -> None:
        """`named` is the ARN that the user passes for the base credentials, or ""."""
        self._plan = plan
        self._steps = plan.steps
        self._by_source = by_source(plan.steps)
        names = dict.fromkeys(step.credentials_from for step in self._steps.values() if step.credentials_from)
        self._sources = [self._steps[name] for name in names if not self._steps[name].operation]
        unknown = [*plan.ambient, *[step for step in self._sources if step.type.service != "sso"]]
        arn = _checked(named) if named else None
        # If several base credentials have an unknown ARN, it is unknown to which of them the given ARN belongs.
        self._named = arn if len(unknown) == 1 else None

    def bases(self) -> list[RoleCaller]:
        """Return the callers at the beginning of chains.

        The base credentials come first, by profile. The stores whose sessions are not issued by STS follow.
        """
        return [self._base(profile) for profile in self._plan.ambient] + [self._other(step) for step in self._sources]

    def of(self, step: Step) -> RoleCaller:
        """Return the caller that assumes the step's role."""
        source = self._source(step)
        if source is None:
            return self._base(self._first_of_identity(step).profile)
        role = parse_arn(str(source.settings.get("role_arn", "")))
        if not source.operation or role is None:
            return self._other(source)
        return RoleCaller(source.name, str(role), role.account, str(role), is_named=True, conditions={}, users=[])

    def has_mfa(self, step: Step) -> bool:
        """Whether the step's call has MFA.

        Either the call sends an MFA code, or the session that signs the call was issued with one.
        """
        first = self._first_of_identity(step)
        return "serial_number" in step.settings or (first is not step and "serial_number" in first.settings)

    def _source(self, step: Step) -> Step | None:
        """Return the step whose session signs this step's call; None if base credentials sign it.

        GetSessionToken steps are skipped, because their sessions have the identity of the user who called.
        """
        return self._steps.get(self._first_of_identity(step).credentials_from)

    def _first_of_identity(self, step: Step) -> Step:
        """Return the earliest of the GetSessionToken steps directly before this step, or else this step."""
        before = self._steps.get(step.credentials_from)
        while before is not None and is_same_identity(before):
            step, before = before, self._steps.get(before.credentials_from)
        return step

    def _base(self, profile: str) -> RoleCaller:
        who = profile or "base"
        meaning = f"The ARN of the user or role that has the {who} credentials."
        return self._named_caller(
            who, users_of("", self._by_source, profile=profile), blank("arn", f"{who} caller", meaning)
        )

    def _other(self, source: Step) -> RoleCaller:
        users = users_of(source.name, self._by_source)
        if source.type.service != "sso":
            meaning = f"The ARN of the user or role whose credentials store `{source.name}` gives."
            return self._named_caller(source.name, users, blank("arn", source.name, meaning))
        account, partition = str(source.settings["account_id"]), partition_of_region(source.region).name
        principal, own = permission_set(account, partition, str(source.settings["role_name"]))
        return RoleCaller(source.name, principal, account, principal, is_named=False, conditions=own, users=users)

    def _named_caller(self, who: str, users: list[Step], unknown: Placeholder) -> RoleCaller:
        """Return the caller, with the best ARN that is known.

        This is the ARN that the user passed, or else the root ARN of the MFA device's account, or else a placeholder.
        """
        if self._named is not None:
            arn, is_named = str(self._named), self._named.resource != "root"
            return RoleCaller(who, arn, self._named.account, arn, is_named=is_named, conditions={}, users=users)
        devices = [parse_arn(str(user.settings.get("serial_number", ""))) for user in users]
        owner = next((device for device in devices if device is not None), None)
        if owner is None:
            return RoleCaller(who, unknown, "", unknown, is_named=False, conditions={}, users=users)
        # The MFA device's ARN contains the account of its user, but not the user: the device's name is only a hint.
        root = f"arn:{owner.partition}:iam::{owner.account}:root"
        return RoleCaller(who, root, owner.account, root, is_named=False, conditions={}, users=users)


def _checked(text: str) -> Arn:
    arn = parse_arn(text)
    if arn is not None and arn.service == "sts" and arn.resource_type == "assumed-role":
        role = arn.resource.split("/")[1]
        raise UsageError(
            f"`{text}` is a role session: a trust policy that names it has no effect once the session ends",
            hint=f"name the role instead: arn:{arn.partition}:iam::{arn.account}:role/{role}, with the role's path",
        )
    if arn is None or arn.service != "iam" or arn.resource_type not in _KINDS or len(arn.account) != 12:
        raise UsageError(
            f"`{text}` is not the ARN of a user, a role or an account",
            hint="write an ARN such as arn:aws:iam::ACCOUNT:user/NAME; `dsops whoami` prints yours",
        )
    return arn

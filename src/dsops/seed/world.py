"""Collect the accounts of a seed: the roles of all steps, the MFA devices of their callers, and the secrets."""

from __future__ import annotations

from collections.abc import Mapping

from dsops.arn import Arn, parse_arn, partition_of_region
from dsops.grants.trust import trust_in_callers
from dsops.plan import Plan, PlannedVariable, Step
from dsops.plan.required_permissions import assume_actions, issue_needs, parameter_resource, secret_resources
from dsops.request.stored_policies import StoredPolicy
from dsops.sandbox.seed.model import DEFAULT_ACCOUNT, Seed, SeedAccount, SeedDevice, SeedRegion, SeedSecret, SeedUser
from dsops.sandbox.state.organization_builder import SeedNode, SeedOrganization
from dsops.secret import Secret
from dsops.seed.federation import Providers, SamlProvidersByAccount
from dsops.seed.logins import PlannedIdentityCenter
from dsops.seed.machines import Machines
from dsops.seed.planned_identities import Holder, PlannedRole, arn_of, document
from dsops.seed.value import Value, extracted

DEVELOPER = "developer"
_DEVICES_PER_USER = 8


class _Members:
    """Collects the members of the organization that AssumeRoot needs. A sandbox has only one organization."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self._manager = ""
        self._members: dict[str, None] = {}

    def add(self, manager: str, member: str) -> None:
        """Add a member account, or a note if the account belongs to another organization."""
        self._manager = self._manager or manager
        if manager != self._manager:
            self.notes.append(
                f"{member} is left out of {manager}'s organization: a sandbox has only one, {self._manager}'s"
            )
            return
        self._members[member] = None

    def organization(self) -> SeedOrganization | None:
        """Return the organization, with centralized root access enabled; None if no step needs one."""
        if not self._members:
            return None
        root = SeedNode(accounts=tuple((member, SeedNode()) for member in self._members))
        return SeedOrganization(self._manager, root, root_access=("RootCredentialsManagement", "RootSessions"))


class SeedWorld:
    """The accounts of the seed that have been collected so far."""

    def __init__(self, first_hops: list[Step], environ: Mapping[str, str]) -> None:
        self.notes: list[str] = []
        self._partitions: dict[str, str] = {}
        self._roles: dict[str, PlannedRole] = {}
        self._managed: dict[str, set[str]] = {}
        self._secrets: dict[tuple[str, str, str], Value] = {}
        self._parameters: dict[tuple[str, str, str], Value] = {}
        self._devices: dict[str, list[SeedDevice]] = {}
        self._providers = Providers(environ)
        self._companies = SamlProvidersByAccount()
        self._logins = PlannedIdentityCenter(environ)
        self._machines = Machines()
        self._members = _Members()
        for step in first_hops:
            self._add_device(step)
        self._developers = {account: Holder("") for account in self._devices}
        roles = [arn_of(step.settings["role_arn"]) for step in first_hops if "role_arn" in step.settings]
        if not self._developers:
            self._developers[roles[0].account if roles else DEFAULT_ACCOUNT] = Holder("")
        partition = roles[0].partition if roles else ""
        if not partition:
            partition = partition_of_region(first_hops[0].region).name if first_hops else "aws"
        for account, developer in self._developers.items():
            self._partitions.setdefault(account, partition)
            developer.arn = f"arn:{self._partitions[account]}:iam::{account}:user/{DEVELOPER}"

    def add_session(self, step: Step, steps: Mapping[str, Step]) -> None:
        """Add the resources that issuing a step's session needs. The user's own session needs none."""
        if "role_arn" in step.settings:
            self._add_role(step, steps)
        elif step.type.service == "sso":
            self._add_login(step)
        elif step.operation == "GetFederationToken":
            self._add_guest(step)
        elif step.operation == "AssumeRoot":
            self._add_root_task(step, steps)
        elif step.operation == "AssumeRoleWithSAML":
            why = "its role is only named in the identity provider's response"
            self.notes.append(f"store `{step.name}` is left out: {why}")

    def _add_role(self, step: Step, steps: Mapping[str, Step]) -> None:
        """Add the step's role. Its trust policy names the callers and requires what the step sends."""
        arn = arn_of(step.settings["role_arn"])
        namesake = next((role for role in self._roles.values() if _is_namesake(role, arn)), None)
        if namesake is not None:
            self.notes.append(f"{arn} is left out: {namesake.arn} has its name, and names are unique in an account")
            return
        self._partitions.setdefault(arn.account, arn.partition)
        role = self._roles.setdefault(str(arn), PlannedRole(arn))
        seconds = step.settings.get("duration_seconds")
        if isinstance(seconds, int):
            role.max_session_duration = max(role.max_session_duration, seconds)
        if step.operation == "AssumeRoleWithSAML":
            self._companies.trust(role, step)
        elif step.session_action == "CreateSession":
            self._machines.trust(role, step)
        elif step.proof is not None:
            self._providers.trust(role, step)
        else:
            self._trust_callers(role, step, steps)
        arns = step.settings.get("policy_arns", ())
        for policy_arn in arns if isinstance(arns, tuple) else ():
            self._add_managed_policy(str(policy_arn))

    def _add_login(self, step: Step) -> None:
        """Add the permission set and the account of a login step."""
        assigned = self._logins.assigned(step)
        if assigned is not None:
            self._partitions.setdefault(str(step.settings["account_id"]), assigned.partition)

    def _add_guest(self, step: Step) -> None:
        """Allow the developers to call GetFederationToken and to read what the federated session reads."""
        for developer in self._developers.values():
            for need in issue_needs(step, arn_of(developer.arn).account, {}):
                developer.allow(need.actions, need.resource)

    def _add_root_task(self, step: Step, steps: Mapping[str, Step]) -> None:
        """Add the member account to an organization that the caller's account manages."""
        for caller in self._callers(step, steps):
            (need,) = issue_needs(step, "", {})
            member, own = arn_of(need.resource), arn_of(caller.arn)
            if member.account == own.account:
                why = f"{own.account} is the caller's own account, not a member account"
                self.notes.append(f"store `{step.name}` is left out: {why}")
                continue
            self._partitions.setdefault(member.account, own.partition)
            self._members.add(own.account, member.account)
            caller.allow(need.actions, need.resource)

    def _trust_callers(self, role: PlannedRole, step: Step, steps: Mapping[str, Step]) -> None:
        callers = self._callers(step, steps)
        external_id = step.settings.get("external_id")
        statements = trust_in_callers(
            step,
            steps,
            [caller.arn for caller in callers],
            external_id=external_id.reveal() if isinstance(external_id, Secret) else None,
            has_mfa=self._device_of(step, steps) is not None,
        )
        role.trust += [statement for statement in statements if statement not in role.trust]
        for caller in callers:
            caller.allow(assume_actions(step, steps), role.arn)

    def _callers(self, step: Step, steps: Mapping[str, Step]) -> list[Holder]:
        """Return the callers that assume the step's role: the role of the previous step, or the developers."""
        source = steps.get(step.credentials_from)
        if source is not None and "role_arn" in source.settings:
            arn = arn_of(source.settings["role_arn"])
            return [self._roles.setdefault(str(arn), PlannedRole(arn))]
        if source is not None and source.type.service == "sso":
            assigned = self._logins.assigned(source)
            return [] if assigned is None else [assigned]
        owner = self._device_of(step, steps)
        if owner is not None and owner.account in self._developers:
            return [self._developers[owner.account]]
        return list(self._developers.values())

    @staticmethod
    def _device_of(step: Step, steps: Mapping[str, Step]) -> Arn | None:
        """Return the MFA device of the step, or of the GetSessionToken session that it uses."""
        source = steps.get(step.credentials_from)
        if "serial_number" not in step.settings and source is not None and source.operation == "GetSessionToken":
            step = source
        return parse_arn(str(step.settings.get("serial_number", "")))

    def _add_device(self, step: Step) -> None:
        serial = step.settings.get("serial_number")
        if serial is None:
            return
        arn = parse_arn(str(serial))
        if arn is None or arn.resource_type != "mfa":
            self.notes.append(f"store `{step.name}` names a hardware MFA device, and a sandbox has virtual ones only")
            return
        self._partitions.setdefault(arn.account, arn.partition)
        path = "/" + arn.resource.removeprefix("mfa/").removesuffix(arn.resource_name)
        device = SeedDevice(arn.resource_name, "", path)
        owned = self._devices.setdefault(arn.account, [])
        if device in owned:
            return
        if len(owned) == _DEVICES_PER_USER:
            self.notes.append(f"{serial} is left out: a user has at most {_DEVICES_PER_USER} MFA devices")
            return
        owned.append(device)

    def _add_managed_policy(self, policy_arn: str) -> None:
        arn = parse_arn(policy_arn)
        if arn is not None and arn.account != "aws":
            self._managed.setdefault(arn.account, set()).add(arn.resource_name)

    def add_read(self, variable: PlannedVariable, plan: Plan) -> None:
        """Add the secret or parameter that a variable reads, and allow the reader to read it."""
        step, reference = plan.steps[variable.step], variable.reference
        if reference is None or step.type.service not in ("secretsmanager", "ssm") or not step.type.read_action:
            return
        paths = [reference.field] if reference.field else []
        is_encoded = bool(variable.transforms) and variable.transforms[0].name == "base64_decode"
        paths += extracted(variable.transforms)
        for reader in self._readers(step, plan.steps):
            if step.type.service == "ssm":
                self._add_parameter(reader, step, reference.key, paths, is_encoded=is_encoded)
            else:
                self._add_secret(reader, step, reference.key, paths, is_encoded=is_encoded)

    def _readers(self, step: Step, steps: Mapping[str, Step]) -> list[Holder]:
        source = steps.get(step.credentials_from)
        if source is not None and "role_arn" in source.settings:
            role = self._roles.get(str(source.settings["role_arn"]))
            return [] if role is None else [role]
        if source is not None and source.type.service == "sso":
            assigned = self._logins.assigned(source)
            return [] if assigned is None else [assigned]
        return list(self._developers.values())

    def _add_secret(self, reader: Holder, step: Step, key: str, paths: list[str], *, is_encoded: bool) -> None:
        own = arn_of(reader.arn)
        arn = parse_arn(key)
        account, region = (arn.account, arn.region) if arn else (own.account, step.region)
        name = arn.resource.removeprefix("secret:") if arn else key
        self._partitions.setdefault(account, own.partition)
        value = self._secrets.setdefault((account, region, name), Value(name))
        value.add(paths, is_encoded=is_encoded)
        if account != own.account:
            value.readers.append(reader.arn)
        resource = secret_resources(step, own.account, key)[-1]
        reader.allow(("secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"), resource)
        reader.allow(("secretsmanager:BatchGetSecretValue",), "*")

    def _add_parameter(self, reader: Holder, step: Step, key: str, paths: list[str], *, is_encoded: bool) -> None:
        own = arn_of(reader.arn)
        prefix = step.settings.get("parameter_prefix", "")
        arn = parse_arn(key)
        account, region = (arn.account, arn.region) if arn else (own.account, step.region)
        name = arn.resource.removeprefix("parameter") if arn else f"{prefix}{key}"
        name = name.partition(":")[0]  # the ARN without a version or label
        if account != own.account:
            self.notes.append(
                f"parameter {key} is left out: it belongs to another account, and the sandbox does not share parameters"
            )
            return
        self._parameters.setdefault((account, region, name), Value(name)).add(paths, is_encoded=is_encoded)
        reader.allow(("ssm:GetParameters", "ssm:GetParameter"), parameter_resource(step, own.account, key))

    def seed(self, region: str) -> Seed:
        """Return the seed. Its first account is that of a developer, who is the default identity."""
        first = next(iter(self._developers))
        if partition_of_region(region).name != self._partitions[first]:
            region = next((place for account, place, _ in self._secrets if account == first), region)
        accounts = [first, *(account for account in self._partitions if account != first)]
        self.notes += [*self._logins.notes, *self._machines.notes, *self._members.notes]
        return Seed(
            tuple(self._account(account) for account in accounts),
            region,
            f"{DEVELOPER}@{first}",
            self._members.organization(),
            identity_center=self._logins.seed(),
        )

    def _account(self, account: str) -> SeedAccount:
        users: tuple[SeedUser, ...] = ()
        developer = self._developers.get(account)
        if developer is not None:
            devices = tuple(self._devices.get(account, ()))
            users = (SeedUser(DEVELOPER, devices=devices, policies=developer.policies()),)
        everything = document([{"Effect": "Allow", "Action": "*", "Resource": "*"}])
        return SeedAccount(
            account,
            self._partitions[account],
            users=users,
            roles=tuple(role.seed() for role in self._roles.values() if arn_of(role.arn).account == account),
            policies=tuple(StoredPolicy(name, everything) for name in sorted(self._managed.get(account, ()))),
            regions=self._regions(account),
            oidc_providers=self._providers.of(account),
            saml_providers=self._companies.of(account),
            roles_anywhere=self._machines.of(account),
        )

    def _regions(self, account: str) -> dict[str, SeedRegion]:
        regions = dict.fromkeys(place for owner, place, _ in (*self._secrets, *self._parameters) if owner == account)
        return {
            region: SeedRegion(
                {
                    name: SeedSecret(value.text(), policy=value.policy())
                    for (owner, place, name), value in self._secrets.items()
                    if (owner, place) == (account, region)
                },
                {
                    name: value.text()
                    for (owner, place, name), value in self._parameters.items()
                    if (owner, place) == (account, region)
                },
            )
            for region in regions
        }


def _is_namesake(role: PlannedRole, arn: Arn) -> bool:
    other = arn_of(role.arn)
    return (
        other.account == arn.account
        and role.name.lower() == arn.resource_name.lower()
        and other.resource != arn.resource
    )

"""A dsops.yaml -> a sandbox seed that satisfies it: its accounts, roles, MFA devices and secrets, with invented values.

What the configuration names, the seed demands: a role that a store reaches with an external ID asks for that external
ID, one with an MFA device asks for MFA, and a session may be as long as the store says and no longer. A user
`developer` owns the devices and may assume the first hops.
"""

from __future__ import annotations

import binascii
import json
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from dsops.arn import Arn, parse_arn, partition_of_region
from dsops.errors import DsopsError
from dsops.model import Config, Transform
from dsops.plan import Ambient, Plan, PlannedVariable, Step, make_plan, plan_store
from dsops.sandbox.backends import PolicyText
from dsops.sandbox.seed_model import (
    DEFAULT_ACCOUNT,
    DEFAULT_REGION,
    Seed,
    SeedAccount,
    SeedDevice,
    SeedRegion,
    SeedRole,
    SeedSecret,
    SeedUser,
)
from dsops.schema import BUILTIN_TYPES, StoreType
from dsops.secret import Secret
from dsops.transform import parse_path

DEVELOPER = "developer"
_SHORTEST_MAXIMUM_SECONDS = 3600
_DEVICES_PER_USER = 8
_LONG_TERM_KEY = Ambient("environment", "seed", is_temporary=False)

Document = dict[str, object]


class SeedFromConfig(NamedTuple):
    """The seed, and a line for everything of the configuration that it could not satisfy."""

    seed: Seed
    notes: tuple[str, ...]


def seed_from_config(
    config: Config,
    *,
    environ: Mapping[str, str],
    user: str = "",
    timestamp: str = "",
    store_types: Mapping[str, StoreType] = BUILTIN_TYPES,
) -> SeedFromConfig:
    """What a sandbox needs so that every store and environment of this configuration works in it.

    Texts are expanded as in a run; a store whose variables are not set, or that AWS would refuse, is left out with a
    note. Where no region is set, it is the one that `sandbox run` sets.
    """
    region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or DEFAULT_REGION
    planning = _Planning(config, {**environ, "AWS_REGION": region}, user, timestamp, store_types)
    world = _World(planning.first_hops())
    for plan in planning.store_plans.values():
        for step in plan.steps.values():
            if "role_arn" in step.settings:
                world.add_role(step, plan.steps)
    for plan in planning.environment_plans():
        for variable in plan.variables:
            if variable.reference is not None and variable.step in planning.store_plans:
                world.add_read(variable, planning.store_plans[variable.step])
    return SeedFromConfig(world.seed(region), tuple(dict.fromkeys([*planning.notes, *world.notes])))


class _Planning:
    """The plans of every store and environment, as a user with a long-term key would run them."""

    def __init__(
        self, config: Config, environ: Mapping[str, str], user: str, timestamp: str, types: Mapping[str, StoreType]
    ) -> None:
        self.notes: list[str] = []
        self.store_plans: dict[str, Plan] = {}
        self._config = config
        self._environ = environ
        self._user = user
        self._timestamp = timestamp
        self._types = types
        for name, store in config.stores.items():
            store_type = types.get(store.type)
            if store_type and any(key.is_required and key.name not in store.fields for key in store_type.keys):
                continue  # a base of other stores, which nobody uses by itself
            plan = self._plan(name, is_store=True)
            if plan is not None:
                self.store_plans[name] = plan

    def environment_plans(self) -> list[Plan]:
        """Of those environments that can be planned."""
        plans = [self._plan(name, is_store=False) for name in self._config.environments]
        return [plan for plan in plans if plan is not None]

    def first_hops(self) -> list[Step]:
        """The roles that are assumed by nobody's session, in the order of the configuration."""
        steps = [step for plan in self.store_plans.values() for step in plan.steps.values()]
        return [step for step in steps if "role_arn" in step.settings and not step.credentials_from]

    def _plan(self, name: str, *, is_store: bool) -> Plan | None:
        make = plan_store if is_store else make_plan
        try:
            return make(
                # Whoever has the file run in a sandbox sends nothing anywhere: no permission is needed to plan it.
                self._config._replace(is_allowed=True),
                name,
                environ=self._environ,
                user=self._user,
                timestamp=self._timestamp,
                ambient=lambda _: _LONG_TERM_KEY,
                store_types=self._types,
            )
        except DsopsError as error:
            reason = "; ".join(problem.message for problem in error.problems) or error.message
            self.notes.append(f"{'store' if is_store else 'environment'} `{name}` is left out: {reason}")
            return None


class _Holder:
    """A user or role in the making: what it may do."""

    def __init__(self, arn: str) -> None:
        self.arn = arn
        self._allowed: dict[str, tuple[str, ...]] = {}

    def allow(self, actions: Iterable[str], resource: str) -> None:
        """Lets it do that to the resource."""
        self._allowed[resource] = tuple(dict.fromkeys([*self._allowed.get(resource, ()), *actions]))

    def policies(self) -> tuple[PolicyText, ...]:
        """One inline policy; none for somebody who may do nothing."""
        if not self._allowed:
            return ()
        statements: list[Document] = [
            {"Effect": "Allow", "Action": list(actions), "Resource": resource}
            for resource, actions in self._allowed.items()
        ]
        return (PolicyText("what-the-configuration-needs", _document(statements)),)


class _Role(_Holder):
    """A role in the making: who may assume it, and for how long."""

    def __init__(self, arn: Arn) -> None:
        super().__init__(str(arn))
        self.name = arn.resource_name
        self.path = "/" + arn.resource.removeprefix("role/").removesuffix(arn.resource_name)
        self.max_session_duration = _SHORTEST_MAXIMUM_SECONDS
        self.trust: list[Document] = []

    def seed(self) -> SeedRole:
        return SeedRole(
            self.name,
            _document(self.trust),
            path=self.path,
            policies=self.policies(),
            max_session_duration=self.max_session_duration,
        )


class _World:
    """Accounts in the making."""

    def __init__(self, first_hops: list[Step]) -> None:
        self.notes: list[str] = []
        self._partitions: dict[str, str] = {}
        self._roles: dict[str, _Role] = {}
        self._managed: dict[str, set[str]] = {}
        self._secrets: dict[tuple[str, str, str], _Value] = {}
        self._parameters: dict[tuple[str, str, str], _Value] = {}
        self._devices: dict[str, list[SeedDevice]] = {}
        for step in first_hops:
            self._add_device(step)
        self._developers = {account: _Holder("") for account in self._devices}
        if not self._developers:
            account = _arn(first_hops[0].settings["role_arn"]).account if first_hops else DEFAULT_ACCOUNT
            self._developers[account] = _Holder("")
        partition = _arn(first_hops[0].settings["role_arn"]).partition if first_hops else "aws"
        for account, developer in self._developers.items():
            self._partitions.setdefault(account, partition)
            developer.arn = f"arn:{self._partitions[account]}:iam::{account}:user/{DEVELOPER}"

    # --- roles ---------------------------------------------------------------------------------------------------

    def add_role(self, step: Step, steps: Mapping[str, Step]) -> None:
        """The role of a hop, trusting whoever the configuration has assume it, on the conditions that it meets."""
        arn = _arn(step.settings["role_arn"])
        namesake = next((role for role in self._roles.values() if _is_namesake(role, arn)), None)
        if namesake is not None:
            self.notes.append(f"{arn} is left out: {namesake.arn} has its name, and names are unique in an account")
            return
        self._partitions.setdefault(arn.account, arn.partition)
        role = self._roles.setdefault(str(arn), _Role(arn))
        seconds = step.settings.get("duration_seconds")
        if isinstance(seconds, int):
            role.max_session_duration = max(role.max_session_duration, seconds)
        callers = self._callers(step, steps)
        actions = _assume_actions(step, steps)
        statement: Document = {
            "Effect": "Allow",
            "Principal": {"AWS": [caller.arn for caller in callers]},
            "Action": actions,
        }
        condition = self._condition(step)
        if condition:
            statement["Condition"] = condition
        if statement not in role.trust:
            role.trust.append(statement)
        for caller in callers:
            caller.allow(actions, role.arn)
        arns = step.settings.get("policy_arns", ())
        for policy_arn in arns if isinstance(arns, tuple) else ():
            self._add_managed_policy(str(policy_arn))

    def _callers(self, step: Step, steps: Mapping[str, Step]) -> list[_Holder]:
        """Who assumes the role of that step: the role of the hop before, or the developers."""
        source = steps.get(step.credentials_from)
        if source is not None and "role_arn" in source.settings:
            arn = _arn(source.settings["role_arn"])
            return [self._roles.setdefault(str(arn), _Role(arn))]
        owner = parse_arn(str(step.settings.get("serial_number", "")))
        if owner is not None and owner.account in self._developers:
            return [self._developers[owner.account]]
        return list(self._developers.values())

    def _condition(self, step: Step) -> dict[str, dict[str, str]]:
        condition: dict[str, dict[str, str]] = {}
        external_id = step.settings.get("external_id")
        if isinstance(external_id, Secret):
            condition["StringEquals"] = {"sts:ExternalId": external_id.reveal()}
        if parse_arn(str(step.settings.get("serial_number", ""))) is not None:
            condition["Bool"] = {"aws:MultiFactorAuthPresent": "true"}
        return condition

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

    # --- secrets -------------------------------------------------------------------------------------------------

    def add_read(self, variable: PlannedVariable, plan: Plan) -> None:
        """The secret or parameter that a variable reads, and the right to read it."""
        step, reference = plan.steps[variable.step], variable.reference
        if reference is None or step.type not in ("aws.secretsmanager", "aws.ssm"):
            return
        paths = [reference.field] if reference.field else []
        is_encoded = bool(variable.transforms) and variable.transforms[0].name == "base64_decode"
        paths += _extracted(variable.transforms)
        for reader in self._readers(step, plan.steps):
            if step.type == "aws.ssm":
                self._add_parameter(reader, step, reference.key, paths, is_encoded=is_encoded)
            else:
                self._add_secret(reader, step, reference.key, paths, is_encoded=is_encoded)

    def _readers(self, step: Step, steps: Mapping[str, Step]) -> list[_Holder]:
        source = steps.get(step.credentials_from)
        if source is not None and "role_arn" in source.settings:
            role = self._roles.get(str(source.settings["role_arn"]))
            return [] if role is None else [role]
        return list(self._developers.values())

    def _add_secret(self, reader: _Holder, step: Step, key: str, paths: list[str], *, is_encoded: bool) -> None:
        own = _arn(reader.arn)
        arn = parse_arn(key)
        account, region = (arn.account, arn.region) if arn else (own.account, step.region)
        name = arn.resource.removeprefix("secret:") if arn else key
        self._partitions.setdefault(account, own.partition)
        value = self._secrets.setdefault((account, region, name), _Value(name))
        value.add(paths, is_encoded=is_encoded)
        if account != own.account:
            value.readers.append(reader.arn)
        resource = f"arn:{own.partition}:secretsmanager:{region}:{account}:secret:{name}-??????"
        reader.allow(("secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"), resource)
        reader.allow(("secretsmanager:BatchGetSecretValue",), "*")

    def _add_parameter(self, reader: _Holder, step: Step, key: str, paths: list[str], *, is_encoded: bool) -> None:
        own = _arn(reader.arn)
        prefix = step.settings.get("parameter_prefix", "")
        arn = parse_arn(key)
        account, region = (arn.account, arn.region) if arn else (own.account, step.region)
        name = arn.resource.removeprefix("parameter") if arn else f"{prefix}{key}"
        name = name.partition(":")[0]  # what follows is a version or a label
        if account != own.account:
            self.notes.append(f"parameter {key} is another account's, which the sandbox does not share: left out")
            return
        self._parameters.setdefault((account, region, name), _Value(name)).add(paths, is_encoded=is_encoded)
        resource = f"arn:{own.partition}:ssm:{region}:{account}:parameter/{name.removeprefix('/')}"
        reader.allow(("ssm:GetParameters", "ssm:GetParameter"), resource)

    # --- the whole -----------------------------------------------------------------------------------------------

    def seed(self, region: str) -> Seed:
        """Everything; the first account is a developer's, who is the default identity."""
        first = next(iter(self._developers))
        if partition_of_region(region).name != self._partitions[first]:
            region = next((place for account, place, _ in self._secrets if account == first), region)
        accounts = [first, *(account for account in self._partitions if account != first)]
        return Seed(tuple(self._account(account) for account in accounts), region, f"{DEVELOPER}@{first}")

    def _account(self, account: str) -> SeedAccount:
        users: tuple[SeedUser, ...] = ()
        developer = self._developers.get(account)
        if developer is not None:
            devices = tuple(self._devices.get(account, ()))
            users = (SeedUser(DEVELOPER, devices=devices, policies=developer.policies()),)
        everything = _document([{"Effect": "Allow", "Action": "*", "Resource": "*"}])
        return SeedAccount(
            account,
            self._partitions[account],
            users=users,
            roles=tuple(role.seed() for role in self._roles.values() if _arn(role.arn).account == account),
            policies=tuple(PolicyText(name, everything) for name in sorted(self._managed.get(account, ()))),
            regions=self._regions(account),
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


class _Value:
    """An invented value: JSON with the fields that are read, or a text where none is."""

    def __init__(self, name: str) -> None:
        self.readers: list[str] = []
        self._name = name
        self._paths: list[tuple[str | int, ...]] = []
        self._is_encoded = False

    def add(self, paths: Iterable[str], *, is_encoded: bool) -> None:
        """One more reader of it, with the fields that it reads."""
        self._is_encoded = self._is_encoded or is_encoded
        for path in paths:
            steps = parse_path(path) if path[:1] in (".", "[") else (path,)
            if steps and steps not in self._paths:
                self._paths.append(steps)

    def text(self) -> str:
        """The value, base64 of it where a variable decodes it first."""
        root: object = None
        for steps in self._paths:
            root = _grow(root, steps, f"invented-{steps[-1]}")
        text = f"invented-{self._name.rpartition('/')[2]}" if root is None else json.dumps(root)
        return binascii.b2a_base64(text.encode(), newline=False).decode() if self._is_encoded else text

    def policy(self) -> str | None:
        """What lets the readers of other accounts in; None when there are none."""
        if not self.readers:
            return None
        readers = list(dict.fromkeys(self.readers))
        return _document(
            [
                {
                    "Effect": "Allow",
                    "Principal": {"AWS": readers},
                    "Action": ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"],
                    "Resource": "*",
                }
            ]
        )


def _grow(node: object, steps: tuple[str | int, ...], leaf: str) -> object:
    """The JSON value with a leaf added at that path; where something is read below a leaf, it becomes a mapping."""
    if not steps:
        return leaf if node is None else node
    step, rest = steps[0], steps[1:]
    if isinstance(step, int):
        items = list(node) if isinstance(node, list) else []
        index = step if step >= 0 else len(items) + step
        items += [None] * (index + 1 - len(items))
        items[index] = _grow(items[index], rest, leaf)
        return items
    fields = dict(node) if isinstance(node, dict) else {}
    fields[step] = _grow(fields.get(step), rest, leaf)
    return fields


def _extracted(transforms: tuple[Transform, ...]) -> list[str]:
    """The path of the first extraction, where nothing but decoding stands before it."""
    for transform in transforms:
        if transform.name in ("json_extract", "yaml_extract"):
            return [transform.argument]
        if transform.name not in ("trim", "base64_decode"):
            return []
    return []


def _assume_actions(step: Step, steps: Mapping[str, Step]) -> list[str]:
    """sts:AssumeRole, and what the tags and the source identity of this hop and those before it need besides."""
    actions = ["sts:AssumeRole"]
    hops = [step]
    while hops[-1].credentials_from in steps:
        hops.append(steps[hops[-1].credentials_from])
    # sts:TagSession is checked for inherited tags too, and only transitive ones are inherited.
    if "tags" in step.settings or any("transitive_tag_keys" in hop.settings for hop in hops[1:]):
        actions.append("sts:TagSession")
    if any("source_identity" in hop.settings for hop in hops):
        actions.append("sts:SetSourceIdentity")
    return actions


def _is_namesake(role: _Role, arn: Arn) -> bool:
    other = _arn(role.arn)
    return (
        other.account == arn.account
        and role.name.lower() == arn.resource_name.lower()
        and other.resource != arn.resource
    )


def _arn(text: object) -> Arn:
    """An ARN whose shape the plan has checked."""
    arn = parse_arn(str(text))
    if arn is None:
        raise DsopsError("a planned step has no readable ARN")
    return arn


def _document(statements: list[Document]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})

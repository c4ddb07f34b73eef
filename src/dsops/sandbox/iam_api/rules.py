"""IAM's checks and side effects that moto lacks.

The checks cover policy documents, principals, permissions boundaries, MFA codes and conflicts. `before` checks an
operation and completes its parameters. Then moto or `instead` performs the operation. Finally `after` applies the side
effects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import NamedTuple

from dsops.arn import parse_arn
from dsops.document import parse_json
from dsops.errors import SandboxRefusal
from dsops.policy import PolicyKind, check_policy, lower_case
from dsops.request.wire.errors import malformed_policy, no_such_entity, refusal, validation
from dsops.sandbox.authorization.caller import Caller
from dsops.sandbox.iam_api.protected_entities import (
    CHANGES_OF_POLICIES,
    CHANGES_OF_ROLES,
    check_attachable,
    check_new_path,
    check_policy_change,
    check_role_change,
)
from dsops.sandbox.iam_api.service_principals import is_service_principal
from dsops.sandbox.resource_policies.principals import Carrier, principals_of, replace_principal
from dsops.sandbox.saml.rules import check_new_saml_provider, check_saml_provider
from dsops.sandbox.state.iam_backend import words_for_malformed
from dsops.sandbox.state.iam_builder import IamBuilder
from dsops.sandbox.state.iam_entities import EntityRelations
from dsops.sandbox.state.resource_policies import resource_policies
from dsops.sandbox.state.secrets import SecretStorage
from dsops.sandbox.state.world import Role, User, World
from dsops.sandbox.sts import totp

Parameters = Mapping[str, object]


class _Document(NamedTuple):
    """A request parameter that contains a policy document, with the document's kind and size limit."""

    parameter: str
    kind: PolicyKind
    limit: int
    """Maximum number of characters without white space (IAM quotas)."""
    limit_words: str


_DOCUMENTS = {
    "CreateRole": _Document("AssumeRolePolicyDocument", "trust", 2048, "Cannot exceed quota for ACLSizePerRole: 2048"),
    "UpdateAssumeRolePolicy": _Document(
        "PolicyDocument", "trust", 2048, "Cannot exceed quota for ACLSizePerRole: 2048"
    ),
    "CreatePolicy": _Document("PolicyDocument", "identity", 6144, "Cannot exceed quota for PolicySize: 6144"),
    "CreatePolicyVersion": _Document("PolicyDocument", "identity", 6144, "Cannot exceed quota for PolicySize: 6144"),
    "PutUserPolicy": _Document(
        "PolicyDocument", "identity", 2048, "Maximum policy size of 2048 bytes exceeded for user {UserName}"
    ),
    "PutRolePolicy": _Document(
        "PolicyDocument", "identity", 10240, "Maximum policy size of 10240 bytes exceeded for role {RoleName}"
    ),
    "PutGroupPolicy": _Document(
        "PolicyDocument", "identity", 5120, "Maximum policy size of 5120 bytes exceeded for group {GroupName}"
    ),
}
_ABOUT_ONESELF = frozenset(
    """
    GetUser CreateAccessKey ListAccessKeys UpdateAccessKey DeleteAccessKey ListMFADevices DeactivateMFADevice
    """.split()
)
_READS_POLICY = frozenset({"GetPolicy", "GetPolicyVersion", "ListPolicyVersions", "ListEntitiesForPolicy"})
_ATTACHES = {
    "AttachGroupPolicy": ("GroupName", "Group"),
    "AttachRolePolicy": ("RoleName", "Role"),
    "AttachUserPolicy": ("UserName", "User"),
}
"""Operation -> the request parameter that names the policy's owner, and the owner's type."""
_MOST_ATTACHED = 10
"""Maximum number of managed policies attached to a user, role or group (IAM's default quota)."""


class IamRules:
    """The checks and side effects in one sandbox."""

    def __init__(self, world: World, secret_storage: SecretStorage) -> None:
        self._world = world
        self._secret_storage = secret_storage
        self._upkeep = EntityRelations(world)
        self._planter = IamBuilder(world)
        self._checks: dict[str, Callable[[dict[str, object], str], None]] = {
            **dict.fromkeys(_READS_POLICY | CHANGES_OF_POLICIES, self._check_policy_exists),
            **{name: partial(self._check_attached, *owner) for name, owner in _ATTACHES.items()},
            **dict.fromkeys(("PutUserPermissionsBoundary", "PutRolePermissionsBoundary"), self._check_boundary),
            "ListPolicies": self._bring_in_all,
            "CreateUser": self._check_new_user,
            "CreateGroup": lambda parameters, account: self._check_name_is_free("Group", parameters, account),
            "UpdateUser": partial(self._check_renamed, "User"),
            "UpdateGroup": partial(self._check_renamed, "Group"),
            "CreateRole": self._check_new_role,
            "UpdateRole": self._keep_what_is_not_updated,
            "CreateSAMLProvider": lambda parameters, account: check_new_saml_provider(world, parameters, account),
            "UpdateSAMLProvider": lambda parameters, _: check_saml_provider(parameters),
            "DeleteUser": self._check_user_is_bare,
            "DeletePolicy": self._check_policy_is_detached,
            "GetAccessKeyLastUsed": self._check_own_key,
        }

    def before(self, operation: str, parameters: Parameters, caller: Caller, now: float) -> dict[str, object]:
        """Check the operation; return the parameters to pass to moto. Raises SandboxRefusal if IAM would refuse it."""
        completed = dict(parameters)
        if operation in CHANGES_OF_ROLES:
            check_role_change(operation, completed, self._world.role_named(caller.account, str(completed["RoleName"])))
        if operation in CHANGES_OF_POLICIES:
            check_policy_change(str(completed["PolicyArn"]), caller.account)
        if operation in _ABOUT_ONESELF and "UserName" not in completed:
            if caller.principal.kind != "user" or caller.user is None:
                raise validation("Must specify userName when calling with non-User credentials")
            completed["UserName"] = caller.user.name
        if operation in _DOCUMENTS:
            self._check_document(_DOCUMENTS[operation], completed)
        if operation in self._checks:
            self._checks[operation](completed, caller.account)
        if operation == "EnableMFADevice":
            self._check_codes(completed, caller.account, now)
        return completed

    def instead(self, operation: str, parameters: Parameters, caller: Caller) -> bool:
        """Perform an operation that moto lacks and return True; return False for any other operation."""
        if operation not in {"PutUserPermissionsBoundary", "DeleteUserPermissionsBoundary"}:
            return False
        user = self._existing_user(caller.account, str(parameters["UserName"]))
        arn = parameters.get("PermissionsBoundary")
        if arn is None and self._world.grants_of_user(user).boundary is None:
            raise no_such_entity(f"Permissions boundary for user {user.name} cannot be found.")
        self._planter.set_user_boundary(user, None if arn is None else str(arn))
        return True

    def memory(self, operation: str, parameters: Parameters, caller: Caller) -> User | Role | None:
        """Return the user or role before it is deleted or renamed, for use by `after`; None for other operations."""
        if operation in {"DeleteUser", "UpdateUser"}:
            return self._world.user_named(caller.account, str(parameters["UserName"]))
        if operation == "DeleteRole":
            return self._world.role_named(caller.account, str(parameters["RoleName"]))
        return None

    def after(self, operation: str, parameters: Parameters, caller: Caller, before: User | Role | None) -> None:
        """Apply the side effects of an operation that has succeeded."""
        if operation == "CreateUser" and "PermissionsBoundary" in parameters:
            user = self._existing_user(caller.account, str(parameters["UserName"]))
            self._planter.set_user_boundary(user, str(parameters["PermissionsBoundary"]))
        if before is None:
            return
        if operation in {"DeleteUser", "DeleteRole"}:
            self.forget(before)
        elif isinstance(before, User):
            renamed = self._world.user_with_id(before.account, before.unique_id)
            if renamed is not None and renamed.arn != before.arn:
                self._upkeep.move_tags(before, renamed)
                replace_principal(self._carriers(), before.arn, renamed.arn)

    def forget(self, deleted: User | Role) -> None:
        """Replace a deleted principal's ARN in all policies by its unique id.

        Otherwise the policies would trust a new principal with the same name.
        """
        replace_principal(self._carriers(), deleted.arn, deleted.unique_id)

    def _carriers(self) -> Iterator[Carrier]:
        yield from self._upkeep.trust_policies()
        yield from self._secret_storage.resource_policies()
        yield from resource_policies(self._world)

    def _check_document(self, document: _Document, parameters: Parameters) -> None:
        text = str(parameters[document.parameter])
        parsed = parse_json(text, "policy")
        checked = check_policy(parsed, document.kind, name="policy")
        if checked.policy is None:
            words = words_for_malformed(text) if document.kind == "identity" and not parsed.problems else ""
            raise malformed_policy(words or checked.aws_message)
        if sum(not letter.isspace() for letter in text) > document.limit:
            words = document.limit_words.format_map({key: str(value) for key, value in parameters.items()})
            raise refusal("LimitExceeded", words, 409)
        if document.kind == "trust":
            for arn in principals_of(text):
                if not self._world.has_principal(arn):
                    raise malformed_policy(f'Invalid principal in policy: "AWS":"{arn}"')
            for service in principals_of(text, "Service"):
                if not is_service_principal(service):
                    # Source of the message: hashicorp/terraform#35086
                    raise malformed_policy(f'Invalid principal in policy: "SERVICE":"{service}"')

    def _check_policy_exists(self, parameters: Parameters, account: str) -> None:
        arn = str(parameters["PolicyArn"])
        self._world.bring_in(account, arn)
        if self._world.managed_policy(account, arn) is None:
            raise no_such_entity(f"Policy {arn} was not found.")

    def _check_attached(self, parameter: str, kind: str, parameters: Parameters, account: str) -> None:
        arn = str(parameters["PolicyArn"])
        if parse_arn(arn) is None:
            raise validation("Invalid ARN:  Could not be parsed!")
        check_attachable(arn)
        self._world.bring_in(account, arn)
        attached = self._upkeep.attached(account, kind, str(parameters[parameter]))
        if arn not in attached and len(attached) >= _MOST_ATTACHED:
            raise refusal("LimitExceeded", f"Cannot exceed quota for PoliciesPer{kind}: {_MOST_ATTACHED}", 409)

    def _bring_in_all(self, parameters: Parameters, account: str) -> None:
        if parameters.get("Scope", "All") != "Local":
            self._world.bring_in_all(account)

    def _check_boundary(self, parameters: Parameters, account: str) -> None:
        if "PermissionsBoundary" not in parameters:
            return
        arn = str(parameters["PermissionsBoundary"])
        check_attachable(arn)
        self._world.bring_in(account, arn)
        if self._world.managed_policy(account, arn) is None:
            raise no_such_entity(f"Scope ARN: {arn} does not exist or is not attachable.")

    def _check_new_user(self, parameters: Parameters, account: str) -> None:
        self._check_name_is_free("User", parameters, account)
        self._check_boundary(parameters, account)

    def _check_new_role(self, parameters: Parameters, account: str) -> None:
        check_new_path(str(parameters.get("Path", "/")))
        self._check_name_is_free("Role", parameters, account)
        self._check_boundary(parameters, account)

    def _check_renamed(self, kind: str, parameters: Parameters, account: str) -> None:
        """Raise EntityAlreadyExists if the new name is in use.

        moto would delete the user that has the new name, and would assign its ARN to the renamed user.
        """
        old, new = parameters[f"{kind}Name"], parameters.get(f"New{kind}Name")
        if new is not None and lower_case(str(new)) != lower_case(str(old)):
            self._check_name_is_free(kind, {f"{kind}Name": new}, account)

    def _check_name_is_free(self, kind: str, parameters: Parameters, account: str) -> None:
        """Raise EntityAlreadyExists if the name is in use. Names are unique regardless of case."""
        name = str(parameters[f"{kind}Name"])
        if self._upkeep.has_name_like(account, kind, name):
            raise refusal("EntityAlreadyExists", f"{kind} with name {name} already exists.", 409)

    def _keep_what_is_not_updated(self, parameters: dict[str, object], account: str) -> None:
        """Add the role's current attributes that an UpdateRole request omits, because moto would reset these."""
        role = self._world.role_named(account, str(parameters["RoleName"]))
        if role is not None:
            parameters.setdefault("MaxSessionDuration", role.max_session_duration)
            parameters.setdefault("Description", self._upkeep.description_of(role))

    def _check_codes(self, parameters: Parameters, account: str, now: float) -> None:
        self._existing_user(account, str(parameters["UserName"]))
        serial = str(parameters["SerialNumber"])
        device = self._world.virtual_mfa_device(serial)
        arn = parse_arn(serial)
        if device is None or arn is None or arn.account != account:
            raise no_such_entity(f"VirtualMFADevice with serial number {serial} doesn't exist.")
        codes = str(parameters["AuthenticationCode1"]), str(parameters["AuthenticationCode2"])
        if not totp.are_consecutive(device.seed, *codes, now):
            raise refusal("InvalidAuthenticationCode", "Authentication code for device is not valid.", 403)

    def _check_own_key(self, parameters: Parameters, account: str) -> None:
        """Raise NoSuchEntity for an access key of another account, because moto searches all accounts."""
        key_id = str(parameters["AccessKeyId"])
        key = self._world.long_term_key(key_id)
        if key is None or key.user.account != account:
            raise no_such_entity(f"The Access Key with id {key_id} cannot be found")

    def _check_policy_is_detached(self, parameters: Parameters, account: str) -> None:
        self._check_policy_exists(parameters, account)
        if self._upkeep.is_attached(account, str(parameters["PolicyArn"])):
            raise _conflict("Cannot delete a policy attached to entities.")

    def _check_user_is_bare(self, parameters: Parameters, account: str) -> None:
        user = self._world.user_named(account, str(parameters["UserName"]))
        if user is None:
            return
        for words, is_so in self._upkeep.belongings(user).items():
            if is_so:
                raise _conflict(f"Cannot delete entity, must {words} first.")

    def _existing_user(self, account: str, name: str) -> User:
        user = self._world.user_named(account, name)
        if user is None:
            raise no_such_entity(f"The user with name {name} cannot be found.")
        return user


def _conflict(message: str) -> SandboxRefusal:
    return refusal("DeleteConflict", message, 409)

"""IAM features that moto lacks: outbound web identity federation, and centralized root access.

IAM API Reference, EnableOutboundWebIdentityFederation, EnableOrganizationsRootSessions and related operations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dsops.errors import SandboxRefusal
from dsops.request.wire.errors import refusal
from dsops.request.wire.responses import Value
from dsops.sandbox.state.organizations import IAM, Membership, RootFeature
from dsops.sandbox.state.world import World
from dsops.sandbox.sts.outbound import Outbound

_ROOT_SWITCHES: Mapping[str, tuple[RootFeature, bool]] = {
    "EnableOrganizationsRootCredentialsManagement": ("RootCredentialsManagement", True),
    "DisableOrganizationsRootCredentialsManagement": ("RootCredentialsManagement", False),
    "EnableOrganizationsRootSessions": ("RootSessions", True),
    "DisableOrganizationsRootSessions": ("RootSessions", False),
}


class IamFeatures:
    """The account-wide IAM features in one sandbox."""

    def __init__(self, world: World, outbound: Outbound) -> None:
        self._world = world
        self._outbound = outbound
        self._operations: dict[str, Callable[[str], dict[str, Value]]] = {
            "EnableOutboundWebIdentityFederation": self._enable_outbound,
            "DisableOutboundWebIdentityFederation": self._disable_outbound,
            "GetOutboundWebIdentityFederationInfo": self._outbound_info,
            "ListOrganizationsFeatures": lambda account: self._features(self._organization_of(account)),
        }

    def perform(self, operation: str, account: str) -> dict[str, Value] | None:
        """Perform the operation and return its result; return None if this class does not implement it.

        Raises SandboxRefusal if AWS would refuse the request.
        """
        if operation in _ROOT_SWITCHES:
            return self._switch_root(account, *_ROOT_SWITCHES[operation])
        work = self._operations.get(operation)
        return None if work is None else work(account)

    def _enable_outbound(self, account: str) -> dict[str, Value]:
        if self._outbound.is_enabled(account):
            message = "Outbound web identity federation is already enabled for this account."
            raise refusal("FeatureEnabled", message, 409)
        return {"IssuerIdentifier": self._outbound.enable(account)}

    def _disable_outbound(self, account: str) -> dict[str, Value]:
        if not self._outbound.is_enabled(account):
            raise _disabled()
        self._outbound.disable(account)
        return {}

    def _outbound_info(self, account: str) -> dict[str, Value]:
        issuer = self._outbound.issuer(account)
        if issuer is None:
            raise _disabled()
        return {"IssuerIdentifier": issuer, "JwtVendingEnabled": self._outbound.is_enabled(account)}

    def _switch_root(self, account: str, feature: RootFeature, is_on: bool) -> dict[str, Value]:  # noqa: FBT001
        membership = self._organization_of(account)
        if is_on and account != membership.management_account:
            raise _refused("CallerIsNotManagementAccountException", "The caller is not the management account.")
        self._world.organizations.switch_root_feature(membership.organization_id, feature, is_on=is_on)
        return self._features(membership)

    def _organization_of(self, account: str) -> Membership:
        """Return the membership of an account that may manage root access. Raises SandboxRefusal for other accounts."""
        organizations = self._world.organizations
        membership = organizations.membership(account)
        if membership is None:
            raise _refused("OrganizationNotFoundException", "No organization is associated with the account.")
        is_administrator = organizations.is_delegated_administrator(account, IAM)
        if account != membership.management_account and not is_administrator:
            raise _refused(
                "AccountNotManagementOrDelegatedAdministratorException",
                "The account is not the management account or a delegated administrator of IAM.",
            )
        if not organizations.has_all_features(account):
            raise _refused("OrganizationNotInAllFeaturesModeException", "The organization has not all features.")
        if not organizations.trusts_service(account, IAM):
            raise _refused("ServiceAccessNotEnabledException", "IAM has no trusted access to the organization.")
        return membership

    def _features(self, membership: Membership) -> dict[str, Value]:
        enabled = sorted(self._world.organizations.root_features(membership.organization_id))
        return {"OrganizationId": membership.organization_id, "EnabledFeatures": list(enabled)}


def _disabled() -> SandboxRefusal:
    return refusal("FeatureDisabled", "Outbound web identity federation is not enabled for this account.", 404)


def _refused(code: str, message: str) -> SandboxRefusal:
    return refusal(code, message, 400)

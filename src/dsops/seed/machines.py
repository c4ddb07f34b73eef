"""Collect the trust anchors and profiles that stores with certificates need; let roles trust them.

The configuration does not contain the root of the certificate authority. The certificates in `intermediates` become
the trust anchor, because any CA of the chain can be one.
"""

from __future__ import annotations

from dsops.arn import parse_arn
from dsops.aws.identity.ambient_files import content
from dsops.grants.trust import trust_in_certificates
from dsops.plan import Step
from dsops.sandbox.seed.roles_anywhere import SeedAnywhereProfile, SeedRolesAnywhere, SeedTrustAnchor
from dsops.seed.planned_identities import PlannedRole

_MOST_BYTES = 1 << 20


class Machines:
    """Collects IAM Roles Anywhere of all accounts."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self._regions: dict[str, str] = {}
        self._anchors: dict[str, dict[str, SeedTrustAnchor]] = {}
        self._profiles: dict[str, dict[str, SeedAnywhereProfile]] = {}

    def trust(self, role: PlannedRole, step: Step) -> None:
        """Let the role trust the step's trust anchor, and add the trust anchor and the profile."""
        anchor_arn, profile_arn = (str(step.settings[name]) for name in ("trust_anchor_arn", "profile_arn"))
        statement = trust_in_certificates(anchor_arn)
        if statement not in role.trust:
            role.trust.append(statement)
        anchor, profile = parse_arn(anchor_arn), parse_arn(profile_arn)
        if anchor is None or profile is None:
            return
        region = self._regions.setdefault(anchor.account, anchor.region)
        if region != anchor.region:
            self.notes.append(f"{anchor_arn} is left out: a seed has trust anchors in one region of an account")
            return
        certificates = content(str(step.settings.get("intermediates", "")), _MOST_BYTES).decode("ascii", "replace")
        if "BEGIN CERTIFICATE" not in certificates:
            why = "name the certificates of its CA in `intermediates`, or create it with the API"
            self.notes.append(f"{anchor_arn} is left out: {why}")
            return
        number = anchor.resource_name
        self._anchors.setdefault(anchor.account, {})[number] = SeedTrustAnchor(number, certificates, number)
        name = profile.resource_name
        before = self._profiles.setdefault(anchor.account, {}).get(name)
        roles = (*(before.roles if before is not None else ()), role.arn)
        seconds = step.settings.get("duration_seconds")
        self._profiles[anchor.account][name] = SeedAnywhereProfile(
            name,
            tuple(dict.fromkeys(roles)),
            name,
            seconds if isinstance(seconds, int) else 3600,
            "role_session_name" in step.settings,
        )

    def of(self, account: str) -> SeedRolesAnywhere | None:
        """Return the account's section; None if no step needs one."""
        if account not in self._anchors:
            return None
        anchors, profiles = self._anchors[account], self._profiles[account]
        return SeedRolesAnywhere(self._regions[account], tuple(anchors.values()), tuple(profiles.values()))

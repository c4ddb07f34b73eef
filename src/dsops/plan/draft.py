"""A step that can still change: the plan decides later which drafts share an MFA session."""

from __future__ import annotations

from dsops.errors import Where
from dsops.plan.limits import StepLocation
from dsops.plan.types import Fingerprint, Proof, Step
from dsops.schema import Setting, StoreType


class Draft:
    """A step in the making: what can still change until it is known who shares an MFA session with whom."""

    __slots__ = (
        "credentials_from",
        "has_proof",
        "identity",
        "name",
        "operation",
        "place",
        "profile",
        "proof",
        "region",
        "settings",
        "type",
        "where",
    )

    def __init__(self, name: str, store_type: StoreType, place: StepLocation, where: Where) -> None:
        self.name = name
        self.type = store_type
        self.place = place
        self.where = where
        self.settings: dict[str, Setting] = {}
        self.identity: dict[str, Setting] = {}
        """The settings with a generated timestamp still as `${TIMESTAMP}`, for the fingerprint."""
        self.region = ""
        self.credentials_from = ""
        self.profile = ""
        self.has_proof = False
        """Whether something else stands for base credentials, be it something that is wrong."""
        self.proof: Proof | None = None
        self.operation = ""
        """The API action by which it gets its session; "" for a store that issues none, or a plugin's."""

    @property
    def is_role(self) -> bool:
        """Whether it assumes a role with credentials."""
        return self.operation == "AssumeRole"

    def step(self, fingerprint: Fingerprint) -> Step:
        """The step, as far as it is known by now; whether it is chained is not."""
        return Step(
            name=self.name,
            type=self.type,
            settings=self.settings,
            region=self.region,
            credentials_from=self.credentials_from,
            profile=self.profile,
            fingerprint=fingerprint,
            is_chained=False,
            where=self.where,
            operation=self.operation,
            proof=self.proof,
        )

"""A step that may still change: only later it is known which steps share an MFA session."""

from __future__ import annotations

from dsops.errors import Where
from dsops.plan.limits import StepLocation
from dsops.plan.types import Fingerprint, Proof, Step
from dsops.schema import Setting, StoreType


class Draft:
    """A step under construction; it may still change until it is known which steps share an MFA session."""

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
        """The settings, but with a generated timestamp still as `${TIMESTAMP}`; for the fingerprint."""
        self.region = ""
        self.credentials_from = ""
        self.profile = ""
        self.has_proof = False
        """Whether a token or a login takes the place of base credentials, even an invalid one."""
        self.proof: Proof | None = None
        self.operation = ""
        """The STS operation that issues its session; "" for other store types."""

    @property
    def is_role(self) -> bool:
        """Whether it assumes a role with credentials."""
        return self.operation == "AssumeRole"

    def step(self, fingerprint: Fingerprint) -> Step:
        """The step as far as it is known; `is_chained` is set later."""
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

"""A step of a plan before it is final: the steps that share an MFA session are determined later."""

from __future__ import annotations

from dsops.errors import Where
from dsops.plan.limits import StepLocation
from dsops.plan.types import Fingerprint, Proof, Step
from dsops.schema import Setting, StoreType


class Draft:
    """A step under construction; it may change until the steps that share MFA sessions are determined."""

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
        """The settings from which the fingerprint is computed.

        A generated timestamp in them is still `${TIMESTAMP}`.
        """
        self.region = ""
        self.credentials_from = ""
        self.profile = ""
        self.has_proof = False
        """Whether the store uses a token or login, valid or not, instead of base credentials."""
        self.proof: Proof | None = None
        self.operation = ""
        """The STS operation that issues the step's session; "" for other store types."""

    @property
    def is_role(self) -> bool:
        """Whether the step assumes a role with credentials."""
        return self.operation == "AssumeRole"

    def step(self, fingerprint: Fingerprint, endpoints: tuple[tuple[str, str], ...] = ()) -> Step:
        """Return the step with the values known so far; `is_chained` is set later."""
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
            endpoints=endpoints,
        )

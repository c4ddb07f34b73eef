"""Determines the callers in a plan's chain: the base credentials, and the sessions before a hop."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from dsops.aws.apis.sts import CallerIdentity, get_caller_identity
from dsops.aws.http.call import Client
from dsops.credentials import Credentials
from dsops.endpoint import Endpoint, is_aws_host, parse_address, resolve_endpoint
from dsops.errors import DsopsError
from dsops.explain.questions.federated_caller import is_opened, opened_caller
from dsops.explain.questions.request import ChainCaller, base_caller, session_caller
from dsops.plan import Plan, Step
from dsops.startup import NamedTuple
from dsops.tasks import AsyncOnce, Work


class ChainKeys(NamedTuple):
    """Credentials in the chain, and their identity."""

    credentials: Credentials
    identity: CallerIdentity
    caller: ChainCaller | None


class Chains:
    """The chains of one plan. `sessions` has the issued sessions by step, `bases` the base credentials by profile."""

    def __init__(
        self, plan: Plan, client: Client, sessions: Mapping[str, Credentials], bases: Mapping[str, Credentials]
    ) -> None:
        self.plan = plan
        self.client = client
        self._sessions = sessions
        self._bases = bases
        self._keys: dict[int, AsyncOnce[ChainKeys | None]] = {}

    def hop(self, step: Step) -> int:
        """Return the number of the step's hop: 1 if the base credentials sign its request, 2 for the next hop."""
        below = self.plan.steps.get(step.credentials_from)
        own = 1 if step.session_action else 0
        return own + self.hop(below) if below is not None else own

    async def of(self, step: Step) -> list[ChainKeys]:
        """Return the credentials in the step's chain: base credentials first, those that sign the step's call last."""
        below = self.plan.steps.get(step.credentials_from)
        if below is None:
            credentials = self._bases.get(step.profile)
            if credentials is None:
                return []
            keys = await self._keys_of(credentials, step, None, None)
            return [keys] if keys is not None else []
        chain = await self.of(below)
        session = self._sessions.get(below.name)
        if session is None:
            return chain
        # The session was opened with a token or a login. It inherits nothing from the base credentials, which only read
        # policies here.
        before = chain[-1].caller if chain and not is_opened(below) else None
        keys = await self._keys_of(session, step, below, before)
        return [*chain, keys] if keys is not None else chain

    async def _keys_of(
        self, credentials: Credentials, step: Step, issuer: Step | None, before: ChainCaller | None
    ) -> ChainKeys | None:
        """Return the credentials with their identity, requested from STS once; None if STS does not return it."""

        def find() -> Work[ChainKeys | None]:
            return self._find(credentials, step, issuer, before)

        return await self._keys.setdefault(id(credentials), AsyncOnce(find)).get()

    async def _find(
        self, credentials: Credentials, step: Step, issuer: Step | None, before: ChainCaller | None
    ) -> ChainKeys | None:
        try:
            identity = await get_caller_identity(self.client, credentials, self.endpoint(step, "sts"))
        except DsopsError:
            return None
        if issuer is None:
            return ChainKeys(credentials, identity, base_caller(identity, is_temporary=credentials.is_temporary))
        caller = opened_caller(issuer, identity) if is_opened(issuer) else session_caller(issuer, identity, before)
        return ChainKeys(credentials, identity, caller)

    def endpoint(self, step: Step, service: str, region: str = "") -> Endpoint:
        """Return the service's endpoint for the step; a store's custom endpoint (an emulator) is for all services."""
        url = str(step.settings.get("endpoint_url", ""))
        address = parse_address(url) if url else None
        own = url if address is not None and not is_aws_host(address.host) else ""
        environ = {**self.client.runtime.environ, **dict(step.endpoints)}
        return resolve_endpoint(service, region or step.region or "us-east-1", environ, endpoint_url=own)

    def now(self, step: Step) -> datetime:
        """Return the time of AWS's clock if its difference from the local clock is known, else the local time."""
        skew = self.client.skew_seconds(self.endpoint(step, "sts"))
        return self.client.runtime.now() + timedelta(seconds=skew)

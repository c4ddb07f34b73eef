"""Plan a configuration for a user with a long-term key. Add a note for each part that can't be planned."""

from __future__ import annotations

from collections.abc import Mapping

from dsops.document import Scalar
from dsops.errors import DsopsError
from dsops.model import Config
from dsops.plan import Ambient, Plan, Proof, Step, make_plan, plan_store
from dsops.schema import OWN_POLICY, POLICY_RECORDING, Settings, StoreType, fitted, missing_keys
from dsops.stores import proving_store

_LONG_TERM_KEY = Ambient("environment", "seed", is_temporary=False)


class Planning:
    """The plans of all stores and environments, for a user with a long-term key."""

    def __init__(
        self, config: Config, environ: Mapping[str, str], user: str, timestamp: str, types: Mapping[str, StoreType]
    ) -> None:
        self.notes: list[str] = []
        self.store_plans: dict[str, Plan] = {}
        self._config = _without_own_policies(config)
        self._environ = environ
        self._user = user
        self._timestamp = timestamp
        self._types = types
        for name, store in config.stores.items():
            store_type = types.get(store.type)
            if store_type and missing_keys(fitted(store_type, store.fields), store.fields, store.where, name):
                continue  # the store is only a base of other stores, not used by itself
            plan = self._plan(name, is_store=True)
            if plan is not None:
                self.store_plans[name] = plan

    def environment_plans(self) -> list[Plan]:
        """Return the plans of all environments that can be planned."""
        plans = [self._plan(name, is_store=False) for name in self._config.environments]
        return [plan for plan in plans if plan is not None]

    def first_hops(self) -> list[Step]:
        """Return the steps that the user's own key or GetSessionToken session signs, in the order of the file."""
        return [
            step
            for plan in self.store_plans.values()
            for step in plan.steps.values()
            if step.operation and is_a_users(plan.steps.get(step.credentials_from))
        ]

    def _plan(self, name: str, *, is_store: bool) -> Plan | None:
        make = plan_store if is_store else make_plan
        try:
            return make(
                self._config,
                name,
                environ=self._environ,
                user=self._user,
                timestamp=self._timestamp,
                ambient=lambda _: _LONG_TERM_KEY,
                store_types=self._types,
                proof=self._proof,
            )
        except DsopsError as error:
            reason = "; ".join(problem.message for problem in error.problems) or error.message
            self.notes.append(f"{'store' if is_store else 'environment'} `{name}` is left out: {reason}")
            return None

    def _proof(self, store_type: str, settings: Settings) -> Proof:
        # A constant digest is sufficient, because these plans issue no sessions.
        return proving_store(store_type).identify(settings, self._environ, lambda _: "seed")


def is_a_users(source: Step | None) -> bool:
    """Whether the session of the step `source` acts as the user.

    True for base credentials (None), a user's key, and a GetSessionToken session.
    """
    return source is None or source.type.gives_long_term or source.operation == "GetSessionToken"


def _without_own_policies(config: Config) -> Config:
    """Return the configuration without any `session_policy: auto` or `session_policy_recording`.

    The first depends on the environment that uses the store, and the second on another file.
    """
    stores = {}
    for name, store in config.stores.items():
        field = store.fields.get("session_policy")
        is_own = field is not None and isinstance(field.node, Scalar) and field.node.text == OWN_POLICY
        left_out = {POLICY_RECORDING, *(["session_policy"] if is_own else [])}
        fields = {key: value for key, value in store.fields.items() if key not in left_out}
        stores[name] = store._replace(fields=fields)
    return config._replace(stores=stores)

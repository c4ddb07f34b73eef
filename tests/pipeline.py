"""Runs the whole pipeline, from a configuration's text to values, with AWS in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dsops.aws.http.call import make_client
from dsops.cache import CredentialCache
from dsops.errors import DsopsError, Failures
from dsops.plan import Plan
from dsops.resolve import Resolver, ambient_of, proof_of
from dsops.schema import BUILTIN_TYPES
from tests.aws_in_memory import InMemoryAws
from tests.fakes import Acts, FixedClock, Person, Reports, make_runtime
from tests.loop import Time
from tests.plans import plan_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dsops.credentials import Credentials
    from dsops.runtime import Runtime
    from dsops.schema import StoreType

ADA = {"AWS_ACCESS_KEY_ID": "AKIAADAADAADAADAADA1", "AWS_SECRET_ACCESS_KEY": "adas-key", "AWS_REGION": "us-east-1"}
"""A user's long-term key."""

RUNNER = {**ADA, "AWS_ACCESS_KEY_ID": "ASIARUNNERRUNNER0001", "AWS_SESSION_TOKEN": "runners-token"}
"""A role session's credentials, such as a CI runner has."""


class Pipeline:
    """One process with its AWS, clock and cache; each run makes a new plan."""

    def __init__(self) -> None:
        self.clock = FixedClock()
        self.reports = Reports()
        self.journal = Acts()
        self.aws = InMemoryAws(self.clock)
        self.cache = CredentialCache(self.clock)
        self.time = Time()
        self.person = Person()
        self.environ: Mapping[str, str] = ADA
        self.folder = "/project"
        self.reason = ""
        self.store_types: Mapping[str, StoreType] = BUILTIN_TYPES

    def plan(self, text: str, environment: str = "", *, store: str = "") -> Plan:
        """The plan of an environment, or of one store."""
        return plan_of(
            text,
            environment,
            store=store,
            environ=self.environ,
            ambient=ambient_of(self.environ, b"k" * 32, self.folder),
            proof=proof_of(self.environ, b"k" * 32, self.folder),
            store_types=self.store_types,
            reason=self.reason,
        )

    def runtime(self) -> Runtime:
        """The Runtime of a run."""
        runtime = make_runtime(
            self.environ,
            now=self.clock,
            ask=self.person,
            report=self.reports,
            folder=self.folder,
            journal=self.journal,
            monotonic=lambda: self.time.seconds,
        )
        return runtime._replace(reason=self.reason)

    def resolver(self, plan: Plan, min_ttl_seconds: float | None = None) -> Resolver:
        """A resolver for the plan."""
        runtime = self.runtime()
        client = make_client(runtime)
        return Resolver(plan, runtime, client, self.cache, min_ttl_seconds=min_ttl_seconds)

    def resolve(self, text: str, environment: str = "", *, min_ttl_seconds: float | None = None) -> dict[str, str]:
        """The values of an environment."""
        work = self.resolver(self.plan(text, environment), min_ttl_seconds).secrets()
        return {name: value.reveal() for name, value in self.time.run(work, self.aws).items()}

    def credentials(self, text: str, store: str, *, min_ttl_seconds: float | None = None) -> Credentials:
        """The session of one store."""
        work = self.resolver(self.plan(text, store=store), min_ttl_seconds).credentials(store)
        return self.time.run(work, self.aws)

    def errors(self, text: str, environment: str = "") -> list[DsopsError]:
        """All errors of resolving an environment, in order."""
        try:
            self.resolve(text, environment)
        except Failures as failures:
            return list(failures.errors)
        except DsopsError as error:
            return [error]
        raise AssertionError("nothing failed")


def words(error: DsopsError) -> str:
    """All text of an error, for tests that search it."""
    return f"{error.message} {error.why} {error.hint} {error.aws} {error.problems} {error!r}"

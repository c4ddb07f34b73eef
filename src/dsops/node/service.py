"""The parts of a running node: its token files, sessions, secrets, addresses, metrics and audit records."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from time import monotonic
from typing import Protocol

from dsops.aws.apis.secretsmanager import SecretValue
from dsops.credentials import Credentials
from dsops.errors import ConfigError
from dsops.model import Config
from dsops.node.configuration import NodeConfig, require_trusted
from dsops.node.endpoint import NodeEndpoint
from dsops.node.flights import Flights
from dsops.node.issuer import NodeIssuer, SecretRequest
from dsops.node.key_refresh import KeyRefresh
from dsops.node.metrics import NodeMetrics
from dsops.node.records import NodeTrail
from dsops.node.secrets_cache import NodeSecrets
from dsops.node.sessions import NodeSessions, SessionKey
from dsops.node.token_files import write_tokens
from dsops.node.workloads import Workloads
from dsops.pipeline.configuration import read_config
from dsops.process.watch import Attendant
from dsops.runtime import Runtime


def stores_of(node: NodeConfig) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the stores whose sessions workloads get, and the stores whose secrets they read."""
    sessions = dict.fromkeys(store for workload in node.workloads for store in workload.stores)
    secrets = dict.fromkeys(workload.secrets.store for workload in node.workloads if workload.secrets is not None)
    return tuple(sessions), tuple(secrets)


def need_root(node: NodeConfig) -> tuple[str, ...]:
    """Return the workloads whose rules look at processes, which only root may examine for every user."""
    return tuple(workload.name for workload in node.workloads if workload.peer.needs_processes)


def read_stores(node: NodeConfig, runtime: Runtime) -> Config:
    """Read the dsops.yaml of the node. Raises ConfigError, also if other users can write one of its files."""
    config = read_config(runtime, node.config)
    for file in config.all_files:
        try:
            require_trusted(file.path, os.stat(file.path))
        except FileNotFoundError as error:
            raise ConfigError(f"{file.path} was removed while it was read", hint="run the command again") from error
    NodeIssuer(config, runtime).check(*stores_of(node))
    return config


class Issuer(Protocol):
    """Issues sessions and reads secrets in threads; `NodeIssuer` implements it."""

    def issue(self, key: SessionKey, old: Credentials | None, is_over: Callable[[], bool]) -> Credentials:
        """Return a new session of the store, which replaces `old`."""

    def varying(self, stores: Collection[str]) -> frozenset[str]:
        """Return the stores whose sessions depend on the caller."""

    def read(self, request: SecretRequest) -> SecretValue:
        """Return the secret."""


class NodeService:
    """A node that serves its addresses, as attendants of an event loop."""

    def __init__(
        self,
        node: NodeConfig,
        issuer: Issuer,
        runtime: Runtime,
        metrics: NodeMetrics | None = None,
        *,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """Write the token files and open the addresses.

        `metrics` also has the measurements of the issuer's calls. Raises FileNotWritten or UsageError.
        """
        tokens = write_tokens(node.tokens, node.workloads)
        workloads = Workloads(node.workloads, tokens)
        varying = issuer.varying(stores_of(node)[0])
        self.flights = Flights()
        self.sessions = NodeSessions(
            issuer.issue, self.flights, now=runtime.now, random=runtime.random, report=runtime.report, clock=clock
        )
        secrets = NodeSecrets(issuer.read, self.flights, clock=clock)
        self.metrics = metrics or NodeMetrics(runtime.now().timestamp())
        self.metrics.sessions = lambda: len(self.sessions)
        trail = NodeTrail(runtime, self.metrics)
        checks = {
            workload.name: workload.token_check for workload in node.workloads if workload.token_check is not None
        }
        self._keys = KeyRefresh(checks, self.flights, runtime.report)
        self.endpoints = [
            NodeEndpoint(
                address, workloads, self.sessions, secrets, trail, varying=varying, now=runtime.now, clock=clock
            )
            for address in node.listen
        ]

    @property
    def attendants(self) -> Sequence[Attendant]:
        """The parts that the event loop runs; `Flights` first, so that requests get new sessions in the same turn."""
        return (self.flights, self.sessions, self._keys, *self.endpoints)

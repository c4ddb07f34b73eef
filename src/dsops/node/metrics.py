"""The metrics of a node: those of the agent about sessions and calls to AWS, and the node's answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from dsops.agent.metrics import AgentMetrics
from dsops.openmetrics import Counter

_PROTOCOLS: Final = {True: "secret", False: "session"}


class NodeMetrics:
    """Counts what the node answers. `agent` has the metrics of the pipeline, and the port."""

    def __init__(self, started: float) -> None:
        """`started` is in seconds since 1970."""
        self.sessions: Callable[[], float] = lambda: 0
        """Returns the number of valid sessions."""
        self.agent = AgentMetrics(started, self._count, lambda: 0)
        self._answers = Counter(
            "dsops_node_answers", "Answers of the node, by protocol and HTTP status.", ("protocol", "status")
        )
        self._unknown = Counter("dsops_node_unknown_callers", "Requests of callers that belong to no workload.")
        self.agent.registry.add(self._answers, self._unknown)

    def _count(self) -> float:
        return self.sessions()

    def answer(self, *, is_secret: bool, status: int) -> None:
        """Count an answer."""
        self._answers.add((_PROTOCOLS[is_secret], str(status)))

    def refuse(self) -> None:
        """Count a caller that belongs to no workload."""
        self._unknown.add(())

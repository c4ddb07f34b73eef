"""docs/how-to/metrics.md lists every metric. DSOPS_UPDATE_GOLDEN=1 writes its tables again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dsops.agent.metrics import AgentMetrics
from dsops.openmetrics import Registry
from dsops.sandbox.control.metrics import SandboxMetrics

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "metrics.md"
UPDATE = os.environ.get("DSOPS_UPDATE_GOLDEN") == "1"
REGISTRIES = {
    "agent": AgentMetrics(0.0, lambda: 0, lambda: 0).registry,
    "sandbox": SandboxMetrics(0.0, lambda: 0, lambda: 0).registry,
}


def table(registry: Registry) -> str:
    """The table of a registry's metrics."""
    rows = [
        f"| `{metric.name}` | {metric.kind} | {', '.join(map('`{}`'.format, metric.labels))} | {metric.help_text} |"
        for metric in registry.metrics
    ]
    return "\n".join(["| Metric | Kind | Labels | |", "|---|---|---|---|", *rows])


@pytest.mark.parametrize("name", sorted(REGISTRIES))
def test_the_page_has_every_metric(name: str) -> None:
    """The page lists every metric in the order of the output."""
    text = PAGE.read_text(encoding="utf-8")
    begin, end = f"<!-- metrics of the {name} -->\n", "<!-- end -->"
    before, _, rest = text.partition(begin)
    shown, _, after = rest.partition(end)
    expected = table(REGISTRIES[name]) + "\n"
    if UPDATE:
        PAGE.write_text(before + begin + expected + end + after, encoding="utf-8")
        return

    assert expected == shown

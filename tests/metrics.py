"""Parses OpenMetrics text with Prometheus' parser."""

from __future__ import annotations

from prometheus_client.openmetrics.parser import text_string_to_metric_families

Told = dict[str, list[tuple[dict[str, str], float]]]


def read_metrics(text: str) -> Told:
    """Parse the text; returns sample name -> labels and values, in order. Raises ValueError for invalid text."""
    collected: Told = {}
    for family in text_string_to_metric_families(text):  # type: ignore[no-untyped-call]  # the package ships half its types
        for sample in family.samples:
            collected.setdefault(sample.name, []).append((dict(sample.labels), sample.value))
    return collected

"""Metrics of a process in the OpenMetrics text format, which Prometheus and compatible systems read.

Source: https://prometheus.io/docs/specs/om/open_metrics_spec/. Counting takes about a microsecond, for a lock and a
dictionary access. The text is created only when it is requested. docs/decisions/0024-openmetrics.md explains why dsops
does not use the Prometheus library. Imported by `agent`, `node` and `sandbox`.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from threading import Lock

CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
MOST_SERIES = 200
"""Maximum number of series of one metric. Further label values are counted as `other`.

The limit exists because each series takes memory in the scraping system forever.
"""
OTHER = "other"
_LONGEST_LABEL = 256
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_ESCAPED = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})

Labels = tuple[str, ...]
"""Label values, in the order of the metric's label names."""


class Metric:
    """One metric: its name without a suffix, its help text, and one series for each combination of label values."""

    kind = "unknown"

    def __init__(
        self, name: str, help_text: str, labels: Sequence[str] = (), *, open_labels: Sequence[str] = ()
    ) -> None:
        """`open_labels` have unbounded values, such as a role's ARN. Above MOST_SERIES their values become `other`."""
        if not all(map(_NAME.fullmatch, (name, *labels))):
            raise ValueError(f"{name} {labels} can't be names")
        self.name = name
        self.help_text = help_text
        self.labels = tuple(labels)
        self._open = tuple(label in open_labels for label in labels)
        self._lock = Lock()

    def text(self) -> Iterator[str]:
        """Yield the metric's lines; there are none while it has no samples."""
        samples = list(self._samples())
        if not samples:
            return
        yield f"# TYPE {self.name} {self.kind}"
        unit = self.name.rpartition("_")[2]
        if unit in {"seconds", "bytes"}:
            yield f"# UNIT {self.name} {unit}"
        yield f"# HELP {self.name} {self.help_text.translate(_ESCAPED)}"
        for suffix, labels, value in samples:
            inside = ",".join(f'{name}="{text.translate(_ESCAPED)}"' for name, text in labels.items())
            yield f"{self.name}{suffix}{f'{{{inside}}}' if inside else ''} {_number(value)}"

    def _samples(self) -> Iterator[tuple[str, Mapping[str, str], float]]:
        """Yield the suffix, labels and value of each sample."""
        raise NotImplementedError

    def _named(self, labels: Labels) -> dict[str, str]:
        return dict(zip(self.labels, labels, strict=True))

    def _bounded(self, labels: Labels, series: Mapping[Labels, object]) -> Labels:
        """Return the labels under which a value is counted.

        Values become `other` when the metric has too many series.

        Callers must hold the lock.
        """
        if labels in series:
            return labels
        labels = tuple(text[:_LONGEST_LABEL] for text in labels)
        if labels in series or len(series) < MOST_SERIES:
            return labels
        labels = tuple(OTHER if is_open else text for text, is_open in zip(labels, self._open, strict=True))
        return labels if labels in series or len(series) < 2 * MOST_SERIES else (OTHER,) * len(labels)


class Counter(Metric):
    """A metric that counts events."""

    kind = "counter"

    def __init__(
        self, name: str, help_text: str, labels: Sequence[str] = (), *, open_labels: Sequence[str] = ()
    ) -> None:
        super().__init__(name, help_text, labels, open_labels=open_labels)
        self._series: dict[Labels, float] = {} if labels else {(): 0}

    def add(self, labels: Labels = (), amount: float = 1) -> None:
        """Add one event, or `amount` events."""
        with self._lock:
            if labels not in self._series:
                labels = self._bounded(labels, self._series)
            self._series[labels] = self._series.get(labels, 0) + amount

    def _samples(self) -> Iterator[tuple[str, Mapping[str, str], float]]:
        with self._lock:
            series = dict(self._series)
        for labels, value in series.items():
            yield "_total", self._named(labels), value


class Histogram(Metric):
    """A distribution: for each bound, the number of observations at or below it."""

    kind = "histogram"

    def __init__(
        self,
        name: str,
        help_text: str,
        bounds: Sequence[float],
        labels: Sequence[str] = (),
        *,
        open_labels: Sequence[str] = (),
    ) -> None:
        super().__init__(name, help_text, labels, open_labels=open_labels)
        self.bounds = tuple(sorted(bounds))
        self._series: dict[Labels, tuple[list[int], list[float]]] = {}

    def observe(self, value: float, labels: Labels = ()) -> None:
        """Record an observed value."""
        with self._lock:
            series = self._series.get(labels)
            if series is None:
                labels = self._bounded(labels, self._series)
                series = self._series.setdefault(labels, ([0] * (len(self.bounds) + 1), [0.0]))
            series[0][bisect_left(self.bounds, value)] += 1
            series[1][0] += value

    def _samples(self) -> Iterator[tuple[str, Mapping[str, str], float]]:
        with self._lock:
            series = {labels: (list(counts), sums[0]) for labels, (counts, sums) in self._series.items()}
        for labels, (counts, total) in series.items():
            named, so_far = self._named(labels), 0
            for bound, count in zip((*self.bounds, float("inf")), counts, strict=True):
                so_far += count
                yield "_bucket", {**named, "le": "+Inf" if bound == float("inf") else repr(float(bound))}, so_far
            yield "_count", named, so_far
            yield "_sum", named, total


class Gauge(Metric):
    """A current value, which is read at each scrape. It may be None if it is not available."""

    kind = "gauge"
    _suffix = ""

    def __init__(self, name: str, help_text: str, read: Callable[[], float | None]) -> None:
        super().__init__(name, help_text)
        self._read = read

    def _samples(self) -> Iterator[tuple[str, Mapping[str, str], float]]:
        value = self._read()
        if value is not None:
            yield self._suffix, {}, value


class ReadCounter(Gauge):
    """A counter whose value comes from elsewhere, such as the operating system, and is read at each scrape."""

    kind = "counter"
    _suffix = "_total"


class Info(Metric):
    """Constant facts about the process, as labels of a gauge with value 1.

    Prometheus' libraries use a gauge here, too. node_exporter's textfile collector reads only the older text format,
    and rejects a text with an info metric.
    """

    kind = "gauge"

    def __init__(self, name: str, help_text: str, labels: Sequence[str], read: Callable[[], Labels]) -> None:
        super().__init__(name, help_text, labels)
        self._read = read

    def _samples(self) -> Iterator[tuple[str, Mapping[str, str], float]]:
        yield "", self._named(self._read()), 1


class Registry:
    """The metrics of one process, in the order in which they are printed."""

    def __init__(self) -> None:
        self.metrics: list[Metric] = []

    def add(self, *metrics: Metric) -> None:
        """Add metrics. Raises ValueError if a name is already in use."""
        for metric in metrics:
            if any(metric.name == other.name for other in self.metrics):
                raise ValueError(f"{metric.name} is there already")
            self.metrics.append(metric)

    def text(self) -> str:
        """Return the text of all metrics."""
        lines = [line for metric in self.metrics for line in metric.text()]
        return "\n".join([*lines, "# EOF", ""])


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else repr(float(value))

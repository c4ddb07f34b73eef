"""Numbers of a process as OpenMetrics' text, which Prometheus and its relatives read.

https://prometheus.io/docs/specs/om/open_metrics_spec/. Counting takes a lock and a dictionary, about a microsecond; the
text is made when somebody asks for it. docs/decisions/0024-openmetrics.md: why not the library.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from threading import Lock

CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
MOST_SERIES = 200
"""Of one metric. What comes after them counts as `other`: whoever scrapes pays for each series for ever."""
OTHER = "other"
_LONGEST_LABEL = 256
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_ESCAPED = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})

Labels = tuple[str, ...]
"""Values, in the order of the names that the metric was made with."""


class Metric:
    """One metric: its name without a suffix, what it says, and its series, one for each set of labels."""

    kind = "unknown"

    def __init__(self, name: str, said: str, labels: Sequence[str] = (), *, open_labels: Sequence[str] = ()) -> None:
        """`open_labels` are those that the world fills (a role's ARN): beyond MOST_SERIES they become `other`."""
        if not all(map(_NAME.fullmatch, (name, *labels))):
            raise ValueError(f"{name} {labels} can't be names")
        self.name = name
        self.said = said
        self.labels = tuple(labels)
        self._open = tuple(label in open_labels for label in labels)
        self._lock = Lock()

    def text(self) -> Iterator[str]:
        """Its lines; none while it has nothing to say."""
        samples = list(self._samples())
        if not samples:
            return
        yield f"# TYPE {self.name} {self.kind}"
        unit = self.name.rpartition("_")[2]
        if unit in {"seconds", "bytes"}:
            yield f"# UNIT {self.name} {unit}"
        yield f"# HELP {self.name} {self.said.translate(_ESCAPED)}"
        for suffix, labels, value in samples:
            inside = ",".join(f'{name}="{text.translate(_ESCAPED)}"' for name, text in labels.items())
            yield f"{self.name}{suffix}{f'{{{inside}}}' if inside else ''} {_number(value)}"

    def _samples(self) -> Iterator[tuple[str, Mapping[str, str], float]]:
        """Suffix, labels, value."""
        raise NotImplementedError

    def _named(self, labels: Labels) -> dict[str, str]:
        return dict(zip(self.labels, labels, strict=True))

    def _bounded(self, labels: Labels, series: Mapping[Labels, object]) -> Labels:
        """The labels under which this counts; call inside the lock."""
        if labels in series:
            return labels
        labels = tuple(text[:_LONGEST_LABEL] for text in labels)
        if labels in series or len(series) < MOST_SERIES:
            return labels
        labels = tuple(OTHER if is_open else text for text, is_open in zip(labels, self._open, strict=True))
        return labels if labels in series or len(series) < 2 * MOST_SERIES else (OTHER,) * len(labels)


class Counter(Metric):
    """Something that happens again and again."""

    kind = "counter"

    def __init__(self, name: str, said: str, labels: Sequence[str] = (), *, open_labels: Sequence[str] = ()) -> None:
        super().__init__(name, said, labels, open_labels=open_labels)
        self._series: dict[Labels, float] = {} if labels else {(): 0}

    def add(self, labels: Labels = (), amount: float = 1) -> None:
        """It happened, once or so often."""
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
    """How long something takes, or how much of it there is: how many were at most each of some bounds."""

    kind = "histogram"

    def __init__(
        self,
        name: str,
        said: str,
        bounds: Sequence[float],
        labels: Sequence[str] = (),
        *,
        open_labels: Sequence[str] = (),
    ) -> None:
        super().__init__(name, said, labels, open_labels=open_labels)
        self.bounds = tuple(sorted(bounds))
        self._series: dict[Labels, tuple[list[int], list[float]]] = {}

    def observe(self, value: float, labels: Labels = ()) -> None:
        """One more."""
        with self._lock:
            found = self._series.get(labels)
            if found is None:
                labels = self._bounded(labels, self._series)
                found = self._series.setdefault(labels, ([0] * (len(self.bounds) + 1), [0.0]))
            found[0][bisect_left(self.bounds, value)] += 1
            found[1][0] += value

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
    """How it is now; asked for when somebody looks. None: it can't be known here."""

    kind = "gauge"
    _suffix = ""

    def __init__(self, name: str, said: str, read: Callable[[], float | None]) -> None:
        super().__init__(name, said)
        self._read = read

    def _samples(self) -> Iterator[tuple[str, Mapping[str, str], float]]:
        value = self._read()
        if value is not None:
            yield self._suffix, {}, value


class ReadCounter(Gauge):
    """A counter that somebody else keeps, such as the system."""

    kind = "counter"
    _suffix = "_total"


class Info(Metric):
    """Facts that don't change while the process lives, as labels.

    A gauge that is 1, as Prometheus' libraries have it: the older text format, which node_exporter's textfile collector
    reads, knows no infos and refuses a text with one.
    """

    kind = "gauge"

    def __init__(self, name: str, said: str, labels: Sequence[str], read: Callable[[], Labels]) -> None:
        super().__init__(name, said, labels)
        self._read = read

    def _samples(self) -> Iterator[tuple[str, Mapping[str, str], float]]:
        yield "", self._named(self._read()), 1


class Registry:
    """The metrics of one process, in the order in which they are told."""

    def __init__(self) -> None:
        self.metrics: list[Metric] = []

    def add(self, *metrics: Metric) -> None:
        """These are told too. Raises ValueError for a name that there is."""
        for metric in metrics:
            if any(metric.name == other.name for other in self.metrics):
                raise ValueError(f"{metric.name} is there already")
            self.metrics.append(metric)

    def text(self) -> str:
        """All of it."""
        lines = [line for metric in self.metrics for line in metric.text()]
        return "\n".join([*lines, "# EOF", ""])


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else repr(float(value))

"""Write OpenMetrics' text format, which Prometheus' own parser reads back for any text in a label."""

from __future__ import annotations

import threading
import timeit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsops.openmetrics import MOST_SERIES, OTHER, Counter, Gauge, Histogram, Info, Metric, ReadCounter, Registry
from dsops.openmetrics.process_metrics import process_metrics
from tests.children import SECONDS
from tests.metrics import read_metrics


def text_of(*metrics: Metric) -> str:
    """Return the text of a registry with these metrics."""
    registry = Registry()
    registry.add(*metrics)
    return registry.text()


def samples_of(*metrics: Metric) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Return (name, labels) -> value, as Prometheus' parser reads the text."""
    return {
        (name, frozenset(labels.items())): value
        for name, series in read_metrics(text_of(*metrics)).items()
        for labels, value in series
    }


def test_every_kind_is_told_as_the_standard_writes_it() -> None:
    """Each kind of metric is written exactly as in the standard.

    A metric that has counted nothing has no lines if it has labels, and the value 0 otherwise.
    """
    calls = Counter("calls", "Calls.", ("service",))
    calls.add(("sts",))
    calls.add(("sts",), 2)
    seconds = Histogram("took_seconds", "Time.", (0.5, 1), ("service",))
    for value in (0.2, 1, 7):
        seconds.observe(value, ("sts",))

    text = text_of(
        calls,
        seconds,
        Counter("nothing", "Never."),
        Counter("unseen", "Never.", ("service",)),
        Gauge("held", "Now.", lambda: 3),
        Gauge("unknown_bytes", "Not here.", lambda: None),
        ReadCounter("used_seconds", "CPU.", lambda: 1.5),
        Info("made_info", "By.", ("version",), lambda: ("1",)),
    )

    assert text == (
        "# TYPE calls counter\n# HELP calls Calls.\n"
        'calls_total{service="sts"} 3\n'
        "# TYPE took_seconds histogram\n# UNIT took_seconds seconds\n# HELP took_seconds Time.\n"
        'took_seconds_bucket{service="sts",le="0.5"} 1\n'
        'took_seconds_bucket{service="sts",le="1.0"} 2\n'
        'took_seconds_bucket{service="sts",le="+Inf"} 3\n'
        'took_seconds_count{service="sts"} 3\n'
        'took_seconds_sum{service="sts"} 8.2\n'
        "# TYPE nothing counter\n# HELP nothing Never.\nnothing_total 0\n"
        "# TYPE held gauge\n# HELP held Now.\nheld 3\n"
        "# TYPE used_seconds counter\n# UNIT used_seconds seconds\n# HELP used_seconds CPU.\nused_seconds_total 1.5\n"
        '# TYPE made_info gauge\n# HELP made_info By.\nmade_info{version="1"} 1\n'
        "# EOF\n"
    )


@given(st.lists(st.tuples(st.text(max_size=40), st.text(max_size=40)), max_size=6), st.text(max_size=40))
def test_whatever_stands_in_a_label_is_read_back(pairs: list[tuple[str, str]], said: str) -> None:
    """Labels with quotes, backslashes, line breaks and other alphabets are read back unchanged."""
    counter = Counter("calls", said, ("one", "two"))
    for pair in pairs:
        counter.add(pair)

    samples = samples_of(counter)

    expected = {
        ("calls_total", frozenset({("one", entry), ("two", two)})): pairs.count((entry, two)) for entry, two in pairs
    }
    assert expected == samples


@given(st.lists(st.floats(0, 100, allow_nan=False), max_size=30))
def test_a_histogram_counts_each_value_once(values: list[float]) -> None:
    """Each bucket counts the values up to its bound, and the last bucket counts all values."""
    histogram = Histogram("took", "Time.", (1, 10, 50))
    for value in values:
        histogram.observe(value)

    samples = samples_of(histogram)

    for bound in (1.0, 10.0, 50.0) if values else ():
        assert samples["took_bucket", frozenset({("le", str(bound))})] == sum(value <= bound for value in values)
    assert samples.get(("took_count", frozenset()), 0) == len(values)
    assert samples.get(("took_sum", frozenset()), 0) == pytest.approx(sum(values))


def test_series_have_an_end() -> None:
    """If an open label (with unbounded values) has too many values, further values are counted as `other`.

    No count is lost.
    """
    counter = Counter("calls", "Calls.", ("result", "role"), open_labels=("role",))
    for number in range(5 * MOST_SERIES):
        counter.add(("ok", f"role-{number}"))
        counter.add(("failed", f"role-{number}"))

    samples = samples_of(counter)

    assert len(samples) == MOST_SERIES + 2
    assert sum(samples.values()) == 10 * MOST_SERIES
    assert samples["calls_total", frozenset({("result", "ok"), ("role", OTHER)})] > 4 * MOST_SERIES


def test_closed_labels_have_an_end_too() -> None:
    """A counter with closed labels only has a limit, too, in case a label has more values than expected."""
    counter = Counter("calls", "Calls.", ("result",))
    for number in range(5 * MOST_SERIES):
        counter.add((f"result-{number}",))

    assert len(samples_of(counter)) <= 2 * MOST_SERIES + 1


def test_a_label_without_measure_is_cut() -> None:
    """A label's value is cut at 256 characters, which is enough for every role ARN."""
    counter = Counter("calls", "Calls.", ("role",))
    counter.add(("r" * 10_000,))
    counter.add(("r" * 10_001,))

    assert samples_of(counter) == {("calls_total", frozenset({("role", "r" * 256)})): 2}


def test_invalid_names_are_refused() -> None:
    """Invalid metric names, and names that exist already, are refused."""
    with pytest.raises(ValueError, match="can't be names"):
        Counter("no-name", "Calls.")
    with pytest.raises(ValueError, match="can't be names"):
        Counter("name", "Calls.", ("no label",))
    with pytest.raises(ValueError, match="there already"):
        text_of(Counter("name", "Calls."), Counter("name", "Calls."))


def test_threads_lose_nothing() -> None:
    """Four threads that use one counter and histogram lose no count."""
    counter, histogram = Counter("calls", "Calls.", ("service",)), Histogram("took", "Time.", (1,))

    def work() -> None:
        for _ in range(2000):
            counter.add(("sts",))
            histogram.observe(1)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=SECONDS)

    samples = samples_of(counter, histogram)
    assert samples["calls_total", frozenset({("service", "sts")})] == 8000
    assert samples["took_count", frozenset()] == 8000


def test_a_process_has_its_own_metrics() -> None:
    """The process metrics have the names that Prometheus' own libraries use, with the values from the system."""
    samples = samples_of(*process_metrics("dsops", 1_800_000_000.0))

    names = {name for name, _ in samples}
    assert {"process_start_time_seconds", "process_cpu_seconds_total", "dsops_build_info"} <= names
    assert samples["process_start_time_seconds", frozenset()] == 1_800_000_000
    if "process_resident_memory_bytes" in names:  # Linux
        assert 5_000_000 < samples["process_resident_memory_bytes", frozenset()] < 2_000_000_000
    assert 3 <= samples["process_open_fds", frozenset()] <= samples.get(("process_max_fds", frozenset()), 1e9)


def test_counting_is_cheap() -> None:
    """Counting takes much less than 0.1 ms even on a busy machine: a warm run increments several counters."""
    counter = Counter("calls", "Calls.", ("service",))

    assert min(timeit.repeat(lambda: counter.add(("sts",)), number=1000, repeat=5)) / 1000 < 100e-6

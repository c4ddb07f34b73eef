"""The dashboard and alert rules in `templates/` use metrics that the agent serves, in valid PromQL."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from dsops.agent.metrics import AgentMetrics
from dsops.openmetrics import Histogram, Metric

TEMPLATES = Path(__file__).parents[2] / "templates"
RULES: dict[str, Any] = yaml.safe_load((TEMPLATES / "dsops-alerts.yaml").read_text(encoding="utf-8"))
DASHBOARD: dict[str, Any] = json.loads((TEMPLATES / "grafana-dashboard.json").read_text(encoding="utf-8"))
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "gauge": ("",)}
OF_PROMETHEUS = {"instance", "job", "alertname", "severity"}
GRAFANA = {"$__rate_interval": "5m", "$__range": "1d", "$instance": "ci"}


def labels_of(metric: Metric) -> set[str]:
    """Return the labels of the metric's series after Prometheus has scraped them."""
    return {*metric.labels, *OF_PROMETHEUS, *(["le"] if isinstance(metric, Histogram) else [])}


SERVED = {
    f"{metric.name}{suffix}": labels_of(metric)
    for metric in AgentMetrics(0.0, lambda: 0, lambda: 0).registry.metrics
    for suffix in SUFFIXES[metric.kind]
}
RECORDED = {rule["record"]: {"instance", "code", "role"} for rule in RULES["groups"][0]["rules"] if "record" in rule}


def rules() -> Iterator[tuple[str, str]]:
    """Yield the name and expression of each alert rule."""
    for group in RULES["groups"]:
        for rule in group["rules"]:
            yield rule.get("alert") or rule["record"], rule["expr"]


def queries() -> Iterator[tuple[str, str]]:
    """Yield the title and expression of each dashboard query, with values for Grafana's variables."""
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", []):
            expression = target["expr"]
            for variable, value in GRAFANA.items():
                expression = expression.replace(variable, value)
            yield panel["title"], expression


def selectors(expression: str) -> Iterator[tuple[str, set[str]]]:
    """Yield the metrics used in an expression, with the labels that it matches."""
    for node in walk(promql_parser.parse(expression)):
        if isinstance(node, promql_parser.VectorSelector):
            yield node.name or "", {matcher.name for matcher in node.matchers.matchers}


def grouped(expression: str) -> set[str]:
    """Return the labels by which the expression groups."""
    return {label.strip() for labels in re.findall(r"\bby \(([^)]*)\)", expression) for label in labels.split(",")}


def walk(node: object) -> Iterator[object]:
    """Yield the node and all nodes below it."""
    yield node
    for name in ("lhs", "rhs", "expr", "param", "vector_selector"):
        below = getattr(node, name, None)
        if below is not None:
            yield from walk(below)
    for argument in getattr(node, "args", ()):
        yield from walk(argument)


def complaints(expression: str) -> list[str]:
    """Return the metrics and labels in an expression that the agent does not serve."""
    known_names = SERVED | RECORDED
    requested = list(selectors(expression))
    found = [f"no metric {name}" for name, _ in requested if name not in known_names]
    unknown = [(name, sorted(labels - known_names.get(name, labels))) for name, labels in requested]
    found += [f"no label {labels} of {name}" for name, labels in unknown if labels]
    whole = set().union(*(known_names.get(name, set()) for name, _ in requested))
    found += [f"nothing has the label {label}" for label in sorted(grouped(expression) - whole)]
    return found if requested else [*found, "it asks for nothing"]


@pytest.mark.parametrize(("name", "expression"), [*rules(), *queries()])
def test_what_is_asked_for_is_served(name: str, expression: str) -> None:
    """Every metric and label in rules and queries is served by the agent, and the expressions are PromQL."""
    assert complaints(expression) == [], name


@pytest.mark.parametrize(
    ("expression", "complaint"),
    [
        ("rate(dsops_nothing_total[5m])", "no metric dsops_nothing_total"),
        ("dsops_principals{role='x'}", "no label ['role'] of dsops_principals"),
        ("sum by (role) (dsops_throttled_total)", "nothing has the label role"),
        ("1 + 1", "it asks for nothing"),
        ("histogram_quantile(0.5, rate(dsops_missing_bucket[5m]))", "no metric dsops_missing_bucket"),
    ],
)
def test_what_is_not_served_is_noticed(expression: str, complaint: str) -> None:
    """The check reports metrics and labels that the agent does not serve."""
    assert complaint in complaints(expression)


def test_what_is_no_promql_is_noticed() -> None:
    """Invalid PromQL is an error."""
    with pytest.raises(ValueError, match=r"unclosed|unexpected|missing"):
        complaints("sum(dsops_principals")


def test_every_metric_is_on_the_dashboard() -> None:
    """The dashboard has every metric, except those that only describe the process."""
    shown_names = {name for _, expression in queries() for name, _ in selectors(expression)}
    unshown = {
        metric.name
        for metric in AgentMetrics(0.0, lambda: 0, lambda: 0).registry.metrics
        if not shown_names & {f"{metric.name}{suffix}" for suffix in SUFFIXES[metric.kind]}
    }

    assert unshown == {"dsops_build_info", "process_start_time_seconds", "process_max_fds"}


def test_the_dashboard_is_one_for_grafana() -> None:
    """The dashboard is valid for Grafana: IDs are unique, panels do not overlap, and data sources are variables."""
    panels = DASHBOARD["panels"]
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
        if panel["type"] != "row":
            assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
            assert panel["targets"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert [entry["name"] for entry in DASHBOARD["templating"]["list"]] == ["datasource", "instance"]


def test_the_four_metrics_have_alerts() -> None:
    """Each of the four metrics has an alert rule, and each alert rule has a test case."""
    requested = {name for _, expression in rules() for name, _ in selectors(expression)}
    cases = yaml.safe_load((TEMPLATES / "dsops-alerts-test.yaml").read_text(encoding="utf-8"))["tests"]
    tested = {entry["alertname"] for case in cases for entry in case["alert_rule_test"] if entry["exp_alerts"]}

    assert {
        "dsops_issue_failures_total",
        "dsops_session_duration_seconds_count",
        "dsops_principals",
        "dsops_cross_account_sessions_total",
    } <= requested
    assert tested == {rule["alert"] for group in RULES["groups"] for rule in group["rules"] if "alert" in rule}


@pytest.mark.parametrize("words", ["check rules --lint=all dsops-alerts.yaml", "test rules dsops-alerts-test.yaml"])
@pytest.mark.clients
def test_promtool_agrees(words: str) -> None:
    """promtool accepts the alert rules, and the rules' test cases pass."""
    code, said = promtool(words)

    assert code == 0, said
    assert "SUCCESS" in said


@pytest.mark.clients
def test_the_older_format_is_understood_as_well() -> None:
    """The agent's output is valid in the older text format for node_exporter; promtool warns only about style."""
    metrics = AgentMetrics(0.0, lambda: 3, lambda: 1)
    metrics.measure("session.issued", ("AssumeRole", "r", "", ""), 900)
    metrics.measure("aws.call", ("sts", "AssumeRole", "ok"), 0.1)

    _, said = promtool("check metrics", metrics.registry.text())

    assert "dsops_sessions_issued_total no help text" in said
    assert "error" not in said


def promtool(words: str, text: str = "") -> tuple[int, str]:
    """Return promtool's exit code and output."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed")
    command = [program, *words.split()]
    done = subprocess.run(command, cwd=TEMPLATES, input=text, capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stdout + done.stderr

"""The source says who does what: caller, role, client, user, administrator, process."""

from __future__ import annotations

import re

from tests.project.source import modules

VAGUE = re.compile(r"\b(?:somebody|nobody|whoever|anybody|whom)\b", re.IGNORECASE)
ALLOWED = {
    "dsops.agent.client_run": "a label of a metric, which users' dashboards name",
    "dsops.aws.http.transport": "a name of libcurl",
    "dsops.graph.types": "a node's key in the graph's JSON",
    "dsops.sandbox.saml.signature": "the title of a paper",
}
"""Module -> why one line of it has such a word."""


def test_the_source_says_who_does_what() -> None:
    """The source uses no vague word for a person, except on the listed lines."""
    lines = [
        name
        for name, file in modules().items()
        for line in file.read_text(encoding="utf-8").splitlines()
        if VAGUE.search(line)
    ]
    assert sorted(lines) == sorted(ALLOWED)

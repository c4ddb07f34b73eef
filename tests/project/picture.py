"""The rooms of dsops as a Mermaid diagram, made of the layers in pyproject.toml.

    python -m tests.project.picture

prints what stands in docs/explanation/architecture.md.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

from tests.project.source import ROOT

CONTAINERS = {"dsops": "dsops", "dsops.aws": "aws", "dsops.sandbox": "sandbox"}
"""Containers of layers contracts -> the title of each part of the picture."""


def layers() -> dict[str, list[list[str]]]:
    """Container -> its layers from top to bottom, each with its modules."""
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = pyproject["tool"]["importlinter"]["contracts"]
    return {
        contract["containers"][0]: [re.findall(r"\w+", layer) for layer in contract["layers"]]
        for contract in contracts
        if contract["type"] == "layers"
    }


def lines() -> Iterator[str]:
    """The lines of the diagram: a box for each layer, and an arrow to the layer below it."""
    yield "flowchart TB"
    for container, title in CONTAINERS.items():
        yield f'    subgraph {title}["{title}/"]'
        boxes = [f'{title}{number}["{" · ".join(names)}"]' for number, names in enumerate(layers()[container], 1)]
        yield from (f"        {box}" for box in boxes)
        yield f"        {' --> '.join(f'{title}{number}' for number in range(1, len(boxes) + 1))}"
        yield "    end"


def picture() -> str:
    """The diagram as a code block of Markdown."""
    return "\n".join(["```mermaid", *lines(), "```"])


if __name__ == "__main__":
    print(picture())

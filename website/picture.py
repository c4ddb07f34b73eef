"""Mermaid diagrams of layers -> HTML: boxes with arrows between them, without Mermaid's script of three megabytes."""

from __future__ import annotations

import re
from html import escape

_DIAGRAM = re.compile(r"^```mermaid\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
_PART = re.compile(r'subgraph \w+\["(.+)"\]')
_BOX = re.compile(r'\w+\["(.+)"\]')
_ARROWS = re.compile(r"\w+( --> \w+)*")


def with_pictures(text: str) -> str:
    """The Markdown with each Mermaid diagram as HTML. Raises ValueError for a diagram of another kind."""
    return _DIAGRAM.sub(lambda match: _figure(match[1]), text)


def _figure(diagram: str) -> str:
    first, *lines = [line.strip() for line in diagram.splitlines()]
    if first != "flowchart TB":
        raise ValueError(f"the diagram {first} is not one of layers: website/picture.py draws only `flowchart TB`")
    html = ['<div class="layers">']
    for line in lines:
        if part := _PART.fullmatch(line):
            html.append(f"<div><p><strong>{escape(part[1])}</strong></p><ol>")
        elif line == "end":
            html.append("</ol></div>")
        elif box := _BOX.fullmatch(line):
            html.append(f"<li>{escape(box[1])}</li>")
        elif not _ARROWS.fullmatch(line):
            raise ValueError(f"the line {line} is none of a diagram of layers")
    return "\n".join([*html, "</div>\n"])

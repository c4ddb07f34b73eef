"""Add an item to a list in the text of a YAML or JSON document, and change no other character."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

import yaml

_INDENT: Final = 2


def append_item(text: str, key: str, item: Mapping[str, str]) -> str | None:
    """Return the text with one more item at the end of the list at `key` of the root; None if there is no such list.

    The item gets the layout of the list: one line for each of its entries in a block list, otherwise JSON.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError):
        return None
    values = root.value if isinstance(root, yaml.MappingNode) else []
    lists = [value for name, value in values if name.value == key and isinstance(value, yaml.SequenceNode)]
    if len(lists) != 1 or not lists[0].value:
        return None
    return _into_flow(text, lists[0], item) if lists[0].flow_style else _into_block(text, lists[0], item)


def _into_flow(text: str, node: yaml.SequenceNode, item: Mapping[str, str]) -> str:
    """Add the item before the closing bracket, as `[...]` in YAML or JSON has it."""
    last = node.value[-1]
    end = last.end_mark.index
    has_lines = last.start_mark.line != node.start_mark.line
    if not has_lines:
        return f"{text[:end]}, {json.dumps(item, ensure_ascii=False)}{text[end:]}"
    margin = "\n" + " " * last.start_mark.column
    is_wide = last.start_mark.line != last.end_mark.line
    written = json.dumps(item, ensure_ascii=False, indent=_indent(text, last) if is_wide else None)
    return f"{text[:end]},{margin}{written.replace(chr(10), margin)}{text[end:]}"


def _indent(text: str, node: yaml.Node) -> int:
    """Return by how many columns the lines of a node are indented."""
    lines = text.splitlines()
    first = lines[node.start_mark.line + 1]
    return max(len(first) - len(first.lstrip(" ")) - node.start_mark.column, _INDENT)


def _into_block(text: str, node: yaml.SequenceNode, item: Mapping[str, str]) -> str:
    """Add the item after the last line of the list, with `- ` in the column of the other items."""
    margin = " " * node.start_mark.column
    lines = [f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in item.items()]
    added = f"{margin}- " + f"\n{margin}  ".join(lines)
    end = _last_index(node)
    line_end = text.find("\n", end)
    if line_end < 0:
        return f"{text}\n{added}\n"
    return f"{text[: line_end + 1]}{added}\n{text[line_end + 1 :]}"


def _last_index(node: yaml.Node) -> int:
    """Return the index after the last character of a node. The end of a block includes the comments after it."""
    while isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        node = last[1] if isinstance(last, tuple) else last
    return int(node.end_mark.index)

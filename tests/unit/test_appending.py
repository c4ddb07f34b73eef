"""Add an item to a list of a YAML or JSON text: nothing else changes, comments and layout stay."""

from __future__ import annotations

import json

import pytest
import yaml

from dsops.document import append_item

ITEM = {"Effect": "Allow", "Resource": "a: # 'b\" é"}
BLOCK = """\
# A policy
Version: "2012-10-17"
Statement:  # the list
  - Sid: One
    Effect: Allow   # why

  - {Effect: Deny, Action: "*"}  # no more

  # the end
Other: 1
"""
WIDE = """{
    "Statement": [
        {
            "Effect": "Allow"
        }
    ],
    "Version": "2012-10-17"
}
"""


def test_an_item_of_a_block_list() -> None:
    """The item gets lines of its own after the last item, before comments that follow."""
    added = '  - Effect: "Allow"\n    Resource: "a: # \'b\\" é"\n'

    assert append_item(BLOCK, "Statement", ITEM) == BLOCK.replace("# no more\n", f"# no more\n{added}")


def test_an_item_of_formatted_json() -> None:
    """The item is indented as the other items are."""
    added = ',\n        {\n            "Effect": "Allow",\n            "Resource": "a: # \'b\\" é"\n        }'

    assert append_item(WIDE, "Statement", ITEM) == WIDE.replace('"Allow"\n        }', f'"Allow"\n        }}{added}')


@pytest.mark.parametrize(
    "text",
    [
        BLOCK,
        WIDE,
        "Statement:\n- Effect: Allow\n  Action: |\n    text\n    more\n",
        "Statement:\n- Effect: Allow\n  Action:\n  - a\n  -   b # c",
        "Statement: [{a: 1}, {b: 2}] # end",
        "Statement: [\n  {a: 1}, # first\n  {b: 2} # second\n]\n",
        '{"Statement":[{"a":1}]}',
        '{"Statement":[\n{"a":1}\n,{"b":2}]}',
        "Statement:\r\n  - a: 1\r\n",
    ],
)
def test_the_list_has_one_more_item(text: str) -> None:
    """The new text is the old document with one more item at the end."""
    before = yaml.safe_load(text)
    after = append_item(text, "Statement", ITEM)

    assert after is not None
    assert yaml.safe_load(after) == before | {"Statement": [*before["Statement"], ITEM]}
    assert text.startswith("{") is _is_json(after)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(
    "text",
    ["", "[]", "a", "Other: 1", "Statement: []", "Statement: {a: 1}", "Statement:\n  a: 1", "{", "a: [" * 3000, "? {}"],
)
def test_a_text_without_such_a_list(text: str) -> None:
    """Without a list at this key that has items, there is no new text."""
    assert append_item(text, "Statement", ITEM) is None

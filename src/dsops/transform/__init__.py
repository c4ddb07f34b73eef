r"""What happens to a value between its store and its variable; pure.

    trim                     without white space at both ends
    base64_encode            standard alphabet, padded
    base64_decode            either alphabet, padded or not, white space ignored
    json_extract:PATH        one field of a JSON value
    yaml_extract:PATH        one field of a YAML value
    replace:FROM:TO          every FROM becomes TO
    join:SEPARATOR           the items of a JSON list, or of a text's own lines or separators, joined anew
    multiline_to_single      each line break becomes the two characters `\n`

Written as one text, a chain (`trim | json_extract:.password`), or a list.
In a text, `|` separates steps, and so does `,` where a step's name follows; right after a `:` either is the
argument itself (`join:,`), and an argument in quotes may hold anything (`join:", "`).
In a list each item is one step and its argument is taken literally: `"join:, "`,
`{replace: {from: ":", to: ";"}}`, `{type: json_extract, path: .password}`.
"""

from __future__ import annotations

from dsops.transform.apply import apply
from dsops.transform.extract import extract, parse_path
from dsops.transform.parse import STEPS, describe, parse_transforms

__all__ = ["STEPS", "apply", "describe", "extract", "parse_path", "parse_transforms"]

r"""Transforms: what is done to a secret's value before it becomes a variable's value; pure.

A written transform and a secret come in; the changed secret goes out. Imported by `config`, `resolve`, `seed` and
`stores`.

    trim                     removes white space at both ends
    base64_encode            encodes: standard alphabet, padded
    base64_decode            decodes: either alphabet, padded or not, white space ignored
    json_extract:PATH        one field of a JSON value
    yaml_extract:PATH        one field of a YAML value
    replace:FROM:TO          replaces every FROM by TO
    join:SEPARATOR           joins the items of a JSON list, of lines, or of a text with other separators
    multiline_to_single      replaces each line break by the two characters `\n`

A `transform` is one text, a chain (`trim | json_extract:.password`), or a list.
In a text, `|` separates steps, and so does `,` before a step's name; directly after a `:` either is the
argument itself (`join:,`), and an argument in quotes may contain anything (`join:", "`).
In a list each item is one step, and its argument is taken literally: `"join:, "`,
`{replace: {from: ":", to: ";"}}`, `{type: json_extract, path: .password}`.
"""

from __future__ import annotations

from dsops.transform.apply import apply
from dsops.transform.extract import extract, parse_path
from dsops.transform.parse import STEPS, describe, parse_transforms

__all__ = ["STEPS", "apply", "describe", "extract", "parse_path", "parse_transforms"]

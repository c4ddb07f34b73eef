r"""Transforms: the steps that change a secret's value before it becomes a variable's value; pure.

The input is a transform as written and a secret; the output is the changed secret. Imported by `config`,
`resolve`, `seed` and `stores`.

    trim                     removes white space at both ends
    base64_encode            encodes: standard alphabet, padded
    base64_decode            decodes: either alphabet, padded or not, white space ignored
    json_extract:PATH        one field of a JSON value
    yaml_extract:PATH        one field of a YAML value
    replace:FROM:TO          replaces every FROM by TO
    join:SEPARATOR           joins the items of a JSON list, of lines, or of a text with other separators
    multiline_to_single      replaces each line break by the two characters `\n`

A `transform` is one text, a chain (`trim | json_extract:.password`), or a list.
In a text, `|` separates steps, and so does `,` before a step's name. Directly after a `:`, these characters are
the argument (`join:,`). An argument in quotes may contain anything (`join:", "`).
In a list each item is one step, and quotes or separators in its argument have no special meaning: `"join:, "`,
`{replace: {from: ":", to: ";"}}`, `{type: json_extract, path: .password}`.
"""

from __future__ import annotations

from dsops.transform.apply import apply
from dsops.transform.extract import extract, parse_path
from dsops.transform.parse import STEPS, describe, parse_transforms

__all__ = ["STEPS", "apply", "describe", "extract", "parse_path", "parse_transforms"]

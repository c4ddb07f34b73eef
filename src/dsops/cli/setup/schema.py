"""`dsops schema`: print the JSON Schema of dsops.yaml, or of a node's file."""

from __future__ import annotations

import json

from dsops.cli.framework.command import Arguments, Command, Flag
from dsops.cli.framework.output import answer
from dsops.runtime import Runtime


def _run(arguments: Arguments, _runtime: Runtime) -> int:
    if arguments.switch("--for-node"):
        from dsops.node.json_schema import node_schema

        schema = node_schema()
    else:
        from dsops.config.json_schema import json_schema
        from dsops.stores import StoreTypes

        schema = json_schema(StoreTypes())
    answer(json.dumps(schema, indent=2, ensure_ascii=False))
    return 0


COMMAND = Command(
    help=(
        "Print the JSON Schema of dsops.yaml, or of the file of `dsops node`. Editors use it for\n"
        "completion and inline documentation.\n"
        "\n"
        "  dsops schema > dsops.schema.json\n"
        "  # yaml-language-server: $schema=dsops.schema.json      (the first line of dsops.yaml)"
    ),
    run=_run,
    flags=(Flag("--for-node", "the schema of the file of `dsops node`", "switch"),),
)

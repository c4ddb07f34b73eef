"""`dsops schema`: print the JSON Schema of dsops.yaml."""

from __future__ import annotations

import json

from dsops.cli.framework.command import Arguments, Command
from dsops.cli.framework.output import answer
from dsops.config.json_schema import json_schema
from dsops.runtime import Runtime
from dsops.stores import StoreTypes


def _run(_arguments: Arguments, _runtime: Runtime) -> int:
    answer(json.dumps(json_schema(StoreTypes()), indent=2, ensure_ascii=False))
    return 0


COMMAND = Command(
    help=(
        "Print the JSON Schema of dsops.yaml. Editors use it for completion and inline documentation.\n"
        "\n"
        "  dsops schema > dsops.schema.json\n"
        "  # yaml-language-server: $schema=dsops.schema.json      (the first line of dsops.yaml)"
    ),
    run=_run,
)

"""`dsops access`: who can reach what in an organization."""

from __future__ import annotations

from dsops.cli.access.collect import COLLECT
from dsops.cli.access.diff import DIFF
from dsops.cli.access.escalations import ESCALATIONS
from dsops.cli.access.graph import GRAPH
from dsops.cli.access.outside import EXTERNAL, PUBLIC
from dsops.cli.access.unused import UNUSED
from dsops.cli.access.what_can import PATH, WHAT_CAN
from dsops.cli.access.who_can import WHO_CAN
from dsops.cli.framework.command import Group

COMMAND = Group(
    help=(
        "Answer questions about permissions in a whole organization: who can reach what, and how.\n"
        "The answers come from files with accounts and policies, such as those that `collect` writes. The\n"
        "policy engine evaluates them: for each access in an answer, it found a request that is allowed."
    ),
    commands={
        "collect": COLLECT,
        "who-can": WHO_CAN,
        "what-can": WHAT_CAN,
        "path": PATH,
        "public": PUBLIC,
        "external": EXTERNAL,
        "escalations": ESCALATIONS,
        "diff": DIFF,
        "graph": GRAPH,
        "unused": UNUSED,
    },
)

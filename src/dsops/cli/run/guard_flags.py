"""The flags of `dsops exec` for its guard."""

from __future__ import annotations

from dsops.cli.framework.command import Arguments, Flag
from dsops.errors import UsageError

GUARD, RECORD, ASK, ISOLATE = "--guard", "--record", "--ask", "--isolate"
VARIABLES, CERTIFICATES = "guard.env", "guard.pem"
"""The files for the clients of `dsops guard serve`."""
UNIX = "unix:"
"""The beginning of `--listen` for the path of a Unix socket."""
_ONLY_GUARDED = ("--network", "--regions", "--budget", "--until", ASK, ISOLATE)
GUARD_FLAGS = (
    Flag(
        GUARD,
        "send the command's AWS requests through a guard that allows only what this policy allows: a file with an IAM"
        " policy, `read-only`, or `auto` (what the environment reads)",
        value="POLICY",
        is_repeatable=True,
    ),
    Flag(RECORD, "record the AWS actions that the command calls, with their resources, in this file", value="FILE"),
    Flag(
        "--network",
        "other hosts that a guarded command may reach: their names, separated by commas, or `all` (default: none)",
        value="HOSTS",
    ),
    Flag("--regions", "the regions to which a guarded command may send requests, separated by commas", value="REGIONS"),
    Flag(
        "--budget", "the maximum number of requests that a guarded command may send to AWS", "integer", value="NUMBER"
    ),
    Flag("--until", "refuse a guarded command's requests after this time", "seconds", value="SECONDS"),
    Flag(ASK, "ask on the terminal about requests that the policies neither allow nor deny", "switch"),
    Flag(ISOLATE, "let a guarded command connect only to the guard, and hide files with credentials from it", "switch"),
)


def is_guarded(arguments: Arguments) -> bool:
    """Whether the command's requests go through the guard. Raises UsageError for flags that need the guard."""
    if not arguments.has(GUARD):
        return False
    if arguments.texts(GUARD) or arguments.text(RECORD):
        return True
    for flag in _ONLY_GUARDED:
        if arguments.text(flag):
            raise UsageError(f"`{flag}` needs a guard", hint=f"name a policy: --guard POLICY {flag}")
    return False

"""Read the facts that `--from` names."""

from __future__ import annotations

from dsops.access.facts.files import read_facts
from dsops.access.facts.world import OrganizationFacts, merge_worlds
from dsops.access.questions.assuming import Assumptions
from dsops.access.questions.evaluator import Evaluator
from dsops.cli.framework.command import Arguments, Flag
from dsops.cli.framework.process_runtime import DONE
from dsops.errors import UsageError
from dsops.pipeline.policy_file import read_policy
from dsops.runtime import PartCount, Runtime
from dsops.text import counted

FROM = Flag(
    "--from",
    "a sandbox's seed, a dump of get-account-authorization-details, a template, or `terraform show -json`",
    value="FILE",
    own_variable="DSOPS_ACCESS_FROM",
    is_repeatable=True,
)


def load_world(arguments: Arguments, runtime: Runtime) -> OrganizationFacts:
    """Return the facts of all files that `--from` names. Raises UsageError without one."""
    names = arguments.texts("--from")
    if not names:
        error = UsageError("no facts are named", hint="name a file with `--from FILE`")
        error.missing = "--from"
        raise error
    worlds = []
    parts = PartCount(runtime.report, "checks.made", counted(len(names), "file"), len(names))
    for name in dict.fromkeys(names):
        text = read_policy(name, runtime)
        worlds.append(read_facts(text, name, lambda file: read_policy(file, runtime)))
        parts.add()
    runtime.report(DONE)
    return merge_worlds(worlds)


def questions_of(world: OrganizationFacts, runtime: Runtime) -> tuple[Evaluator, Assumptions]:
    """Return what answers questions about the world at the present time."""
    evaluator = Evaluator(world, runtime.now())
    return evaluator, Assumptions(evaluator)

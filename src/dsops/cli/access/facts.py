"""Read the facts that `--from` names, or those of the last `dsops access collect`."""

from __future__ import annotations

import os
from collections.abc import Sequence

from dsops.access.facts.cdk_folder import is_cdk_folder, read_cdk_folder
from dsops.access.facts.files import read_facts
from dsops.access.facts.folder import read_folder
from dsops.access.facts.last_collected import collected_at, last_collected
from dsops.access.facts.memory import without_collection
from dsops.access.facts.world import OrganizationFacts, merge_worlds
from dsops.access.questions.assuming import Assumptions
from dsops.access.questions.evaluator import Evaluator
from dsops.cli.framework.command import Arguments, Flag
from dsops.cli.framework.output import note
from dsops.cli.framework.process_runtime import DONE
from dsops.errors import UsageError
from dsops.pipeline.policy_file import read_policy
from dsops.runtime import PartCount, Runtime
from dsops.text import clean, counted
from dsops.user_folders import shown_path

FROM = Flag(
    "--from",
    "read accounts and policies from this folder (of `access collect`, by default the last one, of iam-collect or of"
    " `cdk synth`) or file (IAM account details, a sandbox seed, a template); may be repeated",
    value="FILE",
    own_variable="DSOPS_ACCESS_FROM",
    is_repeatable=True,
)


def load_world(arguments: Arguments, runtime: Runtime) -> OrganizationFacts:
    """Return the facts of all files and folders that `--from` names. Raises UsageError if there are none."""
    names = arguments.texts("--from") or _last(runtime)
    return merge_worlds(load_worlds(tuple(dict.fromkeys(names)), runtime))


def load_worlds(names: Sequence[str], runtime: Runtime) -> list[OrganizationFacts]:
    """Return the facts of each file or folder."""
    worlds = []
    parts = PartCount(runtime.report, "checks.made", counted(len(names), "file"), len(names))
    with without_collection():
        for name in names:
            worlds.append(_read(name, runtime))
            parts.add()
    runtime.report(DONE)
    return worlds


def _last(runtime: Runtime) -> tuple[str, ...]:
    """Return the folder of the last collection, and tell its age. Raises UsageError if there is none."""
    folder = last_collected(runtime.environ)
    if folder is None:
        hint = "collect them with `dsops access collect`, or name a file or folder with `--from`"
        why = "`--from` is missing, and `dsops access collect` has not collected any yet"
        error = UsageError("there are no accounts and policies to evaluate", why=why, hint=hint)
        error.missing = "--from"
        raise error
    when = collected_at(folder)
    of_when = f"collected at {when}" if when else "which were not collected completely"
    note(f"using the facts in {clean(shown_path(folder, runtime.environ))}, {clean(of_when)}")
    return (folder,)


def _read(name: str, runtime: Runtime) -> OrganizationFacts:
    path = os.path.join(runtime.folder, name)
    if os.path.isdir(path):
        return read_cdk_folder(path) if is_cdk_folder(path) else read_folder(path)
    return read_facts(read_policy(name, runtime), name, lambda file: read_policy(file, runtime))


def questions_of(world: OrganizationFacts, runtime: Runtime) -> tuple[Evaluator, Assumptions]:
    """Return what answers questions about the world at the present time."""
    evaluator = Evaluator(world, runtime.now())
    return evaluator, Assumptions(evaluator)

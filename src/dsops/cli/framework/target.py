"""The operand NAME of `exec` and `shell`, and the configuration that a command line with NAME uses."""

from __future__ import annotations

from dsops.cli.framework.command import CONFIG, ENVIRONMENT, Arguments, Operand
from dsops.cli.framework.project import permitted, show_notes
from dsops.model import Config
from dsops.pipeline.target import RunTarget, read_target_config, resolve_target
from dsops.runtime import Runtime

CREDENTIALS = "--credentials"
NAME = Operand(
    "NAME",
    "an environment, whose variables the command gets, or a store or AWS profile, whose session it gets",
    is_required=False,
)


def target_in(arguments: Arguments) -> RunTarget:
    """Return what the arguments name."""
    return RunTarget(arguments.operand(NAME.name), arguments.text(ENVIRONMENT.name), arguments.text(CREDENTIALS))


def load_target(arguments: Arguments, runtime: Runtime) -> tuple[RunTarget, Config]:
    """Load the configuration, and return the resolved target of the arguments with it; shows notes on stderr.

    Raises NotAllowed, and UsageError if NAME is neither an environment nor a store, or both.
    """
    named = target_in(arguments)
    config = read_target_config(named, runtime, arguments.text(CONFIG.name))
    show_notes(config.notes)
    target, config = resolve_target(named, config, runtime)
    return target, permitted(config, runtime)

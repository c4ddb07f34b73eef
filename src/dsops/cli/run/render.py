"""`dsops render`: write the variables of an environment to stdout or a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dsops.cli.framework.command import CONFIG, ENVIRONMENT, NO_AGENT, REASON, Arguments, Command, Flag
from dsops.cli.framework.output import answer_bytes, note
from dsops.cli.framework.process_runtime import DONE
from dsops.cli.framework.project import fetch, load_config, plan_environment, request_of
from dsops.errors import ValueUnusable
from dsops.pipeline.plans import add_place
from dsops.plan import Plan
from dsops.render import FORMATS, KEY_FORMATS, format_of, renderer
from dsops.render.file import write_private
from dsops.runtime import Runtime
from dsops.secret import Secret
from dsops.startup import TYPE_CHECKING

if TYPE_CHECKING:
    from dsops.agent.command_lines import AnswerLine

STDOUT = "-"
_FORMAT = "dotenv"
"""The format for stdout if the command line names none."""


def _run(arguments: Arguments, runtime: Runtime) -> int:
    out = arguments.text("--out") or STDOUT
    # The format is checked first: no call is made for an unknown format.
    format_name = arguments.text("--format") or (_FORMAT if out == STDOUT else format_of(out))
    step_file = ""
    if format_name == "github":
        from dsops.cli.run.github import require_step

        step_file = require_step(arguments.text("--out"), runtime)
    config = load_config(arguments, runtime)
    plan = plan_environment(config, arguments, runtime)
    values = fetch(plan, arguments, runtime)
    text = _text(format_name, out, values, plan, note)
    runtime.report(DONE)
    if step_file:
        from dsops.cli.run.exec_mask import secrets_to_mask
        from dsops.cli.run.github import export

        export(text, secrets_to_mask(plan, values, None), step_file)
    elif out == STDOUT:
        answer_bytes(text)
    else:
        write_private(out, text)
    return 0


def _line(arguments: Arguments) -> AnswerLine | None:
    format_name = arguments.text("--format") or _FORMAT
    if arguments.text("--out") not in {"", STDOUT} or format_name == "github":
        return None
    from dsops.agent.command_lines import RenderLine

    return RenderLine(request_of(arguments), lambda values, plan, tell: _text(format_name, STDOUT, values, plan, tell))


def _text(format_name: str, out: str, values: Mapping[str, Secret], plan: Plan, tell: Callable[[str], None]) -> bytes:
    """Return the variables in that format; other profiles in an `ini` file are kept. Raises ValueUnusable."""
    try:
        if format_name in KEY_FORMATS:
            return _text_of_keys(format_name, out, values, plan.environment, tell)
        return renderer(format_name)(values)
    except ValueUnusable as error:
        add_place(error, plan)
        raise


def _text_of_keys(
    format_name: str, out: str, values: Mapping[str, Secret], environment: str, tell: Callable[[str], None]
) -> bytes:
    from dsops.render.keys import keys_of, process

    keys = keys_of(values, format_name)
    left_out = [f"`{name}`" for name in values if name not in keys]
    if left_out:
        tell(f"{format_name} contains only AWS credentials: {', '.join(left_out)} left out")
    if format_name == "process":
        return process(keys)
    from dsops.render.profile import put, section

    if out == STDOUT:
        return section(environment, keys).encode()
    from dsops.cli.run.credentials import old_text

    return put(old_text(out), environment, keys).encode()


_HELP = {**{name: known.help for name, known in FORMATS.items()}, **KEY_FORMATS}
_FORMATS = "\n".join(f"  {name:<12}{text}" for name, text in _HELP.items())
_ENDINGS = ", ".join(f"`{known.endings[0]}`" for known in FORMATS.values() if known.endings)

COMMAND = Command(
    help=(
        f"Write the variables of an environment in one of these formats:\n\n{_FORMATS}\n\n"
        "With --out, the file is written atomically with mode 0600, and its ending sets the format:\n"
        f"{_ENDINGS}.\n"
        "Other profiles in an `ini` file are kept. `github` takes no --out: it prints the commands that\n"
        "make the runner mask the secrets, then adds the variables to the file in $GITHUB_ENV."
    ),
    run=_run,
    answered=_line,
    is_audited=True,
    flags=(
        CONFIG,
        ENVIRONMENT,
        NO_AGENT,
        REASON,
        Flag(
            "--format",
            "the output format (default: by the ending of the file name; dotenv on stdout)",
            value="FORMAT",
            choices=tuple(_HELP),
            own_variable="DSOPS_RENDER_FORMAT",
        ),
        Flag("--out", "write to this file instead of stdout", value="FILE"),
    ),
)

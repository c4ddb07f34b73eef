"""`dsops help`: explain commands, error codes and codes of findings, and print manual pages."""

from __future__ import annotations

from collections.abc import Iterable
from textwrap import fill

from dsops.cli.framework.command import Arguments, Command, Flag, Operand
from dsops.cli.framework.commands import COMMANDS, load
from dsops.cli.framework.help import show_command, show_group, show_overview
from dsops.cli.framework.output import answer
from dsops.cli.framework.screen import text_width
from dsops.errors import DsopsError, UsageError, nearest
from dsops.runtime import Runtime


def _run(arguments: Arguments, _runtime: Runtime) -> int:
    topic = arguments.words("TOPIC")
    if arguments.switch("--man"):
        from dsops.cli.look.man import page

        answer(page(topic))
        return 0
    if not topic:
        return show_overview(is_asked=True)
    explained = _explain_code(topic[0])
    if explained:
        answer(explained)
        return 0
    if topic[0] not in COMMANDS and "." in topic[0]:
        from dsops.doctor.examination import CODES
        from dsops.policy import RULES

        codes = sorted({*(error.code for error in _errors(DsopsError)), *(rule.code for rule in RULES), *CODES})
        meant = nearest(topic[0], codes)
        alike = [code for code in codes if code.startswith(f"{topic[0].partition('.')[0]}.")]
        listed = f"there are {', '.join(alike)}" if alike else f"they begin with {', '.join(_families(codes))}"
        hint = f"did you mean `{meant}`?" if meant else listed
        raise UsageError(f"there is no error or finding with the code `{topic[0]}`", hint=hint)
    command = load(topic[0])
    if isinstance(command, Command):
        return show_command(topic[0], command)
    if len(topic) > 1 and topic[1] in command.commands:
        return show_command(" ".join(topic[:2]), command.commands[topic[1]])
    return show_group(topic[0], command, is_asked=True)


def _families(codes: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(f"{code.partition('.')[0]}." for code in codes))


def _explain_code(code: str) -> str:
    for error in _errors(DsopsError):
        if error.code == code:
            return "\n".join([f"{code} (exit code {error.exit_code})", error.__doc__ or "", *_cause_lines(code)])
    return (_explain_finding(code) or _explain_check(code)) if "." in code else ""


def _cause_lines(code: str) -> list[str]:
    """Return the known causes of an error, each with its remedy."""
    from dsops.cli.framework.causes import CAUSES

    lines, width = [], text_width(1)
    for what, remedy in CAUSES.get(code, ()):
        lines.append(fill(f"{what}:", width, initial_indent="- ", subsequent_indent="  "))
        lines.append(fill(remedy, width, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False))
    return ["", *lines] if lines else []


def _explain_finding(code: str) -> str:
    from dsops.policy import RULES

    rule = next((rule for rule in RULES if rule.code == code), None)
    if rule is None:
        return ""
    texts = (rule.why, f"cure: {rule.cure}", f"source: {rule.source}")
    return "\n".join([f"{code} ({rule.severity}): {rule.what}", *(fill(text, text_width(1)) for text in texts)])


def _explain_check(code: str) -> str:
    from dsops.doctor.examination import CODES

    return f"{code}, a check of `dsops doctor`, is ok when\n{CODES[code]}" if code in CODES else ""


def _errors(root: type[DsopsError]) -> list[type[DsopsError]]:
    return [root, *(error for child in root.__subclasses__() for error in _errors(child))]


COMMAND = Command(
    help=(
        "Explain a command (`dsops help exec`), an error code (`dsops help sts.access-denied`), or the code\n"
        "of a finding of `dsops policy check` (`dsops help oidc.no-tenant`)."
    ),
    run=_run,
    flags=(
        Flag(
            "--man",
            "print the manual page in troff, with the environment variable of each flag: `dsops help --man exec |"
            " man -l -`",
            "switch",
            own_variable="DSOPS_HELP_MAN",
        ),
    ),
    operands=(
        Operand("TOPIC", "a command, or the code of an error or finding", is_required=False, is_repeatable=True),
    ),
)

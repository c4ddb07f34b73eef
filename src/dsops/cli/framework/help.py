"""Generates the text of `--help` and `dsops help` from the declared commands and flags."""

from __future__ import annotations

from textwrap import fill

from dsops.cli.framework.command import COMMON, Arguments, Command, Flag, Group, Operand
from dsops.cli.framework.commands import COMMANDS, load
from dsops.cli.framework.output import answer, tell
from dsops.errors import DsopsError, UsageError, nearest
from dsops.runtime import Runtime

_WIDTH = 100
_INDENT = 26


def show_overview(*, is_asked: bool) -> int:
    """Show the overview of commands: on stdout for --help, on stderr for an empty command line."""
    lines = ["usage: dsops COMMAND [FLAGS] ...", "", "commands:"]
    lines.extend(_entry(name, entry.summary) for name, entry in COMMANDS.items() if entry.summary)
    lines.extend(["", "`dsops COMMAND --help` shows the help of a command; `dsops --version` prints the version"])
    return _show("\n".join(lines), is_asked=is_asked)


def show_group(name: str, group: Group, *, is_asked: bool) -> int:
    """Show the help of a group: its commands, and its default command."""
    member = "[COMMAND]" if group.default else "COMMAND"
    lines = [f"usage: dsops {name} {member} [FLAGS] ...", "", group.help, "", "commands:"]
    lines.extend(_entry(member, summary_of(command)) for member, command in group.commands.items())
    if group.default:
        lines.extend(["", f"`dsops {name}` is `dsops {name} {group.default}`:"])
        lines.extend(_details(group.commands[group.default]))
    return _show("\n".join(lines), is_asked=is_asked)


def show_command(name: str, command: Command) -> int:
    """Show the help of one command."""
    return _show(command_text(name, command), is_asked=True)


def command_text(name: str, command: Command) -> str:
    """The help of a command: usage, description, operands, and flags with their variables."""
    return "\n".join([f"usage: {usage(name, command)}", "", command.help, *_details(command)])


def _details(command: Command) -> list[str]:
    """The help lines of operands and flags."""
    lines = []
    if command.operands:
        lines.extend(["", "operands:", *(_entry(operand.name, operand.help) for operand in command.operands)])
    lines.extend(["", "flags (each can also be set by the variable in brackets):"])
    lines.extend(_entry(_spelling(flag), flag_help(flag)) for flag in command.flags + COMMON)
    return lines


def summary_of(command: Command) -> str:
    """The first line of a command's help."""
    return command.help.split("\n", 1)[0]


def usage(name: str, command: Command) -> str:
    """The usage line: `dsops exec [FLAGS] -- PROGRAM [ARGUMENTS]`."""
    parts = ["dsops", name, "[FLAGS]", *(_operand(operand) for operand in command.operands)]
    if command.takes_command:
        parts.extend(["--", "PROGRAM", "[ARGUMENTS]"])
    return " ".join(parts)


def flag_help(flag: Flag) -> str:
    """The flag's help with its choices, default and variable."""
    parts = [flag.help]
    if flag.choices:
        parts.append(f": {', '.join(flag.choices)}")
    if flag.default:
        parts.append(f" (default {flag.default})")
    return f"{''.join(parts)} [{flag.variable}]"


def _operand(operand: Operand) -> str:
    text = f"{operand.name}..." if operand.is_repeatable else operand.name
    return text if operand.is_required else f"[{text}]"


def _spelling(flag: Flag) -> str:
    value = "" if flag.kind == "switch" else f" {flag.value or 'VALUE'}"
    return f"{flag.short + ', ' if flag.short else ''}{flag.name}{value}"


def _entry(name: str, text: str) -> str:
    start = f"  {name:<{_INDENT - 4}}  "
    return fill(text, _WIDTH, initial_indent=start, subsequent_indent=" " * _INDENT, break_on_hyphens=False)


def _show(text: str, *, is_asked: bool) -> int:
    if is_asked:
        answer(text)
        return 0
    tell(text)
    return UsageError.exit_code


def _run(arguments: Arguments, _runtime: Runtime) -> int:
    topic = arguments.words("TOPIC")
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
        hint = f"did you mean `{meant}`?" if meant else "it stands in brackets: `error[config.invalid]`"
        raise UsageError(f"there is no error or finding with the code `{topic[0]}`", hint=hint)
    command = load(topic[0])
    if isinstance(command, Command):
        return show_command(topic[0], command)
    if len(topic) > 1 and topic[1] in command.commands:
        return show_command(" ".join(topic[:2]), command.commands[topic[1]])
    return show_group(topic[0], command, is_asked=True)


def _explain_code(code: str) -> str:
    for error in _errors(DsopsError):
        if error.code == code:
            return "\n".join([f"{code} (exit code {error.exit_code})", error.__doc__ or "", *_cause_lines(code)])
    return (_explain_finding(code) or _explain_check(code)) if "." in code else ""


def _cause_lines(code: str) -> list[str]:
    """The known causes of an error, each with its remedy."""
    from dsops.cli.framework.causes import CAUSES

    lines = []
    for what, remedy in CAUSES.get(code, ()):
        lines.append(fill(f"{what}:", _WIDTH, initial_indent="- ", subsequent_indent="  "))
        lines.append(fill(remedy, _WIDTH, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False))
    return ["", *lines] if lines else []


def _explain_finding(code: str) -> str:
    from dsops.policy import RULES

    rule = next((rule for rule in RULES if rule.code == code), None)
    if rule is None:
        return ""
    texts = (rule.why, f"cure: {rule.cure}", f"source: {rule.source}")
    return "\n".join([f"{code} ({rule.severity}): {rule.what}", *(fill(text, _WIDTH) for text in texts)])


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
    operands=(
        Operand("TOPIC", "a command, or the code of an error or finding", is_required=False, is_repeatable=True),
    ),
)

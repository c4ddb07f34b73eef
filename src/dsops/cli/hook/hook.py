"""`dsops hook`: print the hook for a shell, and allow or forbid it to load a folder's environment."""

from __future__ import annotations

import sys

from dsops.cli.framework.command import Arguments, Command, Group, Operand
from dsops.cli.framework.output import Json, answer_bytes, answer_json, answer_sentence
from dsops.cli.framework.permission import power_lines
from dsops.cli.hook.load import HOOK_ENVIRONMENT, one_line, planned, variables_of
from dsops.config import HOOKED
from dsops.config.allow import allow, disallow
from dsops.config.capabilities import powers_of
from dsops.errors import ConfigError, DsopsError
from dsops.hook.loading import hook_code, load_found
from dsops.hook.prompt import PROMPTS
from dsops.model import Config
from dsops.process.dsops_command import own_program
from dsops.runtime import Runtime
from dsops.stores import StoreTypes

_ABOUT = "Print the hook for {shell}.\n\nTo use it in every shell, add this to {file}:\n\n  {line}\n\n"
_WHAT = (
    "Allow a folder's dsops.yaml with `dsops hook allow`. The shell then sets the variables of its\n"
    "environment when you enter the folder or a folder below it, and restores the previous values when\n"
    "you leave. While they are set, every program that the shell starts can read the secrets;\n"
    "`dsops exec` gives them to one command only. DSOPS_HOOK=off switches the hook off in a shell."
)


def _print_code(shell: str) -> Command:
    file, line = {
        "bash": ("~/.bashrc", 'eval "$(dsops hook bash)"'),
        "zsh": ("~/.zshrc", 'eval "$(dsops hook zsh)"'),
        "fish": ("~/.config/fish/config.fish", "dsops hook fish | source"),
    }[shell]

    def run(_arguments: Arguments, _runtime: Runtime) -> int:
        answer_bytes(hook_code(shell, own_program(sys.argv[0], sys.executable)))
        return 0

    return Command(help=_ABOUT.format(shell=shell, file=file, line=line) + _WHAT, run=run)


def _print_prompt(arguments: Arguments, _runtime: Runtime) -> int:
    answer_bytes(PROMPTS[arguments.operand("SHELL")].lstrip().encode())
    return 0


def _allow(arguments: Arguments, runtime: Runtime) -> int:
    config = load_found(runtime)
    environment, names = variables_of(config, arguments)
    powers = powers_of(config, StoreTypes())
    lines = list(power_lines(config, powers, runtime, HOOKED))
    allow(config.files, runtime.environ, HOOKED, [power.line for power in powers])
    file = config.files[0].shown
    if arguments.switch("--json"):
        answer_json({"is_allowed": True, "environment": environment, "variables": list[Json](names)})
        return 0
    for line in lines:
        answer_sentence(line)
    answer_sentence(f"environment {environment} sets {', '.join(names) or 'nothing'}")
    answer_sentence(f"{file} may load it into a shell until the file changes")
    return 0


def _deny(arguments: Arguments, runtime: Runtime) -> int:
    config = load_found(runtime)
    was_allowed = disallow(config.files[0].written, runtime.environ, HOOKED)
    if arguments.switch("--json"):
        answer_json({"is_allowed": False, "environment": None, "variables": []})
        return 0
    text = "may not load anything into a shell any more" if was_allowed else "was not allowed to load anything"
    answer_sentence(f"{config.files[0].shown} {text}")
    return 0


def _status(arguments: Arguments, runtime: Runtime) -> int:
    config, problem = _found(runtime)
    file, environment, is_allowed = "", "", False
    names: list[str] = []
    if config is not None:
        file = config.files[0].shown
        is_allowed = config.is_allowed
        try:
            environment, names = variables_of(config, arguments)
            planned(config, arguments, runtime)
        except DsopsError as error:
            problem = one_line(error)
    loaded = runtime.environ.get("DSOPS_HOOK_VARS", "").split()
    if arguments.switch("--json"):
        answer_json(
            {
                "file": file or None,
                "is_allowed": is_allowed,
                "environment": environment or None,
                "variables": list[Json](names),
                "problem": problem or None,
                "loaded": list[Json](loaded),
            }
        )
        return 0
    rows = [
        ("file", file or "none here"),
        (
            "allowed",
            "yes, with its current content" if is_allowed else "no: `dsops hook allow` allows it" if file else "",
        ),
        ("environment", environment),
        ("variables", ", ".join(names)),
        ("problem", problem if file else ""),
        ("this shell", f"{', '.join(loaded)} loaded" if loaded else "no environment loaded"),
    ]
    for name, text in rows:
        if text:
            answer_sentence(f"{name:<12} {text}")
    return 0


def _found(runtime: Runtime) -> tuple[Config | None, str]:
    """Return the configuration of this folder; or None, and the reason why it can't be loaded."""
    try:
        return load_found(runtime), ""
    except ConfigError as error:
        return None, one_line(error)


COMMAND = Group(
    help=f"Load the environment of a folder into the shell that enters it.\n\n{_WHAT}",
    commands={
        "bash": _print_code("bash"),
        "zsh": _print_code("zsh"),
        "fish": _print_code("fish"),
        "prompt": Command(
            help=(
                "Print code that shows the active environment or store, and the minutes left, in the prompt.\n"
                "\n"
                '  eval "$(dsops hook prompt bash)"     at the end of ~/.bashrc\n'
                '  eval "$(dsops hook prompt zsh)"      at the end of ~/.zshrc\n'
                "  dsops hook prompt fish | source      at the end of ~/.config/fish/config.fish\n"
                "\n"
                "The prompt shows the name that `dsops shell` and `dsops exec` put into DSOPS_ACTIVE, in red and with\n"
                "a `!` for a store with `danger: true`. It starts no process."
            ),
            run=_print_prompt,
            operands=(Operand("SHELL", "bash, zsh or fish", choices=tuple(PROMPTS)),),
        ),
        "allow": Command(
            help=(
                "Allow the hook to load the environment of the dsops.yaml in this folder or above.\n"
                "\n"
                "Shows what the file can do, and asks for confirmation. After each change, allow the file again.\n"
                "`dsops allow` is a separate permission."
            ),
            run=_allow,
            flags=(HOOK_ENVIRONMENT,),
        ),
        "deny": Command(
            help=("Withdraw the permission that `dsops hook allow` gave to the dsops.yaml in this folder or above."),
            run=_deny,
        ),
        "status": Command(
            help=("Show what the hook would load here, whether it is allowed, and what this shell has loaded."),
            run=_status,
            flags=(HOOK_ENVIRONMENT,),
        ),
    },
)

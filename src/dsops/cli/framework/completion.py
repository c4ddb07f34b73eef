"""`dsops completion`: print a completion script for a shell, which calls `dsops complete` at each Tab.

The scripts only pass the words of the command line to `dsops complete`, which finds the completions: its commands, and
the names in a configuration. So the scripts need no change when a flag is added.
"""

from __future__ import annotations

from dsops.cli.framework.command import Arguments, Command, Operand
from dsops.cli.framework.output import answer_bytes
from dsops.runtime import Runtime

# Works with bash 3.2 of macOS, which has no `mapfile`. bash splits words at `=` and `:`, which `complete` handles.
BASH = r"""
_dsops() {
    local line found=()
    while IFS= read -r line; do
        found+=("${line%%$'\t'*}")
    done < <(dsops complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
    COMPREPLY=()
    case "${found[0]-}" in
        :files) compopt -o default 2>/dev/null ;;
        :command)
            if declare -F _command_offset >/dev/null; then
                _command_offset "${found[1]}"
            elif [ "$COMP_CWORD" -eq "${found[1]}" ]; then
                COMPREPLY=($(compgen -c -- "${COMP_WORDS[COMP_CWORD]}"))
            else
                compopt -o default 2>/dev/null
            fi ;;
        *) COMPREPLY=("${found[@]}") ;;
    esac
}
complete -F _dsops dsops
"""

ZSH = r"""
#compdef dsops
_dsops() {
    local -a lines found
    local line
    lines=("${(@f)$(dsops complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    case "${lines[1]}" in
        :files) _files; return ;;
        :command)
            shift "${lines[2]}" words
            (( CURRENT -= lines[2] ))
            _normal
            return ;;
    esac
    for line in "${lines[@]}"; do
        [[ -n "$line" ]] && found+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
    done
    _describe 'dsops' found
}
if [ "${funcstack[1]}" = _dsops ]; then _dsops "$@"; else compdef _dsops dsops; fi
"""

FISH = r"""
function __dsops_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l lines (dsops complete -- $words[2..-1] 2>/dev/null)
    switch "$lines[1]"
        case ':files'
            __fish_complete_path (commandline -ct)
        case ':command'
            __fish_complete_subcommand --fcs-skip=$lines[2]
        case '*'
            printf '%s\n' $lines
    end
end
complete -c dsops -f -a '(__dsops_complete)'
"""

SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}


def _run(arguments: Arguments, _runtime: Runtime) -> int:
    answer_bytes(SCRIPTS[arguments.operand("SHELL")].lstrip().encode())
    return 0


COMMAND = Command(
    help=(
        "Print a shell completion script for commands, flags, and the names of your environments, stores and\n"
        "variables.\n"
        "\n"
        '  bash:  eval "$(dsops completion bash)"             in ~/.bashrc\n'
        '  zsh:   eval "$(dsops completion zsh)"              in ~/.zshrc, after compinit\n'
        "  fish:  dsops completion fish > ~/.config/fish/completions/dsops.fish"
    ),
    run=_run,
    operands=(Operand("SHELL", "bash, zsh or fish", choices=tuple(SCRIPTS)),),
)

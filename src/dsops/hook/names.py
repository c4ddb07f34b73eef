"""Decide which variables a shell's hook may set.

Variables that control programs, or that have a meaning for a shell, are not allowed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from dsops.config.steering import is_credential, steering
from dsops.errors import NotAllowed

_NAME = re.compile(r"[A-Z_][A-Z0-9_]*")

# Sources: bash(1), zshparam(1) and fish's list of special variables. Setting USERNAME or UID makes zsh switch to that
# user.
_OF_SHELLS = frozenset(
    """
    _ ARGC ARGV ARGV0 CDPATH CHILD_MAX CMD_DURATION COLUMNS COMPREPLY COPROC CORRECT_IGNORE CORRECT_IGNORE_FILE
    CPUTYPE DIRSTACK DIRSTACKSIZE EGID EMACS ENV EPOCHREALTIME EPOCHSECONDS ERRNO EUID EXECIGNORE FCEDIT FIGNORE
    FPATH FUNCNAME FUNCNEST GID GLOBIGNORE GLOBSORT GROUPS HISTCHARS HISTCMD HISTCONTROL HISTFILE HISTFILESIZE
    HISTIGNORE HISTNO HISTORY_IGNORE HISTSIZE HISTTIMEFORMAT HOST HOSTFILE HOSTNAME HOSTTYPE IFS IGNOREEOF
    INSIDE_EMACS KEYBOARD_HACK KEYTIMEOUT LANG LANGUAGE LINENO LINES LISTPROMPT LOGCHECK LOGNAME MACHTYPE MAIL
    MAILCHECK MAILPATH MANPATH MAPFILE MATCH MBEGIN MEND MENUMODE MENUPROMPT MENUSELECT MODULE_PATH NULLCMD OLDPWD
    OPTARG OPTERR OPTIND OSTYPE PIPESTATUS POSIXLY_CORRECT POSTEDIT PPID PROMPT PS0 PS1 PS2 PS3 PSVAR PWD RANDOM
    READNULLCMD REPLY RPROMPT RPROMPT2 RPS1 RPS2 SAVEHIST SECONDS SHLVL SPROMPT SRANDOM STTY TERM TERMINFO TIMEFMT
    TIMEFORMAT TMOUT TMPDIR TMPPREFIX TMPSUFFIX TTY TTYIDLE UID USER USERNAME VENDOR WATCH WATCHFMT WORDCHARS ZBEEP
    """.split()
)
_BEGINNINGS = tuple("BASH COMP_ DSOPS_ FISH_ LC_ PROMPT_ READLINE_ TRY_BLOCK_ XDG_ ZFTP_ ZLE_ ZLS_ ZSH_".split())


def require_harmless(names: Iterable[str]) -> None:
    """Raise NotAllowed for variables that would change how the shell or its programs work.

    Otherwise a user who can write the file could make later commands run a program of their choice. `dsops exec`
    allows such variables, because it sets them for one command only, which the user has chosen.
    """
    for name in names:
        if why := _harm(name):
            raise NotAllowed(
                f"the hook does not set `{name}` in a shell",
                why=why,
                hint="use `dsops exec` for the command that needs it",
            )


def _harm(name: str) -> str:
    """Return the reason why the hook must not set the variable, or "" if it may."""
    if (family := steering(name)) and not is_credential(name):
        return f"it steers {family}, in every command of the shell"
    if not _NAME.fullmatch(name):
        return "only names in capital letters, digits and `_` are: others mean something to one shell or another"
    if name in _OF_SHELLS or name.startswith(_BEGINNINGS):
        return "it means something to a shell or to dsops"
    return ""

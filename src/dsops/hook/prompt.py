"""The code that shows DSOPS_ACTIVE and the minutes until DSOPS_EXPIRES in the prompt of bash, zsh and fish.

The code starts no process. Any parent process may have set the two variables, so their text is never evaluated.
DSOPS_ACTIVE reaches the prompt through a variable that the shell expands only once. Only digits that match a pattern
are used in arithmetic. To convert a date to days since 1970, the code counts years from March, so that a leap day is
the last day of a year.
"""

from __future__ import annotations

_BASH = r"""
__dsops_prompt() {
    local code=$? now= left=
    local -i year month day
    __dsops_mark= __dsops_color= __dsops_plain=
    if [ -n "${DSOPS_ACTIVE-}" ]; then
        __dsops_mark=${DSOPS_ACTIVE//[[:cntrl:]]/?}${DSOPS_DANGER:+!}
        case ${DSOPS_EXPIRES-} in
            [0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9]Z)
                # Older than 4.2, bash does not know the time, and the prompt shows no minutes.
                printf -v now '%(%s)T' -1 2>/dev/null || now= ;;
        esac
        if [ -n "$now" ]; then
            year=10#${DSOPS_EXPIRES:0:4} month=10#${DSOPS_EXPIRES:5:2} day=10#${DSOPS_EXPIRES:8:2}
            ((month > 2 ? (month -= 3) : (month += 9, year -= 1), 1))
            left=$((((year * 365 + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 719469) * 24 +
                10#${DSOPS_EXPIRES:11:2}) * 3600 + 10#${DSOPS_EXPIRES:14:2} * 60 + 10#${DSOPS_EXPIRES:17:2} - now))
            if ((left > 0)); then
                __dsops_mark="$__dsops_mark $(((left + 59) / 60))m"
            else
                __dsops_mark="$__dsops_mark expired"
            fi
        fi
        __dsops_mark="[$__dsops_mark] "
        if [ -z "${NO_COLOR-}" ] && [ "${TERM-dumb}" != dumb ]; then
            __dsops_plain=$'\e[0m' __dsops_color=$'\e[36m'
            [ -z "${DSOPS_DANGER-}" ] || __dsops_color=$'\e[1;31m'
        fi
    fi
    # Later commands of PROMPT_COMMAND may show the exit code.
    case $- in *e*) return 0 ;; esac
    return "$code"
}

case $- in *i*)
    export DSOPS_PROMPT=1
    case ${PS1-} in
        *__dsops_mark*) ;;
        *) PS1='\[${__dsops_color-}\]${__dsops_mark-}\[${__dsops_plain-}\]'${PS1-} ;;
    esac
    case "${PROMPT_COMMAND[*]-}" in
        *__dsops_prompt*) ;;
        *)
            # bash 5.1 runs each element of PROMPT_COMMAND, older ones only the first.
            if ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] >= 501)); then
                PROMPT_COMMAND=(${PROMPT_COMMAND[@]+"${PROMPT_COMMAND[@]}"} __dsops_prompt)
            else
                PROMPT_COMMAND="__dsops_prompt${PROMPT_COMMAND:+; $PROMPT_COMMAND}"
            fi ;;
    esac ;;
esac
"""

# zsh does not expand `$` and `%` in the elements of psvar, which the prompt shows with %v.
_ZSH = r"""
__dsops_prompt() {
    emulate -L zsh -o extended_glob -o no_err_exit -o no_err_return -o unset -o typeset_silent
    local mark= is_coloured=
    local -i year month day left
    if [[ -n $DSOPS_ACTIVE ]]; then
        mark=${DSOPS_ACTIVE//[[:cntrl:]]/?}${DSOPS_DANGER:+!}
        if [[ $DSOPS_EXPIRES == [0-9](#c4)-[0-9](#c2)-[0-9](#c2)T[0-9](#c2):[0-9](#c2):[0-9](#c2)Z ]]; then
            year=10#${DSOPS_EXPIRES[1,4]} month=10#${DSOPS_EXPIRES[6,7]} day=10#${DSOPS_EXPIRES[9,10]}
            (( month > 2 ? (month -= 3) : (month += 9, year -= 1) ))
            (( left = ((year * 365 + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 719469) * 24 +
                10#${DSOPS_EXPIRES[12,13]}) * 3600 + 10#${DSOPS_EXPIRES[15,16]} * 60 + 10#${DSOPS_EXPIRES[18,19]} -
                EPOCHSECONDS ))
            if (( left > 0 )); then mark+=" $(( (left + 59) / 60 ))m"; else mark+=" expired"; fi
        fi
        [[ -z $NO_COLOR && ${TERM:-dumb} != dumb ]] && is_coloured=1
    fi
    psvar[91]=$mark psvar[92]=${is_coloured:+$DSOPS_DANGER} psvar[93]=
    [[ -n $is_coloured && -z $DSOPS_DANGER ]] && psvar[93]=1
    return 0
}

if [[ -o interactive ]]; then
    export DSOPS_PROMPT=1
    zmodload zsh/datetime
    if (( $+functions[p10k] )); then
        # powerlevel10k makes its own prompt, and calls this function for the element `dsops`.
        prompt_dsops() {
            __dsops_prompt
            local colour=6
            [[ -n $DSOPS_DANGER ]] && colour=1
            [[ -n $psvar[91] ]] && p10k segment -f $colour -t "${psvar[91]//\%/%%}"
        }
    else
        typeset -ga precmd_functions
        if (( ! ${precmd_functions[(Ie)__dsops_prompt]} )); then
            precmd_functions+=(__dsops_prompt)
        fi
        if [[ $PROMPT != *%91v* ]]; then
            PROMPT='%(91V.%(92V.%B%F{red}.)%(93V.%F{cyan}.)[%91v]%(92V.%f%b.)%(93V.%f.) .)'$PROMPT
        fi
    fi
fi
"""

_FISH = r"""
function __dsops_prompt
    test -n "$DSOPS_ACTIVE"; or return 0
    set -l mark (string replace -ra '[[:cntrl:]]' '?' -- "$DSOPS_ACTIVE" | string collect)
    test -n "$DSOPS_DANGER"; and set mark "$mark!"
    set -l part (string match -r '^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)Z$' -- "$DSOPS_EXPIRES")
    # fish has no clock of its own: the time is that of a change of `/`, plus the seconds since then.
    set -l changed (path mtime / 2>/dev/null)
    set -l since (path mtime -R / 2>/dev/null)
    if test (count $part) -eq 7 -a -n "$since"
        set -l year $part[2]
        set -l month (math $part[3] - 3)
        if test $month -lt 0
            set month (math $month + 12)
            set year (math $year - 1)
        end
        set -l days (math "$year * 365 + floor($year / 4) - floor($year / 100) + floor($year / 400)" \
            "+ floor((153 * $month + 2) / 5) + $part[4] - 719469")
        set -l left (math "($days * 24 + $part[5]) * 3600 + $part[6] * 60 + $part[7] - $changed - $since")
        if test $left -gt 0
            set mark "$mark "(math "ceil($left / 60)")m
        else
            set mark "$mark expired"
        end
    end
    if test -n "$NO_COLOR" -o "$TERM" = dumb
        printf '[%s] ' $mark
    else if test -n "$DSOPS_DANGER"
        printf '%s[%s]%s ' (set_color --bold red) $mark (set_color normal)
    else
        printf '%s[%s]%s ' (set_color cyan) $mark (set_color normal)
    end
end

function __dsops_status
    return $argv[1]
end

status is-interactive; and set -gx DSOPS_PROMPT 1
if status is-interactive; and not functions -q __dsops_old_prompt
    functions -q fish_prompt; or function fish_prompt
        printf '%s> ' (prompt_pwd)
    end
    functions -c fish_prompt __dsops_old_prompt
    function fish_prompt
        set -l code $status
        __dsops_prompt
        # The user's own prompt may show the exit code.
        __dsops_status $code
        __dsops_old_prompt
    end
end
"""

PROMPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}
"""Shell -> the code of `dsops hook prompt`."""

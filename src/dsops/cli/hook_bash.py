"""The hook for bash, from 3.2 on, which macOS has: no `declare -g`, no `local -`, an empty array is unset for `set -u`.

What an environment did is in the shell: DSOPS_HOOK_VARS names its variables, DSOPS_HOOK_WAS_* holds what they were
(exported like them, so that a shell that is started from here can put them back as well), __dsops_new_* what they
became.
"""

CODE = r"""
__dsops_hook() {
    local __dsops_code=$? __dsops_trace=
    # `set -x` would show the values.
    case $- in *x*) __dsops_trace=1; { set +x; } 2>/dev/null ;; esac
    # Behind `||` a command that fails is no reason for `set -e` to end the shell.
    __dsops_step || :
    [ -z "$__dsops_trace" ] || set -x
    # What follows in PROMPT_COMMAND may want to show the code.
    case $- in *e*) return 0 ;; esac
    return "$__dsops_code"
}

__dsops_step() {
    local key
    __dsops_find
    key=$__dsops_found${__dsops_found:+|${DSOPS_HOOK_ENV-}}
    if [ "$key" = "${__dsops_key-}" ]; then
        __dsops_is_stale || return 0
        __dsops_unload
    else
        __dsops_unload
        __dsops_own=' '
    fi
    # Before anything can fail or be interrupted: what went wrong is told once.
    __dsops_key=$key __dsops_count=0 __dsops_deadline=
    [ -n "$__dsops_found" ] || return 0
    eval "$(DSOPS_CONFIG='' DSOPS_ENV='' DSOPS_JSON='' @DSOPS@ hook-load bash "$$" </dev/null)"
}

# The nearest dsops.yaml, no higher than a git repository's top or the home folder; nothing is started for that.
__dsops_find() {
    local folder
    __dsops_found=
    case ${DSOPS_HOOK-} in off | 0 | no | false) return 0 ;; esac
    if [ "$PWD" != "${__dsops_pwd-}" ]; then
        __dsops_here=$(pwd -P 2>/dev/null) || __dsops_here=
        __dsops_pwd=$PWD
    fi
    # A folder that was removed has nothing.
    [ -n "${__dsops_here-}" ] && [ -d "$PWD" ] || return 0
    folder=${__dsops_here%/}
    while :; do
        if [ -e "$folder/dsops.yaml" ] && [ ! -d "$folder/dsops.yaml" ]; then
            __dsops_found=$folder/dsops.yaml
            return 0
        fi
        if [ -z "$folder" ] || [ -e "$folder/.git" ] || [ "$folder" -ef "${HOME-}" ]; then
            return 0
        fi
        folder=${folder%/*}
    done
}

__dsops_is_stale() {
    local i=0 file mark
    [ -n "$__dsops_found" ] || return 1
    [ -z "$__dsops_deadline" ] || [ "$SECONDS" -lt "$__dsops_deadline" ] || return 0
    while [ "$i" -lt "$__dsops_count" ]; do
        file=${__dsops_files[i]} mark=${__dsops_marks[i]}
        # Where one of the two is missing, the other one is newer.
        [ ! "$file" -nt "$mark" ] && [ ! "$file" -ot "$mark" ] || return 0
        i=$((i + 1))
    done
    return 1
}

__dsops_watch() {
    __dsops_files[__dsops_count]=$1
    __dsops_marks[__dsops_count]=$2
    __dsops_count=$((__dsops_count + 1))
}

__dsops_until() {
    __dsops_deadline=$((SECONDS + $1))
}

__dsops_put() {
    __dsops_keep "$1" || return 0
    export "$1=$2"
    printf -v "__dsops_new_$1" %s "$2"
}

__dsops_drop() {
    __dsops_keep "$1" || return 0
    unset -v "$1" "__dsops_new_$1"
}

# Remembers what a variable is; fails for one that is not ours to set.
__dsops_keep() {
    local attributes
    # Changed by the user while this environment was loaded.
    case ${__dsops_own-} in *" $1 "*) return 1 ;; esac
    attributes=$(declare -p "$1" 2>/dev/null) || :
    unset -v "DSOPS_HOOK_WAS_$1"
    case $attributes in
        "declare -x $1="*) export "DSOPS_HOOK_WAS_$1=${!1}" ;;
        "declare -- $1="*) printf -v "DSOPS_HOOK_WAS_$1" %s "${!1}" ;;
        '' | "declare -x $1" | "declare -- $1") ;;
        *)
            printf '%s\n' "dsops: hook: $1 is left alone: in this shell it is not a plain variable" >&2
            return 1 ;;
    esac
    export DSOPS_HOOK_VARS="${DSOPS_HOOK_VARS-} $1"
}

# Puts back what was there before, but for variables that somebody has changed since.
__dsops_unload() {
    local name new was text IFS=' '
    for name in ${DSOPS_HOOK_VARS-}; do
        case $name in *[!A-Z0-9_]* | [0-9]*) continue ;; esac
        new=__dsops_new_$name was=DSOPS_HOOK_WAS_$name
        if [ "${!name+x}${!name-}" != "${!new+x}${!new-}" ]; then
            __dsops_own="${__dsops_own- }$name "
        elif [ -z "${!was+x}" ]; then
            unset -v "$name"
        else
            text=${!was}
            case $(declare -p "$was") in
                "declare -x"*) export "$name=$text" ;;
                *) unset -v "$name"; printf -v "$name" %s "$text" ;;
            esac
        fi
        unset -v "$new" "$was"
    done
    unset -v DSOPS_HOOK_VARS
}

# A shell that was started from a loaded one has its variables: they are put back here, too.
__dsops_adopt() {
    local name IFS=' '
    for name in ${DSOPS_HOOK_VARS-}; do
        case $name in *[!A-Z0-9_]* | [0-9]*) continue ;; esac
        [ -z "${!name+x}" ] || printf -v "__dsops_new_$name" %s "${!name}"
    done
}

case $- in *i*)
    if [ -z "${__dsops_is_there-}" ]; then
        __dsops_is_there=1 __dsops_own=' ' __dsops_key=none __dsops_count=0 __dsops_deadline=
        __dsops_adopt
    fi
    if [[ $(declare -p PROMPT_COMMAND 2>/dev/null) == "declare -a"* ]]; then
        # bash 5.1 runs each element, an older one only the first.
        case " ${PROMPT_COMMAND[*]-} " in
            *__dsops_hook*) ;;
            *)
                if ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] >= 501)); then
                    PROMPT_COMMAND=(__dsops_hook ${PROMPT_COMMAND[@]+"${PROMPT_COMMAND[@]}"})
                else
                    PROMPT_COMMAND[0]="__dsops_hook${PROMPT_COMMAND[0]:+; ${PROMPT_COMMAND[0]}}"
                fi ;;
        esac
    else
        case ${PROMPT_COMMAND-} in
            *__dsops_hook*) ;;
            *) PROMPT_COMMAND="__dsops_hook${PROMPT_COMMAND:+; $PROMPT_COMMAND}" ;;
        esac
    fi ;;
esac
"""

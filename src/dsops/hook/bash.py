"""The code of the hook for bash.

It supports bash 3.2 (macOS) and later, so it uses neither `declare -g` nor `local -`. The hook's state is in shell
arrays, which no environment variable can set. The arrays contain the names of the loaded variables, and their saved
and new values. Each array begins with an empty element, because with `set -u` bash 3.2 treats an empty array as unset.
DSOPS_HOOK_VARS tells programs which variables are loaded; the hook never restores variables from it.
"""

CODE = r"""
__dsops_hook() {
    local code=$? flags=$-
    # `set -x` would print the values, and `set -a` would export the hook's own state.
    case $- in *x*) { set +x; } 2>/dev/null ;; esac
    set +a
    # With `||`, a failing command does not end the shell under `set -e`.
    __dsops_step || :
    case $flags in *a*) set -a ;; esac
    case $flags in *x*) set -x ;; esac
    # Later commands of PROMPT_COMMAND may show the exit code.
    case $- in *e*) return 0 ;; esac
    return "$code"
}

__dsops_step() {
    local key
    __dsops_find
    key=$__dsops_found${__dsops_found:+|${DSOPS_HOOK_ENV-}}
    if [ "$key" = "$__dsops_key" ]; then
        __dsops_is_stale || return 0
        __dsops_unload
    else
        __dsops_unload
        __dsops_own=' '
    fi
    # Set before anything can fail or be interrupted, so that an error is shown once, not at every prompt.
    __dsops_key=$key __dsops_count=0 __dsops_deadline=
    [ -n "$__dsops_found" ] || return 0
    eval "$(DSOPS_CONFIG='' DSOPS_ENV='' DSOPS_JSON='' @DSOPS@ hook-load bash "$$" </dev/null)"
}

# The nearest dsops.yaml, no higher than a git repository's top or the home folder; starts no process.
__dsops_find() {
    local folder
    __dsops_found=
    case ${DSOPS_HOOK-} in off | 0 | no | false) return 0 ;; esac
    if [ "$PWD" != "${__dsops_pwd-}" ]; then
        __dsops_here=$(pwd -P 2>/dev/null) || __dsops_here=
        __dsops_pwd=$PWD
    fi
    # A removed folder has no configuration.
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
        # If one of the two files is missing, bash calls the other one newer.
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
    __dsops_new[${#__dsops_new[@]}]=x$2
}

__dsops_drop() {
    __dsops_keep "$1" || return 0
    unset -v "$1"
    __dsops_new[${#__dsops_new[@]}]=
}

# Saves a variable's present value; fails for one that the hook must not set.
__dsops_keep() {
    local attributes kind=unset was=
    # Changed by the user while this environment was loaded.
    case $__dsops_own in *" $1 "*) return 1 ;; esac
    attributes=$(declare -p "$1" 2>/dev/null) || :
    case $attributes in
        "declare -x $1="*) kind=exported was=${!1} ;;
        "declare -- $1="*) kind=plain was=${!1} ;;
        '' | "declare -x $1" | "declare -- $1") ;;
        *)
            printf '%s\n' "dsops: hook: $1 is left alone: in this shell it is not a plain variable" >&2
            return 1 ;;
    esac
    # Set by the parent shell's hook: only that shell knows the value from before.
    case $__dsops_inherited in *" $1 "*)
        kind=unset was= __dsops_inherited=${__dsops_inherited/" $1 "/ } ;;
    esac
    __dsops_was[${#__dsops_was[@]}]=$kind:$was
    __dsops_names[${#__dsops_names[@]}]=$1
    export DSOPS_HOOK_VARS="${DSOPS_HOOK_VARS-} $1"
}

# Restores the saved values, except of variables that the user has changed since.
__dsops_unload() {
    local i name was
    __dsops_is_own || __dsops_begin
    for ((i = 1; i < ${#__dsops_names[@]}; i++)); do
        name=${__dsops_names[i]} was=${__dsops_was[i]}
        if [ "${!name+x}${!name-}" != "${__dsops_new[i]-}" ]; then
            __dsops_own="$__dsops_own$name "
            continue
        fi
        case $was in
            exported:*) export "$name=${was#*:}" ;;
            plain:*) unset -v "$name"; printf -v "$name" %s "${was#*:}" ;;
            *) unset -v "$name" ;;
        esac
    done
    __dsops_names=('') __dsops_was=('') __dsops_new=('')
    unset -v DSOPS_HOOK_VARS
}

# Whether this shell's state is its own: arrays can't be inherited, and the hook exports none of its state.
__dsops_is_own() {
    local each
    for each in names was new; do
        case $(declare -p "__dsops_$each" 2>/dev/null) in "declare -a "*) ;; *) return 1 ;; esac
    done
}

# Resets the state, whatever the environment contains.
__dsops_begin() {
    local inherited=${DSOPS_HOOK_VARS-} found=${__dsops_found-}
    unset -v DSOPS_HOOK_VARS "${!__dsops_@}" "${!DSOPS_HOOK_WAS_@}"
    __dsops_names=('') __dsops_was=('') __dsops_new=('')
    __dsops_inherited=" $inherited " __dsops_own=' ' __dsops_key=none __dsops_count=0 __dsops_deadline=
    __dsops_found=$found
}

case $- in *i*)
    __dsops_is_own || __dsops_begin
    if [[ $(declare -p PROMPT_COMMAND 2>/dev/null) == "declare -a"* ]]; then
        # bash 5.1 runs each element of PROMPT_COMMAND, older ones only the first.
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

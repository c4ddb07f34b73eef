"""The hook for zsh. Its variables are those of the hook for bash: either shell puts back what the other loaded."""

CODE = r"""
__dsops_hook() {
    # `set -x` would show the values.
    emulate -L zsh -o no_xtrace -o no_err_exit -o no_err_return -o unset -o typeset_silent 2>/dev/null
    __dsops_step
    return 0
}

__dsops_step() {
    local key
    __dsops_find
    key=$__dsops_found${__dsops_found:+|$DSOPS_HOOK_ENV}
    if [[ $key == "$__dsops_key" ]]; then
        __dsops_is_stale || return 0
        __dsops_unload
    else
        __dsops_unload
        __dsops_own=' '
    fi
    # Before anything can fail or be interrupted: what went wrong is told once.
    __dsops_key=$key __dsops_deadline=
    __dsops_files=() __dsops_marks=()
    [[ -n $__dsops_found ]] || return 0
    eval "$(DSOPS_CONFIG= DSOPS_ENV= DSOPS_JSON= @DSOPS@ hook-load zsh $$ </dev/null)"
}

# The nearest dsops.yaml, no higher than a git repository's top or the home folder; nothing is started for that.
__dsops_find() {
    local folder=${PWD:A}
    __dsops_found=
    case $DSOPS_HOOK in (off|0|no|false) return 0 ;; esac
    [[ -n $folder && -d $folder ]] || return 0
    folder=${folder%/}
    while :; do
        if [[ -e $folder/dsops.yaml && ! -d $folder/dsops.yaml ]]; then
            __dsops_found=$folder/dsops.yaml
            return 0
        fi
        [[ -z $folder || -e $folder/.git || $folder -ef $HOME ]] && return 0
        folder=${folder%/*}
    done
}

__dsops_is_stale() {
    local -i i
    local file mark
    [[ -n $__dsops_found ]] || return 1
    [[ -n $__dsops_deadline ]] && (( SECONDS >= __dsops_deadline )) && return 0
    for ((i = 1; i <= $#__dsops_files; i++)); do
        file=$__dsops_files[i] mark=$__dsops_marks[i]
        [[ $file -nt $mark || $file -ot $mark ]] && return 0
        # Where one of the two is missing, zsh says no to both.
        [[ -e $file && ! -e $mark || ! -e $file && -e $mark ]] && return 0
    done
    return 1
}

__dsops_watch() {
    __dsops_files+=("$1")
    __dsops_marks+=("$2")
}

__dsops_until() {
    __dsops_deadline=$((SECONDS + $1))
}

__dsops_put() {
    __dsops_keep "$1" || return 0
    export "$1=$2"
    typeset -g "__dsops_new_$1=$2"
}

__dsops_drop() {
    __dsops_keep "$1" || return 0
    unset "$1" "__dsops_new_$1"
}

# Remembers what a variable is; fails for one that is not ours to set.
__dsops_keep() {
    # Changed by the user while this environment was loaded.
    [[ $__dsops_own == *" $1 "* ]] && return 1
    unset "DSOPS_HOOK_WAS_$1"
    case ${parameters[$1]-} in
        (scalar-export) export "DSOPS_HOOK_WAS_$1=${(P)1}" ;;
        (scalar) typeset -g "DSOPS_HOOK_WAS_$1=${(P)1}" ;;
        ('') ;;
        (*)
            print -ru2 -- "dsops: hook: $1 is left alone: in this shell it is not a plain variable"
            return 1 ;;
    esac
    export DSOPS_HOOK_VARS="$DSOPS_HOOK_VARS $1"
}

# Puts back what was there before, but for variables that somebody has changed since.
__dsops_unload() {
    local name new was text IFS=' '
    for name in ${=DSOPS_HOOK_VARS}; do
        [[ $name == [A-Z_]* && $name != *[^A-Z0-9_]* ]] || continue
        new=__dsops_new_$name was=DSOPS_HOOK_WAS_$name
        if [[ ${(P)+name}${(P)name} != "${(P)+new}${(P)new}" ]]; then
            __dsops_own="${__dsops_own:- }$name "
        elif (( ! ${(P)+was} )); then
            unset "$name"
        else
            text=${(P)was}
            if [[ ${parameters[$was]} == *export* ]]; then
                export "$name=$text"
            else
                unset "$name"
                typeset -g "$name=$text"
            fi
        fi
        unset "$new" "$was"
    done
    unset DSOPS_HOOK_VARS
}

# A shell that was started from a loaded one has its variables: they are put back here, too.
__dsops_adopt() {
    emulate -L zsh
    local name IFS=' '
    for name in ${=DSOPS_HOOK_VARS}; do
        [[ $name == [A-Z_]* && $name != *[^A-Z0-9_]* ]] || continue
        (( ${(P)+name} )) && typeset -g "__dsops_new_$name=${(P)name}"
    done
}

if [[ -o interactive ]]; then
    zmodload zsh/parameter
    if [[ -z ${__dsops_is_there-} ]]; then
        typeset -g __dsops_is_there=1 __dsops_own=' ' __dsops_key=none __dsops_deadline= __dsops_found=
        typeset -ga __dsops_files __dsops_marks
        __dsops_adopt
    fi
    typeset -ga precmd_functions
    if (( ! ${precmd_functions[(Ie)__dsops_hook]} )); then
        precmd_functions=(__dsops_hook "${precmd_functions[@]}")
    fi
fi
"""

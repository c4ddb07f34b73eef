"""The code of the hook for zsh. The hook's state is in arrays, which no environment variable can set."""

CODE = r"""
__dsops_hook() {
    # `set -x` would print the values.
    emulate -L zsh -o no_xtrace -o no_err_exit -o no_err_return -o unset -o typeset_silent 2>/dev/null
    __dsops_step
    return 0
}

# Runs after `cd`, before the next command of the line: unloads what the left folder loaded; starts no process.
__dsops_leave() {
    emulate -L zsh -o no_xtrace -o no_err_exit -o no_err_return -o unset -o typeset_silent 2>/dev/null
    __dsops_find
    [[ $__dsops_key == "$__dsops_found"(|\|*) ]] && return 0
    __dsops_unload
    __dsops_own=' ' __dsops_key=none
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
    # Set before anything can fail or be interrupted, so that an error is shown once, not at every prompt.
    __dsops_key=$key __dsops_deadline=
    __dsops_files=() __dsops_marks=()
    [[ -n $__dsops_found ]] || return 0
    eval "$(DSOPS_CONFIG= DSOPS_ENV= DSOPS_JSON= @DSOPS@ hook-load zsh $$ </dev/null)"
}

# The nearest dsops.yaml, no higher than a git repository's top or the home folder; starts no process.
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
        # If one of the two files is missing, zsh answers no to both tests.
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
    __dsops_new[$1]=x$2
}

__dsops_drop() {
    __dsops_keep "$1" || return 0
    unset "$1"
    __dsops_new[$1]=
}

# Saves a variable's present value; fails for one that the hook must not set.
__dsops_keep() {
    local was
    # Changed by the user while this environment was loaded.
    [[ $__dsops_own == *" $1 "* ]] && return 1
    case ${parameters[$1]-} in
        (scalar-export) was=exported:${(P)1} ;;
        (scalar) was=plain:${(P)1} ;;
        ('') was=unset: ;;
        (*)
            print -ru2 -- "dsops: hook: $1 is left alone: in this shell it is not a plain variable"
            return 1 ;;
    esac
    # Set by the parent shell's hook: only that shell knows the value from before.
    if [[ $__dsops_inherited == *" $1 "* ]]; then
        was=unset: __dsops_inherited=${__dsops_inherited/" $1 "/ }
    fi
    __dsops_was[$1]=$was
    export DSOPS_HOOK_VARS="$DSOPS_HOOK_VARS $1"
}

# Restores the saved values, except of variables that the user has changed since.
__dsops_unload() {
    local name was
    __dsops_is_own || __dsops_begin
    for name in "${(@k)__dsops_was}"; do
        was=$__dsops_was[$name]
        if [[ ${(P)+name}${(P)name} != "${${__dsops_new[$name]:+1${__dsops_new[$name]#x}}:-0}" ]]; then
            __dsops_own="$__dsops_own$name "
            continue
        fi
        case $was in
            (exported:*) export "$name=${was#*:}" ;;
            (plain:*) unset "$name"; typeset -g "$name=${was#*:}" ;;
            (*) unset "$name" ;;
        esac
    done
    __dsops_was=() __dsops_new=()
    unset DSOPS_HOOK_VARS
}

# Whether this shell's state is its own: arrays can't be inherited, and the hook exports none of its state.
__dsops_is_own() {
    [[ ${parameters[__dsops_was]-} == association && ${parameters[__dsops_new]-} == association ]]
}

# Resets the state, whatever the environment contains.
__dsops_begin() {
    local inherited=${DSOPS_HOOK_VARS-} found=${__dsops_found-}
    unset DSOPS_HOOK_VARS
    unset -m '__dsops_*' 'DSOPS_HOOK_WAS_*'
    typeset -gA __dsops_was __dsops_new
    typeset -ga __dsops_files __dsops_marks
    typeset -g __dsops_inherited=" $inherited " __dsops_own=' ' __dsops_key=none __dsops_deadline= __dsops_found=$found
}

if [[ -o interactive ]]; then
    zmodload zsh/parameter
    __dsops_is_own || __dsops_begin
    typeset -ga precmd_functions chpwd_functions
    if (( ! ${precmd_functions[(Ie)__dsops_hook]} )); then
        precmd_functions=(__dsops_hook "${precmd_functions[@]}")
    fi
    if (( ! ${chpwd_functions[(Ie)__dsops_leave]} )); then
        chpwd_functions=(__dsops_leave "${chpwd_functions[@]}")
    fi
fi
"""

"""The hook for fish, from 3.6 on. Its variables are those of the hook for bash; a list stays a list.

A universal variable stays what it is behind the global one that stands before it, so it is there again by itself.
"""

CODE = r"""
function __dsops_hook --on-event fish_prompt
    set -l code $status
    # A trace would show the values.
    set -l fish_trace
    __dsops_find
    set -l key "$__dsops_found|$DSOPS_HOOK_ENV"
    test -n "$__dsops_found"; or set key ""
    if test "$key" = "$__dsops_key"
        if not __dsops_is_stale
            return $code
        end
        __dsops_unload
    else
        __dsops_unload
        set -g __dsops_own
    end
    # Before anything can fail or be interrupted: what went wrong is told once.
    set -g __dsops_key $key
    set -g __dsops_deadline
    set -g __dsops_files
    set -g __dsops_marks
    if test -n "$__dsops_found"
        eval (DSOPS_CONFIG= DSOPS_ENV= DSOPS_JSON= @DSOPS@ hook-load fish $fish_pid </dev/null | string collect)
    end
    return $code
end

# The nearest dsops.yaml, no higher than a git repository's top or the home folder; nothing is started for that.
function __dsops_find
    set -g __dsops_found
    contains -- "$DSOPS_HOOK" off 0 no false; and return
    # A folder that was removed has nothing.
    test -d "$PWD"; or return
    set -l folder (pwd -P 2>/dev/null | string collect)
    set -l home (path resolve -- "$HOME" | string collect)
    while test (count $folder) -eq 1
        set -l file "$folder/dsops.yaml"
        if test -e "$file"; and not test -d "$file"
            set -g __dsops_found "$file"
            return
        end
        if test "$folder" = /; or test -e "$folder/.git"; or test "$folder" = "$home"
            return
        end
        set folder (path dirname -- "$folder" | string collect)
    end
end

function __dsops_is_stale
    test -n "$__dsops_found"; or return 1
    if test -n "$__dsops_deadline"; and test (date +%s) -ge $__dsops_deadline
        return 0
    end
    set -l marks $__dsops_marks
    for file in $__dsops_files
        if test $file -nt $marks[1]; or test $file -ot $marks[1]
            return 0
        end
        set -e marks[1]
    end
    return 1
end

function __dsops_watch
    set -ga __dsops_files $argv[1]
    set -ga __dsops_marks $argv[2]
end

function __dsops_until
    set -g __dsops_deadline (math (date +%s) + $argv[1])
end

function __dsops_put
    __dsops_keep $argv[1]; or return 0
    set -gx $argv[1] $argv[2]
    set -g __dsops_new_$argv[1] $argv[2]
end

# An empty global variable that is not exported hides an exported universal one.
function __dsops_drop
    __dsops_keep $argv[1]; or return 0
    set -e -g $argv[1]
    set -qU $argv[1]; and set -gu $argv[1]
    set -e -g __dsops_new_$argv[1]
end

# Remembers what a variable is; fails for one that is not ours to set.
function __dsops_keep
    # Changed by the user while this environment was loaded.
    contains -- $argv[1] $__dsops_own; and return 1
    set -e -g DSOPS_HOOK_WAS_$argv[1]
    if set -qgx $argv[1]
        set -gx DSOPS_HOOK_WAS_$argv[1] $$argv[1]
    else if set -qg $argv[1]
        set -gu DSOPS_HOOK_WAS_$argv[1] $$argv[1]
    end
    set -gx DSOPS_HOOK_VARS "$DSOPS_HOOK_VARS $argv[1]"
end

# Puts back what was there before, but for variables that somebody has changed since.
function __dsops_unload
    for name in (string split -n ' ' -- "$DSOPS_HOOK_VARS" | string match -r '^[A-Z_][A-Z0-9_]*$')
        set -l new __dsops_new_$name
        set -l was DSOPS_HOOK_WAS_$name
        set -l is_ours 0
        if set -qg $new
            set -qgx $name; and test (count $$name) -eq 1; and test "$$name" = "$$new"; and set is_ours 1
        else
            test (count $$name) -eq 0; and set is_ours 1
        end
        if test $is_ours = 0
            set -ga __dsops_own $name
        else if set -qgx $was
            set -gx $name $$was
        else if set -qg $was
            set -e -g $name
            set -gu $name $$was
        else
            set -e -g $name
        end
        set -e -g $new
        set -e -g $was
    end
    set -e -g DSOPS_HOOK_VARS
end

# A shell that was started from a loaded one has its variables: they are put back here, too.
function __dsops_adopt
    for name in (string split -n ' ' -- "$DSOPS_HOOK_VARS" | string match -r '^[A-Z_][A-Z0-9_]*$')
        set -qg $name; and set -g __dsops_new_$name $$name
    end
end

if status is-interactive
    if not set -qg __dsops_is_there
        set -g __dsops_is_there 1
        set -g __dsops_own
        set -g __dsops_key none
        set -g __dsops_found
        set -g __dsops_deadline
        set -g __dsops_files
        set -g __dsops_marks
        __dsops_adopt
    end
else
    functions -e __dsops_hook
end
"""

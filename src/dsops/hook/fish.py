"""The code of the hook for fish, from 3.6 on.

Lists are saved and restored as lists. The hook's state is in unexported global variables. Inherited variables are
exported, so the hook can't mistake them for its state. A global variable hides a universal one without changing it.
Once the global variable is erased, the universal one is visible again.
"""

CODE = r"""
function __dsops_hook --on-event fish_prompt
    set -l code $status
    # A trace would print the values.
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
    # Set before anything can fail or be interrupted, so that an error is shown once, not at every prompt.
    set -g __dsops_key $key
    set -g __dsops_deadline
    set -g __dsops_files
    set -g __dsops_marks
    if test -n "$__dsops_found"
        eval (DSOPS_CONFIG= DSOPS_ENV= DSOPS_JSON= @DSOPS@ hook-load fish $fish_pid </dev/null | string collect)
    end
    return $code
end

# Runs after `cd`, before the next command of the line: unloads what the left folder loaded; starts no process.
function __dsops_leave --on-variable PWD
    __dsops_find
    string match -q -- "$__dsops_found|*" "$__dsops_key|"; and return
    set -l fish_trace
    __dsops_unload
    set -g __dsops_own
    set -g __dsops_key none
end

# The nearest dsops.yaml, no higher than a git repository's top or the home folder; starts no process.
function __dsops_find
    set -g __dsops_found
    contains -- "$DSOPS_HOOK" off 0 no false; and return
    # A removed folder has no configuration.
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
    set -gu __dsops_new_$argv[1] $argv[2]
end

# An empty global variable that is not exported hides an exported universal one.
function __dsops_drop
    __dsops_keep $argv[1]; or return 0
    set -e -g $argv[1]
    set -qU $argv[1]; and set -gu $argv[1]
    set -e -g __dsops_new_$argv[1]
end

# Saves a variable's present value; fails for one that the hook must not set.
function __dsops_keep
    # Changed by the user while this environment was loaded.
    contains -- $argv[1] $__dsops_own; and return 1
    set -e -g __dsops_was_$argv[1]
    set -e -g __dsops_plain_$argv[1]
    # Set by the parent shell's hook: only that shell knows the value from before.
    if set -l index (contains -i -- $argv[1] $__dsops_inherited)
        set -e __dsops_inherited[$index]
    else if set -qgx $argv[1]
        set -gu __dsops_was_$argv[1] $$argv[1]
    else if set -qg $argv[1]
        set -gu __dsops_plain_$argv[1] $$argv[1]
    end
    set -gu -a __dsops_names $argv[1]
    set -gx DSOPS_HOOK_VARS "$DSOPS_HOOK_VARS $argv[1]"
end

# Restores the saved values, except of variables that the user has changed since.
function __dsops_unload
    __dsops_is_own; or __dsops_begin
    for name in $__dsops_names
        set -l new __dsops_new_$name
        set -l was __dsops_was_$name
        set -l plain __dsops_plain_$name
        set -l is_ours 0
        if set -qg $new
            # fish makes a list of every variable whose name ends in PATH.
            set -qgx $name; and test (count $$name) -eq (count $$new); and test "$$name" = "$$new"; and set is_ours 1
        else
            test (count $$name) -eq 0; and set is_ours 1
        end
        if test $is_ours = 0
            set -ga __dsops_own $name
        else if set -qg $was
            set -gx $name $$was
        else if set -qg $plain
            set -e -g $name
            set -gu $name $$plain
        else
            set -e -g $name
        end
        set -e -g $new
        set -e -g $was
        set -e -g $plain
    end
    set -gu __dsops_names
    set -e -g DSOPS_HOOK_VARS
end

# Whether this shell's state is its own: inherited variables are exported, the hook's are not.
function __dsops_is_own
    set -qg __dsops_names; and not set -gx --names | string match -q -r '^(__dsops_|DSOPS_HOOK_WAS_)'
end

# Resets the state, whatever the environment contains.
function __dsops_begin
    set -l found $__dsops_found
    set -l inherited (string split -n ' ' -- "$DSOPS_HOOK_VARS")
    set -e -g DSOPS_HOOK_VARS
    for name in (set -g --names | string match -r '^(?:__dsops_|DSOPS_HOOK_WAS_).*')
        set -e -g $name
    end
    set -gu __dsops_names
    set -gu __dsops_inherited $inherited
    set -gu __dsops_own
    set -gu __dsops_key none
    set -gu __dsops_found $found
    set -gu __dsops_deadline
    set -gu __dsops_files
    set -gu __dsops_marks
end

if status is-interactive
    __dsops_is_own; or __dsops_begin
else
    functions -e __dsops_hook __dsops_leave
end
"""

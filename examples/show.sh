# Each example's run.sh sources this file: it prints a command as you would type it, runs it in this shell, and checks
# that the result is the expected one. An example leaves nothing behind, so it starts no agent.
set -eu
export DSOPS_AGENT=off
# DSOPS_CONFIG names the configuration, so it needs no `dsops allow`; a found one would.
[ ! -e dsops.yaml ] || export DSOPS_CONFIG=dsops.yaml
# dash, unlike bash, runs an EXIT trap only if the shell exits by itself; so exit on Ctrl-C.
trap 'exit 130' INT HUP TERM
command -v dsops > /dev/null || { echo "dsops is not on the PATH: in its clone, pip install '.[sandbox]'" >&2; exit 127; }

say() {
    printf '\n# %s\n' "$1"
}

surprise() {
    printf 'surprise: %s\n' "$1" >&2
    exit 1
}

# allowed COMMAND: the command must succeed.
allowed() {
    printf '$ %s\n' "$1"
    eval "$1" 2>&1 || surprise "that should have worked"
}

# refused CODE COMMAND: the command must fail with that error code (docs/reference/errors.md). Prints the message and the
# reason; leaves out the line of the configuration, AWS's own message and the hint.
refused() {
    printf '$ %s\n' "$2"
    if said=$(eval "$2" 2>&1); then
        printf '%s\n' "$said"
        surprise "that should have been refused"
    fi
    printf '%s\n' "$said" | sed '/^  at: /d; /^  aws: /d; /^  hint: /d'
    case $said in
        *"error[$1]"*) ;;
        *) surprise "that should have been refused with $1" ;;
    esac
}

# What every example's run.sh begins with: a command is shown as a person would type it, then run in this shell, and has
# to end as the example says. An example leaves nothing behind, no agent either.
set -eu
export DSOPS_AGENT=off
# Who runs an example has named its file. One that dsops only finds has to be allowed first: `dsops allow`.
[ ! -e dsops.yaml ] || export DSOPS_CONFIG=dsops.yaml
# dash, unlike bash, runs what `trap ... EXIT` says only where the shell ends by itself; so Ctrl-C makes it do that.
trap 'exit 130' INT HUP TERM
command -v dsops > /dev/null || { echo "dsops is not on the PATH: in its clone, pip install '.[sandbox]'" >&2; exit 127; }

say() {
    printf '\n# %s\n' "$1"
}

surprise() {
    printf 'surprise: %s\n' "$1" >&2
    exit 1
}

# allowed COMMAND
allowed() {
    printf '$ %s\n' "$1"
    eval "$1" 2>&1 || surprise "that should have worked"
}

# refused CODE COMMAND: dsops has to refuse with that code (docs/reference/errors.md). Of its message, what it says and why
# is shown; where, AWS's own words and the hint what to do are left out here.
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

#!/bin/sh
cd "$(dirname "$0")" && . ../show.sh
[ "${1:-}" = in-sandbox ] || exec dsops sandbox run --seed seed.yaml -- sh run.sh in-sandbox

# Here the agent is what is shown: one of its own, which ends with the example.
XDG_RUNTIME_DIR=$(mktemp -d)
export XDG_RUNTIME_DIR
unset DSOPS_AGENT CI
trap 'dsops agent stop > /dev/null; rm -rf "$XDG_RUNTIME_DIR"' EXIT

say "three runs, and how often AWS was asked for a session"
allowed 'dsops exec --env production -- printenv DATABASE_URL'
allowed 'dsops exec --env production -- printenv DATABASE_URL'
allowed 'dsops exec --env production -- printenv DATABASE_URL'
allowed 'dsops sandbox events | grep -c AssumeRole'

say "what the agent holds, never a secret part of it"
allowed 'dsops agent status --sandbox'

say "somebody else's session is another one"
allowed 'eval "$(dsops sandbox env --as bob)"'
allowed 'dsops exec --env production -- printenv DATABASE_URL'
allowed 'dsops sandbox events | grep -c AssumeRole'

say "without an agent every run has its own"
allowed 'dsops exec --no-agent --env production -- printenv DATABASE_URL'
allowed 'dsops sandbox events | grep -c AssumeRole'

#!/bin/sh
cd "$(dirname "$0")" && . ../show.sh
[ "${1:-}" = in-sandbox ] || exec dsops sandbox run --seed seed.yaml -- sh run.sh in-sandbox

# This example starts an agent of its own, which ends with the example.
XDG_RUNTIME_DIR=$(mktemp -d)
export XDG_RUNTIME_DIR
unset DSOPS_AGENT CI
trap 'dsops agent stop > /dev/null; rm -rf "$XDG_RUNTIME_DIR"' EXIT

say "three runs, and the number of AssumeRole calls"
allowed 'dsops exec --env production -- printenv DATABASE_URL'
allowed 'dsops exec --env production -- printenv DATABASE_URL'
allowed 'dsops exec --env production -- printenv DATABASE_URL'
allowed 'dsops sandbox events | grep -c AssumeRole'

say "the sessions in the agent, without their secret parts"
allowed 'dsops agent status --sandbox'

say "another user gets another session"
allowed 'eval "$(dsops sandbox env --as bob)"'
allowed 'dsops exec --env production -- printenv DATABASE_URL'
allowed 'dsops sandbox events | grep -c AssumeRole'

say "without an agent every run assumes the role"
allowed 'dsops exec --no-agent --env production -- printenv DATABASE_URL'
allowed 'dsops sandbox events | grep -c AssumeRole'

#!/bin/sh
cd "$(dirname "$0")" && . ../show.sh
[ "${1:-}" = in-sandbox ] || exec dsops sandbox run --seed seed.yaml -- sh run.sh in-sandbox

say "an eight-hour session on a laptop that is lost"
SESSION=$(dsops credentials production --format env)
(eval "$SESSION"; allowed 'dsops --config lost.yaml exec --env production -- printenv DATABASE_URL')

say "alice may not revoke it; security may"
refused access-denied 'dsops revoke production --apply --yes'
allowed 'eval "$(dsops sandbox env --as security)"'
allowed 'dsops revoke production --apply --yes'

say "the laptop's session is denied"
(eval "$SESSION"; refused secret.access-denied 'dsops --config lost.yaml exec --env production -- printenv DATABASE_URL')

say "alice opens a new session, at least one second later"
allowed 'dsops sandbox clock --advance 2 > /dev/null'
eval "$(dsops sandbox env --as alice)"
allowed 'dsops exec --env production -- printenv DATABASE_URL'

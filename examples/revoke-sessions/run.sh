#!/bin/sh
cd "$(dirname "$0")" && . ../show.sh
[ "${1:-}" = in-sandbox ] || exec dsops sandbox run --seed seed.yaml -- sh run.sh in-sandbox

say "a session of eight hours, on a laptop that is lost at noon"
SESSION=$(dsops credentials production --format env)
(eval "$SESSION"; allowed 'dsops --config lost.yaml exec --env production -- printenv DATABASE_URL')

say "alice can't take it back; security can"
refused access-denied 'dsops revoke production --apply --yes'
allowed 'eval "$(dsops sandbox env --as security)"'
allowed 'dsops revoke production --apply --yes'

say "whoever has the laptop now"
(eval "$SESSION"; refused secret.access-denied 'dsops --config lost.yaml exec --env production -- printenv DATABASE_URL')

say "alice, with a new session; times are whole seconds, and the running one is denied as a whole"
allowed 'dsops sandbox clock --advance 2 > /dev/null'
eval "$(dsops sandbox env --as alice)"
allowed 'dsops exec --env production -- printenv DATABASE_URL'

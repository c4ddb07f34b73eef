#!/bin/sh
cd "$(dirname "$0")" && . ../show.sh
[ "${1:-}" = in-sandbox ] || exec dsops sandbox run --seed seed.yaml -- sh run.sh in-sandbox

say "alice, whose id is in the trust policy, from the company's network"
allowed 'dsops exec --env production -- printenv DATABASE_URL'

say "carol, from the same network"
allowed 'eval "$(dsops sandbox env --as carol)"'
refused sts.access-denied 'dsops exec --env production -- printenv DATABASE_URL'
allowed 'dsops sandbox decisions | grep Condition'

say "dave, from another network: every condition has to match, and none does"
allowed 'eval "$(dsops sandbox env --as dave)"'
refused sts.access-denied 'dsops exec --env production -- printenv DATABASE_URL'
allowed 'dsops sandbox decisions | grep Condition'

say "private addresses in the condition: every caller is denied, and the check says why"
allowed 'dsops policy check --type trust private-addresses.json || [ $? = 6 ]'

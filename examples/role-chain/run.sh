#!/bin/sh
cd "$(dirname "$0")" && . ../show.sh
[ "${1:-}" = in-sandbox ] || exec dsops sandbox run --seed seed.yaml -- sh run.sh in-sandbox

say "the plan, which makes no call"
allowed 'dsops plan --env production'

say "both hops, one by one"
allowed 'dsops exec --verbose --env production -- printenv DATABASE_URL'

say "the target role trusts the jump role, not alice, whatever her own policies allow"
refused sts.access-denied 'dsops --config direct.yaml get --env production DATABASE_URL'
allowed 'dsops sandbox decisions'

say "a chained session lasts an hour, though the target role allows twelve; dsops reports that before any call"
refused config.limit 'dsops --config long.yaml plan --env production'

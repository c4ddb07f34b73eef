#!/bin/sh
cd "$(dirname "$0")" && . ../show.sh
[ "${1:-}" = in-sandbox ] || exec dsops sandbox run --seed seed.yaml -- sh run.sh in-sandbox

say "the broker opens a session for alice; CloudTrail records her calls under her name"
allowed 'export PERSON=alice'
allowed 'dsops whoami person | grep caller'
allowed 'dsops exec --env alice -- printenv TOKEN'

say "alice's session may not read bob's secret, though the broker may"
refused secret.access-denied 'dsops get --env bob TOKEN'

say "a session policy never allows more than the broker's own permissions"
refused secret.access-denied 'dsops --config wide.yaml get --env root TOKEN'

say "a name with a wildcard is refused, so it cannot widen the session policy"
refused config.limit 'PERSON="a*" dsops whoami person'

say "such a session can neither assume a role nor open another session"
allowed 'eval "$(dsops credentials person --format env)"'
refused config.limit 'PERSON=mallory dsops whoami person'

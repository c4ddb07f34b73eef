#!/bin/sh
cd "$(dirname "$0")" && . ../show.sh
[ "${1:-}" = in-sandbox ] || exec dsops sandbox run --seed seed.yaml -- sh run.sh in-sandbox

say "the broker makes a session for alice; what she does stands in CloudTrail under her name"
allowed 'export PERSON=alice'
allowed 'dsops whoami person | grep caller'
allowed 'dsops exec --env alice -- printenv TOKEN'

say "alice's session does not read bob's secret, though the broker may"
refused secret.access-denied 'dsops get --env bob TOKEN'

say "a session policy never gives more than the broker has"
refused secret.access-denied 'dsops --config wide.yaml get --env root TOKEN'

say "a name is a name: no pattern gets into the session policy by it"
refused config.limit 'PERSON="a*" dsops whoami person'

say "who has such a session can assume no role, nor make another session"
allowed 'eval "$(dsops credentials person --format env)"'
refused config.limit 'PERSON=mallory dsops whoami person'

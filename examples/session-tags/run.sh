#!/bin/sh
cd "$(dirname "$0")" && . ../show.sh
[ "${1:-}" = in-sandbox ] || exec dsops sandbox run --seed seed.yaml -- sh run.sh in-sandbox

say "a session of the blue team reads the blue team's secrets"
allowed 'export USER=alice TEAM=blue'
allowed 'dsops exec --env blue -- printenv KEY'

say "and no others"
refused secret.access-denied 'dsops get --env green KEY'

say "alice can't say that she is green: the trust policy compares the tag with hers"
refused sts.access-denied 'TEAM=green dsops get --env green KEY'
allowed 'dsops sandbox decisions | grep RequestTag'

say "nor that she is somebody else"
refused sts.access-denied 'USER=bob dsops get --env blue KEY'
allowed 'dsops sandbox decisions | grep SourceIdentity'

#!/bin/sh
cd "$(dirname "$0")" && . ../show.sh
[ "${1:-}" = in-sandbox ] || exec dsops sandbox run --seed seed.yaml -- sh run.sh in-sandbox

say "a session of the blue team reads the blue team's secrets"
allowed 'export USER=alice TEAM=blue'
allowed 'dsops exec --env blue -- printenv KEY'

say "it may not read another team's secrets"
refused secret.access-denied 'dsops get --env green KEY'

say "alice cannot set the tag to green: the trust policy compares it with her own tag"
refused sts.access-denied 'TEAM=green dsops get --env green KEY'
allowed 'dsops sandbox decisions | grep RequestTag'

say "alice cannot set another user's name as the source identity"
refused sts.access-denied 'USER=bob dsops get --env blue KEY'
allowed 'dsops sandbox decisions | grep SourceIdentity'

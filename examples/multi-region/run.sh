#!/bin/sh
cd "$(dirname "$0")" && . ../show.sh
[ "${1:-}" = in-sandbox ] || exec dsops sandbox run --seed seed.yaml -- sh run.sh in-sandbox

say "both regions' secrets for one command"
allowed 'dsops exec --env production -- printenv US_DATABASE EU_DATABASE'

say "one role with one session name: dsops assumes it once, because a session is valid in every region"
allowed 'dsops exec --verbose --env production -- true 2>&1 | grep hop'

say "the role's permissions name two regions"
refused secret.access-denied 'dsops --config elsewhere.yaml get --env elsewhere AP_DATABASE'

#!/bin/sh
cd "$(dirname "$0")" && . ../show.sh
[ "${1:-}" = in-sandbox ] || exec dsops sandbox run --seed seed.yaml -- sh run.sh in-sandbox

say "the role reads every secret"
allowed 'dsops exec --env whole -- printenv PROD_KEY STAGING_KEY'

say "with the session policy, the same role may read only production secrets"
allowed 'echo "$(dsops get --env restricted PROD_KEY)"'
refused secret.access-denied 'dsops get --env restricted STAGING_KEY'

say "a session policy with only Deny statements allows nothing"
refused secret.access-denied 'dsops get --env deny-only PROD_KEY'

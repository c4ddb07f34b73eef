#!/bin/sh
cd "$(dirname "$0")" && . ../show.sh
[ "${1:-}" = in-sandbox ] || exec dsops sandbox run --seed seed.yaml -- sh run.sh in-sandbox

export PROD_ACCOUNT_ID=123456789012

say "alice of the development account reads a secret of production"
allowed 'dsops whoami'
allowed 'dsops exec --env production -- printenv DATABASE_URL'

say "the role may read secrets under prod/, and no others"
refused secret.access-denied 'dsops get --env payroll PAYROLL_KEY'

say "the trust policy names the account; the user's own policy has to allow it, too"
allowed 'eval "$(dsops sandbox env --as bob)"'
refused sts.access-denied 'dsops whoami prod-access'

say "another account is not trusted, whatever its own policies allow"
allowed 'eval "$(dsops sandbox env --as mallory)"'
refused sts.access-denied 'dsops whoami prod-access'
allowed 'dsops sandbox decisions'

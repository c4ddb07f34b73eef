#!/bin/sh
cd "$(dirname "$0")" && . ../show.sh
[ "${1:-}" = in-sandbox ] || exec dsops sandbox run --seed seed.yaml -- sh run.sh in-sandbox

say "the vendor is allowed with the external ID, from its own addresses"
allowed 'export EXTERNAL_ID=unique-customer-id-12345'
allowed 'dsops exec --env customer -- printenv API_KEY'

say "no plan, error or log shows the external ID"
allowed 'dsops plan --env customer | grep external'

say "a wrong external ID: it is case-sensitive"
refused sts.access-denied 'EXTERNAL_ID=Unique-Customer-Id-12345 dsops get --env customer API_KEY'

say "the same keys and external ID from another address"
allowed 'eval "$(dsops sandbox env --as laptop)"'
refused sts.access-denied 'dsops get --env customer API_KEY'
allowed 'dsops sandbox decisions | grep SourceIp'

#!/bin/sh
cd "$(dirname "$0")" && . ../show.sh
[ "${1:-}" = in-sandbox ] || exec dsops sandbox run --seed seed.yaml -- sh run.sh in-sandbox

export PYTHONDONTWRITEBYTECODE=1

say "the function orders, with Lambda's variables; the second call reuses the session of the first"
allowed 'eval "$(dsops sandbox env --function-role Function --function orders)"'
allowed 'dsops whoami | grep caller'
allowed 'python invoke.py'

say "a function with another role is not trusted by the other account"
allowed 'eval "$(dsops sandbox env --function-role OtherFunction --function invoices)"'
refused sts.access-denied 'dsops whoami reader'

say "a function cannot have a role that does not trust Lambda"
refused sandbox.unavailable 'dsops sandbox env --function-role Reader'

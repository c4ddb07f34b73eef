#!/bin/sh
cd "$(dirname "$0")" && . ../show.sh
[ "${1:-}" = in-sandbox ] || exec dsops sandbox run --seed seed.yaml -- sh run.sh in-sandbox

FOLDER=$(mktemp -d)
export FOLDER
trap 'rm -rf "$FOLDER"' EXIT

say "a role with wide permissions, whose session may read only the environment's secrets"
allowed 'dsops plan --env power | grep -A1 PowerUserRole'
allowed 'dsops exec --env power -- printenv DATABASE_URL'

say "a command with that session cannot read another secret, though the role could"
refused secret.access-denied 'dsops exec --env power --credentials power -- dsops --config other.yaml get --env other PAYROLL_KEY'

say "a role for this environment: dsops generates its policies, which are those in Deploy/"
allowed 'dsops policy generate --env production --caller arn:aws:iam::111111111111:user/alice --out $FOLDER > /dev/null'
allowed 'diff $FOLDER/222222222222/Deploy.trust.json Deploy/trust-policy.json'
allowed 'diff $FOLDER/222222222222/Deploy.permissions.json Deploy/permissions.json'
allowed 'dsops exec --env production -- printenv DATABASE_URL'
refused secret.access-denied 'dsops exec --env production --credentials deploy -- dsops --config other.yaml get --env other PAYROLL_KEY'

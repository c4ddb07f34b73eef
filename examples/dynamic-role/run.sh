#!/bin/sh
cd "$(dirname "$0")" && . ../show.sh
[ "${1:-}" = in-sandbox ] || exec dsops sandbox run --seed seed.yaml -- sh run.sh in-sandbox

say "one dsops.yaml, two stages"
allowed 'export AWS_REGION=eu-west-1 EXTERNAL_ID=deploy-4c1f'
allowed 'TARGET_ROLE_ARN=arn:aws:iam::111111111111:role/Deploy dsops exec --env app -- printenv DATABASE_URL'
allowed 'TARGET_ROLE_ARN=arn:aws:iam::222222222222:role/Deploy dsops exec --env app -- printenv DATABASE_URL'

say "an unset variable is an error with name and line, before any call"
refused config.variable-unset 'dsops exec --env app -- printenv DATABASE_URL'

say "a value that is not a role's ARN is an error, too"
refused config.limit 'TARGET_ROLE_ARN=arn:aws:iam::1111:role/Deploy dsops exec --env app -- printenv DATABASE_URL'

say "the trust policy allows AssumeRole in one region only"
export TARGET_ROLE_ARN=arn:aws:iam::222222222222:role/Deploy
refused sts.access-denied 'AWS_REGION=us-east-1 dsops exec --env app -- printenv DATABASE_URL'

#!/bin/sh
cd "$(dirname "$0")" && . ../show.sh
[ "${1:-}" = in-sandbox ] || exec dsops sandbox run --seed seed.yaml -- sh run.sh in-sandbox

export ASSUME_ROLE_ARN=arn:aws:iam::987654321098:role/CrossAccountAccess

say "the container's environment: no access key, but the URL of the task role's credentials"
eval "$(dsops sandbox env --container-role EcsTaskRole)"
allowed 'env | grep -e ^AWS_CONTAINER -e ^AWS_ACCESS | cut -d= -f1 | sort'
allowed 'dsops whoami'

say "the task reads the other account's secret"
allowed 'dsops exec --env production -- printenv DATABASE_URL'

say "a task of another service, with the same permissions, is not trusted there"
eval "$(dsops sandbox env --container-role OtherTaskRole)"
refused sts.access-denied 'dsops exec --env production -- printenv DATABASE_URL'

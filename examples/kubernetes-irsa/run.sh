#!/bin/sh
cd "$(dirname "$0")" && . ../show.sh
[ "${1:-}" = in-sandbox ] || exec dsops sandbox run --seed seed.yaml -- sh run.sh in-sandbox

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# The variables that EKS sets in a pod whose service account is annotated with the role; there is no access key.
unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
export AWS_ROLE_ARN=arn:aws:iam::123456789012:role/App AWS_WEB_IDENTITY_TOKEN_FILE="$folder/token"

say "a pod of the service account app in the namespace shop"
allowed 'dsops sandbox token --sub system:serviceaccount:shop:app > $AWS_WEB_IDENTITY_TOKEN_FILE'
allowed 'dsops exec --env production -- printenv DATABASE_URL'

say "a pod of another service account, or of another namespace"
allowed 'dsops sandbox token --sub system:serviceaccount:shop:default > $AWS_WEB_IDENTITY_TOKEN_FILE'
refused sts.access-denied 'dsops exec --env production -- printenv DATABASE_URL'
allowed 'dsops sandbox token --sub system:serviceaccount:test:app > $AWS_WEB_IDENTITY_TOKEN_FILE'
refused sts.access-denied 'dsops exec --env production -- printenv DATABASE_URL'
allowed 'dsops sandbox decisions | grep :sub'

say "an expired token is refused; EKS replaces the file before the token expires"
allowed 'dsops sandbox token --sub system:serviceaccount:shop:app > $AWS_WEB_IDENTITY_TOKEN_FILE'
allowed 'dsops sandbox clock --advance 600 > /dev/null'
refused sts.refused 'dsops exec --env production -- printenv DATABASE_URL'
allowed 'dsops sandbox token --sub system:serviceaccount:shop:app > $AWS_WEB_IDENTITY_TOKEN_FILE'
allowed 'dsops exec --env production -- printenv DATABASE_URL'

#!/bin/sh
cd "$(dirname "$0")" && . ../show.sh
[ "${1:-}" = in-sandbox ] || exec dsops sandbox run --seed seed.yaml -- sh run.sh in-sandbox

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mounted="$folder/pods.eks.amazonaws.com/serviceaccount"  # in a pod it is in /var/run/secrets
mkdir -p "$mounted"

# in_pod NAMESPACE/SERVICE-ACCOUNT: sets the variables of a container in such a pod; the token is in a file.
in_pod() {
    eval "$(dsops sandbox env --pod-role App --service-account "$1")"
    printf %s "$AWS_CONTAINER_AUTHORIZATION_TOKEN" > "$mounted/eks-pod-identity-token"
    unset AWS_CONTAINER_AUTHORIZATION_TOKEN
    export AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE="$mounted/eks-pod-identity-token"
}

say "a pod of the service account app in the namespace shop uses a role without an access key"
in_pod shop/app
allowed 'dsops whoami'
allowed 'dsops exec --env production -- printenv DATABASE_URL'

say "another namespace's secret is denied: the role's permissions compare the session's namespace tag"
refused secret.access-denied 'dsops exec --env billing -- printenv DATABASE_URL'

say "a pod of another service account is denied"
in_pod shop/default
refused credentials.ambient-failed 'dsops exec --env production -- printenv DATABASE_URL'
allowed 'dsops sandbox decisions | grep service-account'

#!/usr/bin/env bash
# Gives later steps the session of a store, or of the role that the inputs name: masked first, then exported.
set -euo pipefail

if [[ -n $INPUT_ROLE_TO_ASSUME ]]; then
    dsops --config="$GITHUB_ACTION_PATH/ci/github/role.yaml" credentials role --format github
    # check.sh has seen to it that it is a region and no more.
    printf 'AWS_REGION=%s\nAWS_DEFAULT_REGION=%s\n' "$INPUT_AWS_REGION" "$INPUT_AWS_REGION" >>"$GITHUB_ENV"
else
    # The environment decides what a session with `session_policy: auto` may do.
    dsops ${INPUT_CONFIG:+"--config=$INPUT_CONFIG"} credentials "$INPUT_CREDENTIALS" ${INPUT_ENV:+"--env=$INPUT_ENV"} \
        --format github
fi
echo 'exported=true' >>"$GITHUB_OUTPUT"

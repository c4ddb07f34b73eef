#!/usr/bin/env bash
# Exports the session of a store, or of the role in the inputs, to later steps: masks it first, then exports it.
set -euo pipefail

if [[ -n $INPUT_ROLE_TO_ASSUME ]]; then
    dsops --config="$GITHUB_ACTION_PATH/ci/github/role.yaml" credentials role --format github
    # check.sh has validated the region.
    printf 'AWS_REGION=%s\nAWS_DEFAULT_REGION=%s\n' "$INPUT_AWS_REGION" "$INPUT_AWS_REGION" >>"$GITHUB_ENV"
else
    # The environment determines the policy of a session with `session_policy: auto`.
    dsops ${INPUT_CONFIG:+"--config=$INPUT_CONFIG"} credentials "$INPUT_CREDENTIALS" ${INPUT_ENV:+"--env=$INPUT_ENV"} \
        --format github
fi
echo 'exported=true' >>"$GITHUB_OUTPUT"

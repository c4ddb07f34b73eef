#!/usr/bin/env bash
# Runs the command with the variables of the environment and the requested session, with secrets masked in the log.
set -euo pipefail

command=(bash --noprofile --norc -eo pipefail -c "$INPUT_COMMAND")
with=()
[[ -z $INPUT_CREDENTIALS || $INPUT_EXPORTED == true ]] || with=("--credentials=$INPUT_CREDENTIALS")

# The job's own DSOPS_ENV applies to dsops.yaml, not to role.yaml.
environment=${INPUT_ENV:-${DSOPS_ENV-}}
config=${INPUT_CONFIG:-${DSOPS_CONFIG-}}
unset DSOPS_ENV DSOPS_CONFIG

if [[ -z $INPUT_ROLE_TO_ASSUME || -n $environment || -n $config ]]; then
    command=(
        dsops ${config:+"--config=$config"} exec --mask ${environment:+"--env=$environment"} ${with[@]+"${with[@]}"}
        -- "${command[@]}"
    )
fi
if [[ -n $INPUT_ROLE_TO_ASSUME && $INPUT_EXPORTED != true ]]; then
    command=(
        dsops --config="$GITHUB_ACTION_PATH/ci/github/role.yaml" exec --mask --credentials=role -- "${command[@]}"
    )
fi
exec "${command[@]}"

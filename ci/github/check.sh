#!/usr/bin/env bash
# Rejects contradicting or ineffective inputs before any session or secret is fetched.
set -euo pipefail

fail() {
    printf '::error title=dsops::%s\n' "$1"
    exit 1
}

case $INPUT_EXPORT in
    true | false) ;;
    *) fail "the input export is either true or false" ;;
esac
if [[ -n $INPUT_CREDENTIALS && -n $INPUT_ROLE_TO_ASSUME ]]; then
    fail "give either credentials or role-to-assume: each is the session that is wanted"
fi
if [[ -n $INPUT_ROLE_TO_ASSUME && ! $INPUT_AWS_REGION =~ ^[a-z]{2,}(-[a-z0-9]+)+$ ]]; then
    fail "role-to-assume needs an aws-region, such as us-east-1"
fi
if [[ $INPUT_CREDENTIALS == -* ]]; then
    fail "the input credentials is the name of a store, and begins with a letter"
fi
if [[ $INPUT_EXPORT == false && -z $INPUT_COMMAND && -n $INPUT_ENV$INPUT_CREDENTIALS$INPUT_ROLE_TO_ASSUME ]]; then
    fail "nothing would get what is asked for: give a command, or export: true for the steps that follow"
fi

#!/usr/bin/env bash
# Try dsops and other tools on the same tasks against the sandbox. Tools that are not on PATH are skipped.
#   dsops sandbox run --seed bench/peers.yaml --as alice -- bash bench/peers.sh [TOOL ...]
# TOOL: dsops, awsume, aws-vault, granted, chamber, fnox. docs/explanation/beside-other-tools.md has the results.
set -u
unset PYTHONDONTWRITEBYTECODE
unset AWS_CONFIG_FILE AWS_SHARED_CREDENTIALS_FILE      # the sandbox empties both; here they are the user's
case ${AWS_ENDPOINT_URL:-} in http://127.0.0.1:*) ;; *) echo "run this in a sandbox" >&2; exit 2 ;; esac

SEED=$(cd "$(dirname "$0")" && pwd)/peers.yaml
HOME=$(mktemp -d) && export HOME && cd "$HOME" || exit 2
finish() { dsops agent stop > /dev/null 2>&1; rm -rf "$HOME"; }
trap finish EXIT

mkdir .aws
KEY_ID=$AWS_ACCESS_KEY_ID SECRET=$AWS_SECRET_ACCESS_KEY
unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
printf '[alice]\naws_access_key_id = %s\naws_secret_access_key = %s\n' "$KEY_ID" "$SECRET" > .aws/credentials
role() { printf '[profile %s]\nregion = us-east-1\nsource_profile = alice\nrole_arn = arn:aws:iam::123456789012:role/%s\n' "$@"; }
DEVICE=arn:aws:iam::123456789012:mfa/alice-phone
{
    printf '[profile alice]\nregion = us-east-1\n'
    role deploy Deploy
    role closed Closed
    for name in Admin Operator; do role ${name,,} $name; echo "mfa_serial = $DEVICE"; done
} > .aws/config

task() { printf '\n--- %s: %s\n' "$tool" "$*"; SEEN=$(events | wc -l); }
events() { dsops sandbox events --last 0 --json | grep -o '"eventName": *"[A-Za-z]*"'; }
calls() { echo "calls to AWS: $(events | tail -n +$((SEEN + 1)) | sort | uniq -c | tr -s '\n ' ' ')"; }
hide() { sed -E 's/((KEY_ID|ACCESS_KEY|TOKEN|AccessKeyId|SecretAccessKey|SessionToken)[":= ]+"?.{4})[^",]*/\1.../'; }
code() { dsops sandbox clock --advance 60 > /dev/null; dsops sandbox totp $DEVICE; }    # AWS takes a code only once
tokens() { grep -rlE 'SAND[A-Za-z0-9+/=]{30}' "$HOME" | sed "s|$HOME|~|"; echo "(end of the files with a session token)"; }
caller='aws sts get-caller-identity --query Arn --output text'

twenty() {          # the same command in 20 processes at once
    for _ in $(seq 20); do { "$@" > /dev/null 2>&1 || echo failed >> failures; } & done
    wait
    echo "failed: $(cat failures 2> /dev/null | wc -l)"; rm -f failures
}

medians() {         # median CPU time of 21 alternating runs of two commands, which a loaded machine falsifies less than wall time
    local TIMEFORMAT='%3U %3S'
    for _ in $(seq 21); do
        for which in "$1" "$2"; do { time $which > /dev/null 2>&1; } 2>> "times-${which%% *}"; done
    done
    for which in "$1" "$2"; do
        echo "$which: $(awk '{print ($1 + $2) * 1000}' "times-${which%% *}" | sort -n | sed -n 11p) ms of CPU"; rm "times-${which%% *}"
    done
}

try_dsops() {
    task a profile; dsops exec deploy -- $caller; calls
    task the same again; dsops exec deploy -- true; calls
    task 20 at once, cold; dsops agent stop > /dev/null; SEEN=$(events | wc -l); twenty dsops exec deploy -- true; calls
    task MFA once for two roles
    (sleep 3; code) | script -qec "dsops exec admin -- true" /dev/null; echo "exit code $?"
    dsops exec operator -- true < /dev/null; echo "second role, without a code: exit code $?"; calls
    task credential_process; dsops credentials --format process deploy | hide
    task a session that is renewed; dsops exec --serve deploy -- $caller
    task many stores; dsops each 'deploy*' alice -- $caller
    task the console; dsops console deploy --endpoint "$AWS_ENDPOINT_URL/_sandbox/federation" | cut -c1-60
    task a denial; dsops explain closed --policies "$SEED"; echo "exit code $?"
    task a mistyped name; dsops exec deplyo -- true; echo "exit code $?"
    task masking; dsops exec --mask deploy -- sh -c 'echo "$AWS_SECRET_ACCESS_KEY"'
    task audit trail; dsops audit --sandbox | head -5
    task what is on disk; tokens
}

try_awsume() {
    mkdir -p .awsume; touch .bashrc
    task a profile; (. awsume deploy; $caller; env | grep -E '^AWS(UME|_PROF|_SESS)' | hide); calls
    task the same again; awsumepy deploy > /dev/null; calls
    task 20 at once, cold; twenty awsumepy deploy; calls
    task MFA once for two roles
    awsumepy --mfa-token "$(code)" admin > /dev/null; echo "exit code $?"
    awsumepy operator > /dev/null < /dev/null; echo "second role, without a code: exit code $?"; calls
    task a denial; awsumepy closed; echo "exit code $?"
    task a mistyped name; awsumepy deplyo; echo "exit code $?"
    task what is on disk; tokens
    task CPU time, with the MFA session of both cached; dsops exec deploy -- true
    medians "awsumepy admin" "dsops exec deploy -- true"
}

try_aws-vault() {
    export AWS_VAULT_BACKEND=file AWS_VAULT_FILE_PASSPHRASE=invented AWS_VAULT_PROMPT=terminal
    AWS_ACCESS_KEY_ID=$KEY_ID AWS_SECRET_ACCESS_KEY=$SECRET aws-vault add --env alice
    task a profile; aws-vault exec deploy -- $caller; calls
    task the same again; aws-vault exec deploy -- true; calls
    task 20 at once, cold; aws-vault clear > /dev/null; twenty aws-vault exec deploy -- true; calls
    task MFA once for two roles
    aws-vault exec --mfa-token "$(code)" admin -- true; echo "exit code $?"
    aws-vault exec operator -- true < /dev/null; echo "second role, without a code: exit code $?"; calls
    task credential_process; aws-vault export --format=json deploy | hide
    task a nested shell; AWS_VAULT=deploy aws-vault exec deploy -- true; echo "exit code $?"
    task a denial; aws-vault exec closed -- true; echo "exit code $?"
    task a mistyped name; aws-vault exec deplyo -- true; echo "exit code $?"
    task what is on disk; tokens
    task CPU time of a warm exec; aws-vault exec alice -- true; dsops exec alice -- true
    medians "aws-vault exec alice -- true" "dsops exec alice -- true"
}

try_chamber() {
    export CHAMBER_KMS_KEY_ALIAS=aws/ssm
    eval "$(dsops credentials --format env deploy)"
    task write, change, history; echo first | chamber write app key -; echo second | chamber write app key -
    chamber history app key; chamber read app key --version 1 --quiet; calls
    task exec; chamber exec app -- sh -c 'echo "$KEY"'; calls
    task a secret that is missing; chamber read app nothing; echo "exit code $?"
    task 20 at once; twenty chamber exec app -- true; calls
    unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN
}

try_granted() {
    local keyring='[Keyring]\nBackend = "file"\nFileDir = "%s/keys"\n'
    for folder in .granted .dgranted; do          # the second is the folder of builds without a release's flags
        mkdir $folder; printf 'DefaultBrowser = "STDOUT"\nDisableUsageTips = true\n'"$keyring" "$HOME" > $folder/config
    done
    ln -s "$(command -v granted)" assumego; export GRANTED_ALIAS_CONFIGURED=true
    assume() { (sleep 2; echo invented; sleep 2; echo invented; sleep 4) | timeout 12 script -qec "./assumego $*" /dev/null; echo; }
    task a profile; assume deploy | hide; calls
    task the same again; assume deploy | hide; calls
    task a denial; assume closed
    task what is on disk; tokens
}

try_fnox() {
    printf '%s\n' '[providers]' 'aws = { type = "aws-sm", region = "us-east-1" }' '[secrets]' \
        'TOKEN = { provider = "aws", value = "app/token" }' > fnox.toml
    export AWS_PROFILE=deploy
    task a secret with a profile; fnox get TOKEN; calls
    task exec; fnox exec -- sh -c 'echo "$TOKEN"'; calls
    task 20 at once; twenty fnox exec -- true; calls
    task set; echo "changed" | fnox set TOKEN --key-name app/token; fnox get TOKEN; calls
    task a mistyped name; fnox get TOKNE; echo "exit code $?"
    printf '%s\n' '[leases.aws]' 'type = "aws-sts"' 'region = "us-east-1"' \
        'role_arn = "arn:aws:iam::123456789012:role/Deploy"' > fnox.toml
    export AWS_PROFILE=alice
    task a lease; fnox exec -- $caller; calls
    task the same again; fnox exec -- true; calls
    task masking; fnox exec -- sh -c 'echo "$AWS_SECRET_ACCESS_KEY"' | cut -c1-4
    task what is on disk; tokens
    task CPU time of a warm exec; dsops exec deploy -- true
    medians "fnox exec -- true" "dsops exec deploy -- true"; unset AWS_PROFILE
}

for tool in ${*:-dsops awsume aws-vault granted chamber fnox}; do
    if command -v "$tool" > /dev/null; then "try_$tool"; else echo "--- $tool is not on PATH"; fi
done

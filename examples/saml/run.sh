#!/bin/sh
cd "$(dirname "$0")" && . ../show.sh
[ "${1:-}" = in-sandbox ] || exec dsops sandbox run --seed seed.yaml -- sh run.sh in-sandbox

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export SAML_ASSERTION="$folder/response" ROLE=arn:aws:iam::123456789012:role/Deploy
unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY

say "a response for alice of the blue team"
allowed 'dsops sandbox saml --role $ROLE --session-name alice --tag team=blue --out $SAML_ASSERTION'
allowed 'dsops exec --env production -- printenv DATABASE_URL'
allowed 'dsops whoami deploy | grep caller'

say "a response for bob of the red team: the trust policy denies it"
allowed 'dsops sandbox saml --role $ROLE --session-name bob --tag team=red --out $SAML_ASSERTION'
refused sts.access-denied 'dsops exec --env production -- printenv DATABASE_URL'
allowed 'dsops sandbox decisions | grep RequestTag'

say "bob changes a word in his response: the signature is invalid"
base64 -d "$SAML_ASSERTION" | sed 's/>red</>blue</' | base64 > "$folder/changed"
refused sts.refused 'SAML_ASSERTION=${SAML_ASSERTION%/*}/changed dsops exec --env production -- printenv DATABASE_URL'

say "a response is valid for five minutes"
allowed 'dsops sandbox saml --role $ROLE --session-name alice --tag team=blue --out $SAML_ASSERTION'
allowed 'dsops sandbox clock --advance 301 > /dev/null'
refused sts.refused 'dsops exec --env production -- printenv DATABASE_URL'

#!/bin/sh
cd "$(dirname "$0")" && . ../show.sh
[ "${1:-}" = in-sandbox ] || exec dsops sandbox run --seed seed.yaml -- sh run.sh in-sandbox

# A login writes its token to ~/.aws/sso/cache, which the AWS CLI uses, too. This example has a home folder of its own.
HOME=$(mktemp -d)
export HOME
trap 'rm -rf "$HOME"' EXIT
unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY

say "before a login"
refused sso.login-required 'dsops exec --env production -- printenv DATABASE_URL'

say "alice logs in; the sandbox acts as her browser"
allowed 'export BROWSER="dsops sandbox approve --user alice %s"'
allowed 'dsops login reader 2> /dev/null'
allowed 'dsops exec --env production -- printenv DATABASE_URL'
allowed 'dsops whoami reader'

say "one login gives all permission sets of alice; this one is not assigned to her"
refused sso.not-assigned 'dsops whoami administrator'

say "after the logout there is no session for her any more"
allowed 'dsops logout reader'
refused sso.login-required 'dsops exec --env production -- printenv DATABASE_URL'

say "bob has the other permission set, too"
allowed 'BROWSER="dsops sandbox approve --user bob %s" dsops login 2> /dev/null'
allowed 'dsops whoami administrator | grep caller'

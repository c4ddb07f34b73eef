#!/bin/sh
cd "$(dirname "$0")" && . ../show.sh
[ "${1:-}" = in-sandbox ] || exec dsops sandbox run --seed seed.yaml -- sh run.sh in-sandbox

say "the access key alone, as a thief would have it"
refused sts.access-denied 'dsops --config without-mfa.yaml get --env production DATABASE_URL'

say "one code for two roles"
allowed 'export MFA_TOKEN=$(dsops sandbox totp arn:aws:iam::123456789012:mfa/alice)'
allowed 'dsops exec --env production -- printenv DATABASE_URL AUDIT_KEY'

say "the session in a shell: AWS shows the user as its caller"
allowed 'dsops sandbox clock --advance 30 > /dev/null'
allowed 'export MFA_TOKEN=$(dsops sandbox totp arn:aws:iam::123456789012:mfa/alice)'
allowed 'eval "$(dsops credentials mfa --format env)"'
allowed 'dsops whoami'
allowed 'echo "$(dsops --config without-mfa.yaml get --env production AUDIT_KEY)"'

say "three hours later one role still accepts the session, the other requires a newer code"
allowed 'dsops sandbox clock --advance 10800 > /dev/null'
allowed 'echo "$(dsops --config without-mfa.yaml get --env production DATABASE_URL)"'
refused sts.access-denied 'dsops --config without-mfa.yaml get --env production AUDIT_KEY'
allowed 'dsops sandbox decisions | grep -o "MultiFactorAuthAge wants [0-9]*"'

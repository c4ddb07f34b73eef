#!/bin/sh
cd "$(dirname "$0")" && . ../show.sh
[ "${1:-}" = in-sandbox ] || exec dsops sandbox run --seed seed.yaml -- sh run.sh in-sandbox

say "without an MFA device"
refused sts.access-denied 'dsops --config without-mfa.yaml get --env emergency ROOT_PASSWORD'

say "with a device, but without a code and without a terminal for a prompt"
allowed 'export MFA_DEVICE_ARN=arn:aws:iam::123456789012:mfa/alice'
refused mfa.required 'dsops get --env emergency ROOT_PASSWORD < /dev/null'

say "with a wrong code"
refused mfa.refused 'MFA_TOKEN=000000 dsops get --env emergency ROOT_PASSWORD'

say "with the device's current code"
allowed 'export MFA_TOKEN=$(dsops sandbox totp $MFA_DEVICE_ARN)'
allowed 'dsops exec --env emergency -- printenv ROOT_PASSWORD'

say "AWS accepts a code only once"
refused mfa.refused 'dsops exec --env emergency -- printenv ROOT_PASSWORD'

say "with the next code: a command uses the role, and 15 minutes later the session has expired"
allowed 'dsops sandbox clock --advance 30 > /dev/null'
allowed 'export MFA_TOKEN=$(dsops sandbox totp $MFA_DEVICE_ARN)'
refused credentials.expired 'dsops exec --credentials break-glass -- sh emergency.sh'

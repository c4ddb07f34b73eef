#!/bin/sh
cd "$(dirname "$0")" && . ../show.sh
[ "${1:-}" = in-sandbox ] || exec dsops sandbox run --seed seed.yaml -- sh run.sh in-sandbox

say "AssumeRoot: a session of a member account's root user, for one task and 15 minutes"
allowed 'export MEMBER_ACCOUNT=222222222222'
allowed 'dsops whoami audit'
allowed 'dsops exec --credentials audit -- python audit.py'

say "another task is denied: the security team has read access only"
refused access-denied 'dsops whoami unlock-bucket'

say "another member account is denied: the team's permissions name one account"
refused access-denied 'MEMBER_ACCOUNT=333333333333 dsops whoami audit'

say "the on-call user may unlock a bucket in every member account, but not outside of the organization"
allowed 'eval "$(dsops sandbox env --as on-call)"'
allowed 'MEMBER_ACCOUNT=333333333333 dsops whoami unlock-bucket | grep caller'
refused access-denied 'MEMBER_ACCOUNT=999999999999 dsops whoami unlock-bucket'

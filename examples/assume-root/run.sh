#!/bin/sh
cd "$(dirname "$0")" && . ../show.sh
[ "${1:-}" = in-sandbox ] || exec dsops sandbox run --seed seed.yaml -- sh run.sh in-sandbox

say "the root user of a member, for one task and 15 minutes"
allowed 'export MEMBER_ACCOUNT=222222222222'
allowed 'dsops whoami audit'
allowed 'dsops exec --credentials audit -- python audit.py'

say "another task: the security team may only look"
refused access-denied 'dsops whoami unlock-bucket'

say "another member: the team's permissions name one"
refused access-denied 'MEMBER_ACCOUNT=333333333333 dsops whoami audit'

say "the on-call person may unlock a bucket, in every member; not in an account outside of the organization"
allowed 'eval "$(dsops sandbox env --as on-call)"'
allowed 'MEMBER_ACCOUNT=333333333333 dsops whoami unlock-bucket | grep caller'
refused access-denied 'MEMBER_ACCOUNT=999999999999 dsops whoami unlock-bucket'

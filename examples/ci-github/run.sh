#!/bin/sh
cd "$(dirname "$0")" && . ../show.sh
[ "${1:-}" = in-sandbox ] || exec dsops sandbox run --seed seed.yaml -- sh run.sh in-sandbox

say "a job on main has the runner's variables and no access key"
allowed 'eval "$(dsops sandbox env --github-repository org/app --github-ref refs/heads/main)"'
allowed 'dsops exec --env production -- ./deploy.sh'

say "another branch of the same repository"
allowed 'eval "$(dsops sandbox env --github-repository org/app --github-ref refs/heads/try)"'
refused sts.access-denied 'dsops exec --env production -- ./deploy.sh'

say "another repository"
allowed 'eval "$(dsops sandbox env --github-repository somebody/app)"'
refused sts.access-denied 'dsops exec --env production -- ./deploy.sh'
allowed 'dsops sandbox decisions | grep :sub'

say "a job without permissions: {id-token: write}"
allowed 'unset ACTIONS_ID_TOKEN_REQUEST_URL ACTIONS_ID_TOKEN_REQUEST_TOKEN'
refused credentials.none 'dsops exec --env production -- ./deploy.sh'

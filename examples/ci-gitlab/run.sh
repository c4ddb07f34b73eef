#!/bin/sh
cd "$(dirname "$0")" && . ../show.sh
[ "${1:-}" = in-sandbox ] || exec dsops sandbox run --seed seed.yaml -- sh run.sh in-sandbox

# A job has no access key, only the token that its `id_tokens` requests.
unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY

say "a job on main"
allowed 'export GITLAB_OIDC_TOKEN=$(dsops sandbox token --sub project_path:org/app:ref_type:branch:ref:main)'
allowed 'dsops exec --env production -- ./deploy.sh'

say "a job of a merge request, or of a fork"
allowed 'export GITLAB_OIDC_TOKEN=$(dsops sandbox token --sub project_path:org/app:ref_type:branch:ref:try)'
refused sts.access-denied 'dsops exec --env production -- ./deploy.sh'
allowed 'export GITLAB_OIDC_TOKEN=$(dsops sandbox token --sub project_path:somebody/app:ref_type:branch:ref:main)'
refused sts.access-denied 'dsops exec --env production -- ./deploy.sh'

say "a token for another audience than AWS"
allowed 'export GITLAB_OIDC_TOKEN=$(dsops sandbox token --sub project_path:org/app:ref_type:branch:ref:main --aud vault)'
refused sts.refused 'dsops exec --env production -- ./deploy.sh'

say "an expired token: GitLab's is valid for the job's timeout, this one for five minutes"
allowed 'export GITLAB_OIDC_TOKEN=$(dsops sandbox token --sub project_path:org/app:ref_type:branch:ref:main)'
allowed 'dsops sandbox clock --advance 600 > /dev/null'
refused sts.refused 'dsops exec --env production -- ./deploy.sh'

say "a job without id_tokens"
allowed 'unset GITLAB_OIDC_TOKEN'
refused credentials.none 'dsops exec --env production -- ./deploy.sh'

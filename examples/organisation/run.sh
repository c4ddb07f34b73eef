#!/bin/sh
cd "$(dirname "$0")" && . ../show.sh

# found COMMAND: the command must find something, with exit code 6.
found() {
    printf '$ %s\n' "$1"
    code=0
    eval "$1" || code=$?
    [ "$code" = 6 ] || surprise "that should have found something"
}

if [ "${1:-}" = in-sandbox ]; then
    eval "$(dsops sandbox env --as ada)"
    allowed 'dsops exec --env payments -- printenv DATABASE_URL'
    exit
fi

say "1: what can anyone do? A role trusts every workflow of GitHub"
found 'dsops access public --from seed.yaml'

say "2: what can other companies do? A vendor needs no external ID, and may do more than monitor"
allowed 'dsops access external --from seed.yaml'
allowed 'dsops access what-can role/VendorMonitoring --from seed.yaml'

say "3: who can read the payments database? A developer, through two roles"
allowed 'dsops access who-can secretsmanager:GetSecretValue prod/payments/db --from seed.yaml'

say "a local AWS agrees: ada gets the value"
dsops sandbox run --seed seed.yaml -- sh run.sh in-sandbox

say "4: who can become more than it is? A role passes an administrator's role to a function of its own"
allowed 'dsops access escalations --from seed.yaml --prove'

say "a pull request changes the trust of a role: what does it open and close?"
found 'dsops access diff --plan pull-request.json --from seed.yaml --fail-on new-access'

#!/bin/sh
cd "$(dirname "$0")" && . ../show.sh
[ "${1:-}" = in-sandbox ] || exec dsops sandbox run --seed seed.yaml -- sh run.sh in-sandbox

export SERVICE_NAME=billing

say "customer one: its role, its external ID"
allowed 'export CUSTOMER_ROLE_ARN=arn:aws:iam::111111111111:role/CustomerAccess CUSTOMER_EXTERNAL_ID=customer-one-7f3c9a'
allowed 'dsops exec --env customer -- printenv API_KEY'

say "customer two, with the same dsops.yaml"
allowed 'export CUSTOMER_ROLE_ARN=arn:aws:iam::222222222222:role/CustomerAccess CUSTOMER_EXTERNAL_ID=customer-two-e81b44'
allowed 'dsops exec --env customer -- printenv API_KEY'

say "the customer sees the service and the time in each session's name"
allowed 'dsops whoami customer-access'

say "customer two registers customer one's role: the service sends customer two's external ID, and is denied"
allowed 'export CUSTOMER_ROLE_ARN=arn:aws:iam::111111111111:role/CustomerAccess'
refused sts.access-denied 'dsops exec --env customer -- printenv API_KEY'

say "a customer record without an external ID is an error before any call"
allowed 'unset CUSTOMER_EXTERNAL_ID'
refused config.variable-unset 'dsops exec --env customer -- printenv API_KEY'

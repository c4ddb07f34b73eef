#!/bin/sh
echo "deploys with ${DATABASE_URL%%@*}"

# Run once for each service account: associates it with a role.
aws eks create-pod-identity-association --cluster-name production \
    --namespace shop --service-account app --role-arn arn:aws:iam::123456789012:role/App

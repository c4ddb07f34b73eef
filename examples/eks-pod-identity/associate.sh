# Once for each service account: which role its pods work as.
aws eks create-pod-identity-association --cluster-name production \
    --namespace shop --service-account app --role-arn arn:aws:iam::123456789012:role/App

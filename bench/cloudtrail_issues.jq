# Files of CloudTrail, one after the other -> a short line for each record of a call for credentials.
def account: if startswith("arn:") then split(":")[4] else "" end;
def spoken: strptime("%b %d, %Y, %I:%M:%S %p") | mktime;
def principal:
  (.sessionContext.sessionIssuer.arn // "") as $issuer
  | if .type == "AssumedRole" and $issuer != "" then
      if ($issuer | split("/")[-1] | startswith("AWSReservedSSO_")) then .arn else $issuer end
    elif .type == "WebIdentityUser" or .type == "SAMLUser" then .principalId
    elif .arn then .arn
    elif .type == "AWSAccount" then "\(.accountId)/\(.principalId | split(":")[0])"
    else .invokedBy // .principalId // "unknown" end;
.Records[]
| select(.eventSource == "sts.amazonaws.com"
    and (.eventName | IN("AssumeRole", "AssumeRoleWithSAML", "AssumeRoleWithWebIdentity", "AssumeRoot",
                         "GetSessionToken", "GetFederationToken")))
| (.requestParameters.roleArn
    // (if .eventName == "AssumeRoot" and .requestParameters.targetPrincipal then
          .requestParameters.targetPrincipal
          | (if startswith("arn:") then account else . end) | "arn:aws:iam::\(.):root"
        else .eventName end)) as $role
| (.errorCode == null and .responseElements.credentials.accessKeyId != null) as $given
| [
    .sharedEventID // .eventID,
    .userIdentity.arn != null,
    $role,
    (.userIdentity | principal),
    .userIdentity.accountId // "",
    ($role | account),
    .errorCode // "",
    $given,
    (if $given then
       .requestParameters.durationSeconds
       // ((.responseElements.credentials.expiration | spoken) - (.eventTime | fromdateiso8601))
     else null end)
  ]

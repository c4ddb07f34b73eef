"""The pages of the AWS console by service, for `dsops console --service`."""

from __future__ import annotations

from dsops.errors import UsageError, nearest

# Maps a service to the path and fragment of its page in the AWS console.
_PAGES = {
    "access-analyzer": "access-analyzer/home",
    "acm": "acm/home",
    "amplify": "amplify/home",
    "apigateway": "apigateway/home",
    "apprunner": "apprunner/home",
    "appsync": "appsync/home",
    "athena": "athena/home",
    "backup": "backup/home",
    "batch": "batch/home",
    "bedrock": "bedrock/home",
    "billing": "billing/home",
    "budgets": "billing/home#/budgets",
    "cloudformation": "cloudformation/home",
    "cloudfront": "cloudfront/home",
    "cloudshell": "cloudshell/home",
    "cloudtrail": "cloudtrail/home",
    "cloudwatch": "cloudwatch/home",
    "codebuild": "codesuite/codebuild/projects",
    "codecommit": "codesuite/codecommit/repositories",
    "codedeploy": "codesuite/codedeploy/applications",
    "codepipeline": "codesuite/codepipeline/pipelines",
    "cognito": "cognito/home",
    "config": "config/home",
    "cost-explorer": "cost-management/home#/cost-explorer",
    "dms": "dms/v2/home",
    "dynamodb": "dynamodbv2/home",
    "ec2": "ec2/home",
    "ecr": "ecr/repositories",
    "ecs": "ecs/v2/clusters",
    "efs": "efs/home",
    "eks": "eks/home",
    "elasticache": "elasticache/home",
    "elasticbeanstalk": "elasticbeanstalk/home",
    "emr": "emr/home",
    "eventbridge": "events/home",
    "firehose": "firehose/home",
    "fsx": "fsx/home",
    "glue": "glue/home",
    "guardduty": "guardduty/home",
    "health": "health/home",
    "iam": "iam/home",
    "inspector": "inspector/v2/home",
    "iot": "iot/home",
    "kinesis": "kinesis/home",
    "kms": "kms/home",
    "lakeformation": "lakeformation/home",
    "lambda": "lambda/home",
    "logs": "cloudwatch/home#logsV2:log-groups",
    "macie": "macie/home",
    "mq": "amazon-mq/home",
    "msk": "msk/home",
    "opensearch": "aos/home",
    "organizations": "organizations/v2/home",
    "ram": "ram/home",
    "rds": "rds/home",
    "redshift": "redshiftv2/home",
    "resource-groups": "resource-groups/home",
    "route53": "route53/v2/home",
    "s3": "s3/home",
    "sagemaker": "sagemaker/home",
    "secretsmanager": "secretsmanager/home",
    "securityhub": "securityhub/home",
    "servicequotas": "servicequotas/home",
    "ses": "ses/home",
    "sns": "sns/v3/home",
    "sqs": "sqs/v3/home",
    "ssm": "systems-manager/home",
    "sso": "singlesignon/home",
    "states": "states/home",
    "support": "support/home",
    "transfer": "transfer/home",
    "trustedadvisor": "trustedadvisor/home",
    "vpc": "vpc/home",
    "waf": "wafv2/homev2",
    "workspaces": "workspaces/v2/home",
    "xray": "xray/home",
}

_MEANT = {
    "cfn": "cloudformation",
    "cw": "cloudwatch",
    "cloudwatch-logs": "logs",
    "ddb": "dynamodb",
    "eb": "elasticbeanstalk",
    "es": "opensearch",
    "events": "eventbridge",
    "identity-center": "sso",
    "identitystore": "sso",
    "r53": "route53",
    "sfn": "states",
    "sm": "secretsmanager",
    "stepfunctions": "states",
    "systems-manager": "ssm",
    "wafv2": "waf",
}
"""Other names of services: the names in AWS's APIs, and common abbreviations."""

SERVICES = (*_PAGES, *_MEANT)


def service_page(home: str, name: str) -> str:
    """Return the service's page on the console whose home page is `home`. Raises UsageError."""
    path = _PAGES.get(_MEANT.get(name, name))
    if path is None:
        near = nearest(name, SERVICES)
        hint = (
            f"did you mean `{near}`?" if near else f"it is one of {', '.join(_PAGES)}; `--destination` takes any page"
        )
        raise UsageError(f"dsops knows no console page for the service `{name}`", hint=hint)
    host, _, query = home.partition("/console/home")
    path, fragment, place = path.partition("#")
    return f"{host}/{path}{query}{fragment}{place}"

"""Authorization of all other services, which is derived from AWS's lists and the names of parameters."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from typing import cast

import pytest
from moto.awslambda_simple.models import lambda_simple_backends
from moto.ec2.models import ec2_backends
from moto.ecr.models import ecr_backends
from moto.events.models import events_backends
from moto.logs.models import logs_backends

from dsops.errors import SandboxRefusal
from tests.questions import REGION, Desk
from tests.sandboxes import ACCOUNT, OTHER
from tests.unit.sandbox.conftest import LabFactory

HERE = f"{REGION}:{ACCOUNT}"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/Runner"
SEED = f"""
accounts:
  "{ACCOUNT}":
    users:
      nobody: {{}}
      keeper:
        policies:
        - {{Version: "2012-10-17", Statement: {{Effect: Allow, Action: "logs:*", Resource: "*",
           Condition: {{StringEquals: {{"aws:ResourceTag/team": "blue"}}}}}}}}
      passer:
        policies:
        - {{Version: "2012-10-17", Statement: [
            {{Effect: Allow, Action: ["lambda:*", "states:*"], Resource: "*"}},
            {{Effect: Allow, Action: "iam:PassRole", Resource: "{ROLE}",
              Condition: {{StringEquals: {{"iam:PassedToService": "lambda.amazonaws.com"}}}}}}]}}
      starter:
        policies:
        - {{Version: "2012-10-17", Statement: {{Effect: Allow, Action: "ec2:*",
           Resource: "arn:aws:ec2:{HERE}:instance/i-0123"}}}}
    roles:
      Runner:
        trust: {{Version: "2012-10-17", Statement: {{Effect: Allow, Principal: {{Service: lambda.amazonaws.com}},
                 Action: "sts:AssumeRole"}}}}
  "{OTHER}":
    users: {{stranger: {{}}}}
"""


@pytest.fixture
def desk(make_lab: LabFactory) -> Desk:
    """The authorization of two accounts."""
    return Desk(make_lab(SEED))


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "expected"),
    [
        ("lambda", "Invoke", {"FunctionName": "work"}, [f"lambda:InvokeFunction arn:aws:lambda:{HERE}:function:work"]),
        (
            "lambda",
            "Invoke",
            {"FunctionName": "work", "Qualifier": "live"},
            [f"lambda:InvokeFunction arn:aws:lambda:{HERE}:function:work:live"],
        ),
        (
            "lambda",
            "GetFunction",
            {"FunctionName": f"{ACCOUNT}:function:work"},
            [f"lambda:GetFunction arn:aws:lambda:{HERE}:function:work"],
        ),
        (
            "lambda",
            "GetFunction",
            {"FunctionName": f"arn:aws:lambda:{HERE}:function:work:7"},
            [f"lambda:GetFunction arn:aws:lambda:{HERE}:function:work:7"],
        ),
        (
            "lambda",
            "GetLayerVersion",
            {"LayerName": "tools", "VersionNumber": 3},
            [f"lambda:GetLayerVersion arn:aws:lambda:{HERE}:layer:tools:3"],
        ),
        ("lambda", "ListFunctions", {}, ["lambda:ListFunctions *"]),
        (
            "logs",
            "CreateLogGroup",
            {"logGroupName": "/app/x"},
            [f"logs:CreateLogGroup arn:aws:logs:{HERE}:log-group:/app/x:log-stream:"],
        ),
        (
            "logs",
            "PutLogEvents",
            {"logGroupName": "/app/x", "logStreamName": "s"},
            [f"logs:PutLogEvents arn:aws:logs:{HERE}:log-group:/app/x:log-stream:s"],
        ),
        ("logs", "DescribeLogGroups", {}, [f"logs:DescribeLogGroups arn:aws:logs:{HERE}:log-group::log-stream:"]),
        ("events", "PutRule", {"Name": "nightly"}, [f"events:PutRule arn:aws:events:{HERE}:rule/nightly"]),
        (
            "events",
            "PutRule",
            {"Name": "nightly", "EventBusName": "default"},
            [f"events:PutRule arn:aws:events:{HERE}:rule/nightly"],
        ),
        (
            "events",
            "PutRule",
            {"Name": "nightly", "EventBusName": "mine"},
            [f"events:PutRule arn:aws:events:{HERE}:rule/mine/nightly"],
        ),
        (
            "events",
            "PutTargets",
            {"Rule": "nightly", "Targets": []},
            [f"events:PutTargets arn:aws:events:{HERE}:rule/nightly"],
        ),
        (
            "events",
            "PutEvents",
            {"Entries": [{}, {"EventBusName": "mine"}]},
            [f"events:PutEvents arn:aws:events:{HERE}:event-bus/{bus}" for bus in ("default", "mine")],
        ),
        ("ecr", "PutImage", {"repositoryName": "team/app"}, [f"ecr:PutImage arn:aws:ecr:{HERE}:repository/team/app"]),
        ("ecr", "GetAuthorizationToken", {}, ["ecr:GetAuthorizationToken *"]),
        (
            "stepfunctions",
            "CreateStateMachine",
            {"name": "flow"},
            [f"states:CreateStateMachine arn:aws:states:{HERE}:stateMachine:flow"],
        ),
        (
            "stepfunctions",
            "StartExecution",
            {"stateMachineArn": f"arn:aws:states:{HERE}:stateMachine:flow"},
            [f"states:StartExecution arn:aws:states:{HERE}:stateMachine:flow"],
        ),
        (
            "ec2",
            "TerminateInstances",
            {"InstanceIds": ["i-1", "i-2"]},
            [f"ec2:TerminateInstances arn:aws:ec2:{HERE}:instance/i-{number}" for number in (1, 2)],
        ),
        ("ec2", "DescribeInstances", {"InstanceIds": ["i-1"]}, ["ec2:DescribeInstances *"]),
        (
            "ec2",
            "AttachVolume",
            {"InstanceId": "i-1", "VolumeId": "vol-1", "Device": "/dev/sdf"},
            [f"ec2:AttachVolume arn:aws:ec2:{HERE}:instance/i-1", f"ec2:AttachVolume arn:aws:ec2:{HERE}:volume/vol-1"],
        ),
        ("ec2", "CreateVpc", {"CidrBlock": "10.0.0.0/16"}, [f"ec2:CreateVpc arn:aws:ec2:{HERE}:vpc/*"]),
        (
            "ec2",
            "CreateTags",
            {"Resources": ["i-1", "vpce-svc-1", "ami-1", "new-1"], "Tags": []},
            [
                f"ec2:CreateTags arn:aws:ec2:{HERE}:instance/i-1",
                f"ec2:CreateTags arn:aws:ec2:{HERE}:vpc-endpoint-service/vpce-svc-1",
                f"ec2:CreateTags arn:aws:ec2:{REGION}::image/ami-1",
                "ec2:CreateTags *",
            ],
        ),
        ("kinesis", "PutRecord", {"StreamName": "clicks"}, [f"kinesis:PutRecord arn:aws:kinesis:{HERE}:stream/clicks"]),
        (
            "rds",
            "StopDBCluster",
            {"DBClusterIdentifier": "main"},
            [f"rds:StopDBCluster arn:aws:rds:{HERE}:cluster:main"],
        ),
        (
            "cloudwatch",
            "DeleteAlarms",
            {"AlarmNames": ["a", "b"]},
            [f"cloudwatch:DeleteAlarms arn:aws:cloudwatch:{HERE}:alarm:{name}" for name in "ab"],
        ),
        (
            "elbv2",
            "DeleteListener",
            {"ListenerArn": f"arn:aws:elasticloadbalancing:{HERE}:listener/net/x/1/2"},
            [f"elasticloadbalancing:DeleteListener arn:aws:elasticloadbalancing:{HERE}:listener/net/x/1/2"],
        ),
        (
            "athena",
            "TagResource",
            {"ResourceARN": f"arn:aws:athena:{HERE}:workgroup/x", "Tags": []},
            [f"athena:TagResource arn:aws:athena:{HERE}:workgroup/x"],
        ),
        ("efs", "TagResource", {"ResourceId": "fs-1"}, ["elasticfilesystem:TagResource *"]),
        ("eks", "DescribeCluster", {"name": "main"}, [f"eks:DescribeCluster arn:aws:eks:{HERE}:cluster/main"]),
        (
            "apigateway",
            "GetRestApi",
            {"restApiId": "abc"},
            [f"apigateway:GET arn:aws:apigateway:{REGION}::/restapis/abc"],
        ),
        (
            "route53",
            "ListResourceRecordSets",
            {"HostedZoneId": "Z1"},
            ["route53:ListResourceRecordSets arn:aws:route53:::hostedzone/Z1"],
        ),
        ("s3control", "PutPublicAccessBlock", {"AccountId": ACCOUNT}, ["s3:PutAccountPublicAccessBlock *"]),
        (
            "sagemaker-runtime",
            "InvokeEndpoint",
            {"EndpointName": "guess"},
            [f"sagemaker:InvokeEndpoint arn:aws:sagemaker:{HERE}:endpoint/guess"],
        ),
        (
            "budgets",
            "DescribeBudgets",
            {"AccountId": ACCOUNT},
            [f"budgets:ViewBudget arn:aws:budgets::{ACCOUNT}:budget/*"],
        ),
    ],
)
def test_parameters_name_the_resource(
    desk: Desk, service: str, operation: str, parameters: dict[str, object], expected: list[str]
) -> None:
    """An operation is authorized on the ARNs that its parameters name, in AWS's formats."""
    questions = desk.asked(desk.caller("admin"), service, operation, **parameters)

    assert [f"{action} {resource}" for action, resource in questions] == expected


def test_an_unnamed_resource_needs_permission_on_everything(desk: Desk) -> None:
    """An operation whose parameters name no resource needs permission on `*`."""
    assert desk.allows(desk.caller("admin"), "ec2", "DescribeInstances")
    assert not desk.allows(desk.caller("starter"), "ec2", "DescribeInstances")
    assert desk.allows(desk.caller("starter"), "ec2", "StartInstances", InstanceIds=["i-0123"])
    assert not desk.allows(desk.caller("starter"), "ec2", "StartInstances", InstanceIds=["i-0123", "i-4567"])


# --- accounts of resources ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("service", "operation", "name"),
    [
        ("lambda", "GetFunction", "FunctionName"),
        ("stepfunctions", "DescribeStateMachine", "stateMachineArn"),
        ("kinesis", "DescribeStream", "StreamARN"),
        ("logs", "GetLogRecord", "logRecordPointer"),
    ],
)
def test_an_arn_of_another_account_is_foreign(desk: Desk, service: str, operation: str, name: str) -> None:
    """An ARN of another account is denied, whether or not AWS lists the parameter as a resource."""
    arns = {
        "lambda": "arn:aws:lambda:{}:function:work",
        "stepfunctions": "arn:aws:states:{}:stateMachine:flow",
        "kinesis": "arn:aws:kinesis:{}:stream/clicks",
        "logs": "arn:aws:logs:{}:log-group:x",
    }
    arn = arns[service].format(HERE)

    assert desk.allows(desk.caller("admin"), service, operation, **{name: arn})
    assert not desk.allows(desk.caller("admin", OTHER), service, operation, **{name: arn})


def test_an_arn_of_another_region_needs_permission_on_everything(desk: Desk) -> None:
    """An ARN of another region also needs permission on `*`, since the operation runs in the request's region."""
    arn = f"arn:aws:states:eu-west-1:{ACCOUNT}:stateMachine:flow"

    assert ("states:DescribeStateMachine", "*") in desk.asked(
        desk.caller("admin"), "stepfunctions", "DescribeStateMachine", stateMachineArn=arn
    )


@pytest.mark.parametrize(
    "text", ["a:function:other", "arn:aws:lambda:x", f"arn:aws:lambda:{HERE}:function:a:function:b"]
)
def test_an_ambiguous_function_name_is_refused(desk: Desk, text: str) -> None:
    """An ambiguous function name is refused, because moto would use its last part."""
    with pytest.raises(SandboxRefusal, match="names no function"):
        desk.asked(desk.caller("admin"), "lambda", "GetFunction", FunctionName=text)


def test_a_name_with_a_colon_is_refused(desk: Desk) -> None:
    """A resource name with an additional colon is refused, because parsers could read it as another name."""
    for name, expected in (("db:a", f"arn:aws:rds:{HERE}:db:a"), ("db:a:b", "*")):
        arn = f"arn:aws:rds:{HERE}:{name}"
        questions = desk.asked(desk.caller("admin"), "rds", "StartDBInstance", DBInstanceIdentifier=arn)
        assert questions == [("rds:StartDBInstance", expected)]


def put_function(**permission: str) -> None:
    """Create a function `work` with the policy that AddPermission creates."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("main.py", "")
    backend = lambda_simple_backends[ACCOUNT][REGION]
    backend.create_function(
        {
            "FunctionName": "work",
            "Runtime": "python3.11",
            "Role": ROLE,
            "Handler": "main.run",
            "Code": {"ZipFile": base64.b64encode(packed.getvalue()).decode()},
        }
    )
    permission = {"StatementId": "s", "Action": "lambda:InvokeFunction", **permission}
    backend.add_permission("work", cast("str", None), json.dumps(permission))  # moto's annotation does not allow None


def test_a_function_policy_allows_another_account(desk: Desk) -> None:
    """If a function's policy allows another account, the caller's own policy must also allow the request."""
    function = f"arn:aws:lambda:{HERE}:function:work"
    put_function(Principal=OTHER)

    assert desk.allows(desk.caller("admin", OTHER), "lambda", "Invoke", FunctionName=function)
    assert not desk.allows(desk.caller("stranger", OTHER), "lambda", "Invoke", FunctionName=function)
    assert not desk.allows(desk.caller("admin", OTHER), "lambda", "DeleteFunction", FunctionName=function)
    assert not desk.allows(desk.caller("admin", OTHER), "lambda", "Invoke", FunctionName=f"{function}:live")


@pytest.mark.parametrize(
    ("permission", "is_allowed"),
    [
        ({"Principal": f"arn:aws:iam::{OTHER}:user/admin"}, True),
        ({"Principal": "*"}, True),
        ({"Principal": "s3.amazonaws.com", "SourceArn": "arn:aws:s3:::b"}, False),
        ({"Principal": "*", "FunctionUrlAuthType": "NONE"}, False),
        ({"Principal": OTHER, "PrincipalOrgID": "o-1234567890"}, False),
    ],
)
def test_a_permission_is_for_its_principal(desk: Desk, permission: dict[str, str], *, is_allowed: bool) -> None:
    """A permission admits only its principal, and only under its conditions; the owner keeps access."""
    put_function(**permission)
    function = f"arn:aws:lambda:{HERE}:function:work"

    assert desk.allows(desk.caller("admin", OTHER), "lambda", "Invoke", FunctionName=function) is is_allowed
    assert desk.allows(desk.caller("admin"), "lambda", "Invoke", FunctionName=function)


def test_repository_and_bus_policies_allow_another_account(desk: Desk) -> None:
    """The policies of a repository and of an event bus can allow another account."""
    statement = {"Sid": "s", "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{OTHER}:root"}}
    repository = ecr_backends[ACCOUNT][REGION].create_repository("app", ACCOUNT, {}, {}, "MUTABLE", [])
    repository.policy = json.dumps(
        {"Version": "2012-10-17", "Statement": [{**statement, "Action": "ecr:BatchGetImage"}]}
    )
    bus = f"arn:aws:events:{HERE}:event-bus/default"
    events_backends[ACCOUNT][REGION].event_buses["default"].add_policy(
        {"Statement": [{**statement, "Action": "events:PutEvents", "Resource": bus}]}
    )

    for name, is_allowed in (("admin", True), ("stranger", False)):
        caller = desk.caller(name, OTHER)
        image = {"repositoryName": "app", "registryId": ACCOUNT, "imageIds": []}
        assert desk.allows(caller, "ecr", "BatchGetImage", **image) is is_allowed
        assert not desk.allows(caller, "ecr", "PutImage", **image)
        assert desk.allows(caller, "events", "PutEvents", Entries=[{"EventBusName": bus}]) is is_allowed


def test_a_bus_can_be_shared_with_an_organization_only(desk: Desk) -> None:
    """PutPermission for `*` with an organization condition admits only that organization; the owner keeps access."""
    condition = {"Type": "StringEquals", "Key": "aws:PrincipalOrgID", "Value": "o-1234567890"}
    events_backends[ACCOUNT][REGION].put_permission("default", "events:PutEvents", "*", "s", condition, "")
    entries = [{"EventBusName": f"arn:aws:events:{HERE}:event-bus/default"}]
    question = desk.questions(desk.caller("admin", OTHER), "events", "PutEvents", Entries=entries)[0]

    assert question.resource_policy is not None
    assert '"AWS": "*"' in question.resource_policy.text
    assert not desk.allows(desk.caller("admin", OTHER), "events", "PutEvents", Entries=entries)
    assert desk.allows(desk.caller("admin"), "events", "PutEvents", Entries=entries)


# --- conditions and further permissions --------------------------------------------------------------------------


def test_tags_of_resources_are_condition_keys(desk: Desk) -> None:
    """aws:ResourceTag has the current tags of all resources whose tags moto can list."""
    logs_backends[ACCOUNT][REGION].create_log_group("blue", {"team": "blue"})
    logs_backends[ACCOUNT][REGION].create_log_group("red", {"team": "red"})
    keeper = desk.caller("keeper")

    for name, is_allowed in (("blue", True), ("red", False), ("none", False)):
        arn = f"arn:aws:logs:{HERE}:log-group:{name}"
        assert desk.allows(keeper, "logs", "DeleteLogGroup", logGroupName=name) is is_allowed
        assert desk.allows(keeper, "logs", "ListTagsForResource", resourceArn=arn) is is_allowed


@pytest.mark.parametrize(
    ("service", "operation", "parameters"),
    [
        ("lambda", "CreateFunction", {"FunctionName": "work", "Tags": {"team": "blue"}}),
        ("kinesis", "CreateStream", {"StreamName": "clicks", "Tags": {"team": "blue"}}),
        ("stepfunctions", "CreateStateMachine", {"name": "flow", "tags": [{"key": "team", "value": "blue"}]}),
        ("rds", "CreateDBInstance", {"DBInstanceIdentifier": "x", "Tags": [{"Key": "team", "Value": "blue"}]}),
        (
            "ec2",
            "CreateVpc",
            {"TagSpecifications": [{"ResourceType": "vpc", "Tags": [{"Key": "team", "Value": "blue"}]}]},
        ),
    ],
)
def test_tags_are_found_in_all_formats(desk: Desk, service: str, operation: str, parameters: dict[str, object]) -> None:
    """aws:RequestTag is read from all formats of tags: maps, lists of pairs in any case, and EC2's specifications."""
    context = desk.questions(desk.caller("admin"), service, operation, **parameters)[0].context

    assert context["aws:RequestTag/team"] == ("blue",)
    assert context["aws:TagKeys"] == ("team",)


def test_tags_of_a_new_ec2_resource_need_a_separate_permission(desk: Desk) -> None:
    """Creating EC2 resources with tags needs ec2:CreateTags on each resource type that gets tags."""
    tags = [{"Key": "team", "Value": "blue"}]
    questions = desk.questions(
        desk.caller("admin"),
        "ec2",
        "RunInstances",
        ImageId="ami-1",
        MinCount=1,
        MaxCount=1,
        TagSpecifications=[{"ResourceType": "instance", "Tags": tags}, {"ResourceType": "volume", "Tags": []}],
    )

    (tagging,) = [question for question in questions if question.action == "ec2:CreateTags"]
    assert tagging.resource == f"arn:aws:ec2:{HERE}:instance/*"
    assert tagging.context["ec2:CreateAction"] == ("RunInstances",)
    assert tagging.context["aws:RequestTag/team"] == ("blue",)


def test_parameters_named_like_condition_keys_are_their_values(desk: Desk) -> None:
    """If AWS lists a condition key for the action, a parameter of the same name sets the key."""
    parameters = {"FunctionName": "work", "AuthType": "NONE", "FunctionUrlAuthType": "NONE"}
    context = desk.questions(desk.caller("admin"), "lambda", "AddPermission", **parameters)[0].context

    assert context["lambda:FunctionUrlAuthType"] == ("NONE",)
    assert "lambda:AuthType" not in context


def test_a_role_parameter_needs_pass_role(desk: Desk) -> None:
    """Passing a role to a service needs iam:PassRole on the role, for that service."""
    passer = desk.caller("passer")

    assert desk.allows(passer, "lambda", "CreateFunction", FunctionName="work", Role=ROLE)
    assert desk.refused(passer, "lambda", "CreateFunction", FunctionName="work", Role=f"{ROLE}Other") == "iam:PassRole"
    assert desk.refused(passer, "stepfunctions", "CreateStateMachine", name="flow", roleArn=ROLE) == "iam:PassRole"
    assert desk.allows(passer, "lambda", "GetFunction", FunctionName="work")


@pytest.mark.parametrize(
    "profile", [{"Name": "machines"}, {"Arn": f"arn:aws:iam::{ACCOUNT}:instance-profile/machines"}]
)
def test_the_role_of_an_instance_profile_needs_pass_role(desk: Desk, profile: dict[str, str]) -> None:
    """Passing an instance profile to EC2 needs iam:PassRole on its role."""
    backend = desk.lab.sandbox.world.backend(ACCOUNT)
    backend.create_instance_profile("machines", "/", [])
    parameters = {"ImageId": "ami-1", "MinCount": 1, "MaxCount": 1, "IamInstanceProfile": profile}

    assert "iam:PassRole" not in dict(desk.asked(desk.caller("admin"), "ec2", "RunInstances", **parameters))
    backend.add_role_to_instance_profile("machines", "Runner")
    (passing,) = [
        question
        for question in desk.questions(desk.caller("admin"), "ec2", "RunInstances", **parameters)
        if question.action == "iam:PassRole"
    ]
    assert (passing.resource, passing.context["iam:PassedToService"]) == (ROLE, ("ec2.amazonaws.com",))


@pytest.mark.parametrize(
    ("service", "operation", "parameters"),
    [
        ("redshift", "CreateCluster", {"ClusterIdentifier": "c", "IamRoles": [ROLE]}),
        ("ecs", "RegisterTaskDefinition", {"family": "f", "taskRoleArn": "Runner"}),
        ("emr", "RunJobFlow", {"Name": "x", "ServiceRole": "Runner"}),
        ("emr", "RunJobFlow", {"Name": "x", "JobFlowRole": "machines"}),
        (
            "ec2",
            "RequestSpotFleet",
            {"SpotFleetRequestConfig": {"LaunchSpecifications": [{"IamInstanceProfile": {"Name": "machines"}}]}},
        ),
    ],
)
def test_roles_in_lists_and_structures_need_pass_role(
    desk: Desk, service: str, operation: str, parameters: dict[str, object]
) -> None:
    """Roles in lists, roles given by name, and roles in nested structures need iam:PassRole."""
    backend = desk.lab.sandbox.world.backend(ACCOUNT)
    backend.create_instance_profile("machines", "/", [])
    backend.add_role_to_instance_profile("machines", "Runner")

    assert ("iam:PassRole", ROLE) in desk.asked(desk.caller("admin"), service, operation, **parameters)


def test_the_role_of_a_launch_template_needs_pass_role(desk: Desk) -> None:
    """Launching from a template needs iam:PassRole on the role of the launched template version."""
    backend = desk.lab.sandbox.world.backend(ACCOUNT)
    backend.create_instance_profile("machines", "/", [])
    backend.add_role_to_instance_profile("machines", "Runner")
    ec2 = ec2_backends[ACCOUNT][REGION]
    template = ec2.create_launch_template("lt", "", {"IamInstanceProfile": {"Name": "machines"}}, {})
    template.create_version({}, "")
    admin = desk.caller("admin")

    def passes(operation: str, **parameters: object) -> bool:
        return "iam:PassRole" in dict(desk.asked(admin, "ec2", operation, **parameters))

    counts = {"MinCount": 1, "MaxCount": 1}
    assert passes("RunInstances", LaunchTemplate={"LaunchTemplateName": "lt"}, **counts)
    assert passes("RunInstances", LaunchTemplate={"LaunchTemplateId": template.id, "Version": "1"}, **counts)
    for version in ("2", "$Latest", "9", "x"):
        assert not passes("RunInstances", LaunchTemplate={"LaunchTemplateName": "lt", "Version": version}, **counts)
    assert not passes("DeleteLaunchTemplate", LaunchTemplateName="lt")


def test_adding_a_role_to_an_instance_profile_needs_pass_role(desk: Desk) -> None:
    """AddRoleToInstanceProfile needs iam:PassRole for EC2 (API reference)."""
    parameters = {"InstanceProfileName": "machines", "RoleName": "Runner"}
    profile = f"arn:aws:iam::{ACCOUNT}:instance-profile/machines"

    assert desk.asked(desk.caller("admin"), "iam", "AddRoleToInstanceProfile", **parameters) == [
        ("iam:AddRoleToInstanceProfile", profile),
        ("iam:PassRole", ROLE),
    ]
    assert len(desk.asked(desk.caller("admin"), "iam", "RemoveRoleFromInstanceProfile", **parameters)) == 1


def test_a_deeply_nested_role_needs_pass_role(desk: Desk) -> None:
    """A role deep inside a structure, as in a rule's targets, needs iam:PassRole."""
    questions = desk.asked(
        desk.caller("admin"),
        "events",
        "PutTargets",
        Rule="nightly",
        Targets=[{"Id": "1", "Arn": "arn:aws:sqs:us-east-1:1:q", "RoleArn": ROLE}],
    )

    assert questions[1:] == [("iam:PassRole", ROLE)]
    theirs = ROLE.replace(ACCOUNT, OTHER)
    assert not desk.allows(desk.caller("admin"), "lambda", "CreateFunction", FunctionName="work", Role=theirs)


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "resource"),
    [
        ("kendra", "UpdateIndex", {"Id": "theirs", "Name": "mine"}, "index/theirs"),
        ("grafana", "UpdateWorkspace", {"workspaceId": "theirs", "workspaceName": "mine"}, "/workspaces/theirs"),
        ("wellarchitected", "UpdateWorkload", {"WorkloadId": "theirs", "WorkloadName": "mine"}, "workload/theirs"),
        ("rum", "PutRumMetricsDestination", {"AppMonitorName": "theirs", "Destination": "CloudWatch"}, "*"),
        ("scheduler", "GetSchedule", {"Name": "mine"}, "schedule/default/mine"),
    ],
)
def test_a_new_name_is_not_the_resource(
    desk: Desk, service: str, operation: str, parameters: dict[str, object], resource: str
) -> None:
    """An optional name beside a required id is a new name, which the caller chooses; AWS checks the id."""
    asked = desk.asked(desk.caller("keeper"), service, operation, **parameters)

    assert [arn.split(":", 5)[-1] for _, arn in asked] == [resource]

"""The rules about services that run code with a role: a role that is passed to them, or that they have already."""

from __future__ import annotations

from typing import Final

from dsops.access.escalations.rules import ANY, Rule, RuleNeed, needs_on

_INVOKED: Final = "something invokes the function, such as a queue or a schedule"
_RUNNING: Final = "the instance is running"
_AGENT: Final = "the instance is running the SSM agent, and its role lets the agent register"
_PROFILE: Final = "an instance profile contains the role"
_NETWORK: Final = "the code can send its credentials somewhere, such as to an address on the internet"


def _pass(identifier: str, service: str, title: str, *needs: RuleNeed, assumes: str = "") -> Rule:
    """Return a rule that passes a role to a service."""
    principal = f"{service}.amazonaws.com"
    passing = RuleNeed("iam:PassRole", "role", {"iam:PassedToService": principal})
    return Rule(identifier, "pass-role", title, "passed", (passing, *needs), service=principal, assumes=assumes)


def _use(identifier: str, resource_type: str, title: str, *needs: RuleNeed, assumes: str = "") -> Rule:
    """Return a rule that uses an existing resource."""
    return Rule(identifier, "existing-code", title, "resource", needs, resource_type=resource_type, assumes=assumes)


_LAUNCH: Final = tuple(
    RuleNeed("ec2:RunInstances", on) for on in ("instance", "image", "network-interface", "security-group", "subnet")
)
_RUN_IN_CLUSTER: Final = "a cluster exists"
_ADMINISTRATION: Final = "the role is the stack set's administration role, and may assume an execution role"
_TASKS: Final = "ecs-tasks"
_AGENTCORE: Final = ("bedrock-agentcore:StartCodeInterpreterSession", "bedrock-agentcore:InvokeCodeInterpreter")

PASS_ROLE_RULES: Final = (
    _pass(
        "apprunner-001",
        "tasks.apprunner",
        "runs a new App Runner service",
        *needs_on("app-runner-service", "apprunner:CreateService"),
    ),
    _pass(
        "bedrock-001",
        "bedrock-agentcore",
        "runs code in a new code interpreter of Bedrock AgentCore",
        RuleNeed("bedrock-agentcore:CreateCodeInterpreter", ANY),
        *needs_on("code-interpreter", *_AGENTCORE),
    ),
    _pass("cloudformation-001", "cloudformation", "creates a stack", *needs_on("stack", "cloudformation:CreateStack")),
    _pass(
        "cloudformation-003",
        "cloudformation",
        "creates a stack set with an instance",
        RuleNeed("cloudformation:CreateStackSet", ANY),
        *needs_on("stack-set", "cloudformation:CreateStackInstances"),
        assumes=_ADMINISTRATION,
    ),
    _pass(
        "cloudformation-004",
        "cloudformation",
        "updates a stack set",
        *needs_on("stack-set", "cloudformation:UpdateStackSet"),
        assumes=f"the stack set exists and has an instance; {_ADMINISTRATION}",
    ),
    _pass(
        "codebuild-001",
        "codebuild",
        "starts a build of a new project",
        *needs_on("build-project", "codebuild:CreateProject", "codebuild:StartBuild"),
    ),
    _pass(
        "codebuild-004",
        "codebuild",
        "starts a batch of builds of a new project",
        *needs_on("build-project", "codebuild:CreateProject", "codebuild:StartBuildBatch"),
    ),
    _pass(
        "datapipeline-001",
        "datapipeline",
        "runs a new pipeline of Data Pipeline",
        RuleNeed("datapipeline:CreatePipeline", ANY),
        *needs_on("pipeline", "datapipeline:PutPipelineDefinition", "datapipeline:ActivatePipeline"),
        assumes="the account still has access to Data Pipeline",
    ),
    _pass("ec2-001", "ec2", "starts an instance", *_LAUNCH, assumes=_PROFILE),
    _pass(
        "ec2-003",
        "ec2",
        "requests a spot instance",
        *needs_on("spot-request", "ec2:RequestSpotInstances"),
        assumes=_PROFILE,
    ),
    _pass(
        "ecs-001",
        _TASKS,
        "runs a service in a new cluster",
        *needs_on("cluster", "ecs:CreateCluster"),
        *needs_on("task-definition", "ecs:RegisterTaskDefinition"),
        *needs_on("container-service", "ecs:CreateService"),
        assumes=_NETWORK,
    ),
    _pass(
        "ecs-002",
        _TASKS,
        "runs a task in a new cluster",
        *needs_on("cluster", "ecs:CreateCluster"),
        *needs_on("task-definition", "ecs:RegisterTaskDefinition", "ecs:RunTask"),
        assumes=_NETWORK,
    ),
    _pass(
        "ecs-003",
        _TASKS,
        "runs a service in an existing cluster",
        *needs_on("task-definition", "ecs:RegisterTaskDefinition"),
        *needs_on("container-service", "ecs:CreateService"),
        assumes=_RUN_IN_CLUSTER,
    ),
    _pass(
        "ecs-004",
        _TASKS,
        "runs a task in an existing cluster",
        *needs_on("task-definition", "ecs:RegisterTaskDefinition", "ecs:RunTask"),
        assumes=_RUN_IN_CLUSTER,
    ),
    _pass(
        "ecs-005",
        _TASKS,
        "starts a task on a container instance",
        *needs_on("task-definition", "ecs:RegisterTaskDefinition", "ecs:StartTask"),
        assumes=f"{_RUN_IN_CLUSTER} and has a container instance",
    ),
    _pass("glue-001", "glue", "logs in to a new development endpoint", RuleNeed("glue:CreateDevEndpoint", ANY)),
    _pass("glue-003", "glue", "runs a new job", *needs_on("job", "glue:CreateJob", "glue:StartJobRun")),
    _pass(
        "glue-004",
        "glue",
        "runs a new job with a trigger",
        *needs_on("job", "glue:CreateJob"),
        *needs_on("trigger", "glue:CreateTrigger"),
    ),
    _pass(
        "glue-005",
        "glue",
        "changes a job, and runs it",
        *needs_on("job", "glue:UpdateJob", "glue:StartJobRun"),
        assumes="the job exists",
    ),
    _pass(
        "glue-006",
        "glue",
        "changes a job, and runs it with a trigger",
        *needs_on("job", "glue:UpdateJob"),
        *needs_on("trigger", "glue:CreateTrigger"),
        assumes="the job exists",
    ),
    _pass(
        "lambda-001",
        "lambda",
        "invokes a new function",
        *needs_on("function", "lambda:CreateFunction", "lambda:InvokeFunction"),
    ),
    _pass(
        "lambda-002",
        "lambda",
        "connects a new function to an event source",
        *needs_on("function", "lambda:CreateFunction"),
        RuleNeed("lambda:CreateEventSourceMapping", ANY),
        assumes="the role may read from an event source that exists and has events",
    ),
    _pass(
        "lambda-006",
        "lambda",
        "lets another principal invoke a new function",
        *needs_on("function", "lambda:CreateFunction", "lambda:AddPermission"),
    ),
    _pass(
        "sagemaker-001",
        "sagemaker",
        "runs code in a new notebook",
        *needs_on("notebook", "sagemaker:CreateNotebookInstance"),
        assumes=_NETWORK,
    ),
    _pass(
        "sagemaker-002",
        "sagemaker",
        "runs a training job",
        *needs_on("training-job", "sagemaker:CreateTrainingJob"),
        assumes="the role may use a bucket for the output",
    ),
    _pass(
        "sagemaker-003",
        "sagemaker",
        "runs a processing job",
        *needs_on("processing-job", "sagemaker:CreateProcessingJob"),
        assumes="the container's image is available to the job",
    ),
)

EXISTING_CODE_RULES: Final = (
    _use(
        "apprunner-002",
        "app-runner-service",
        "runs another image in the service",
        *needs_on("resource", "apprunner:UpdateService"),
    ),
    _use("bedrock-002", "code-interpreter", "runs code in the interpreter", *needs_on("resource", *_AGENTCORE)),
    _use("cloudformation-002", "stack", "updates the stack", *needs_on("resource", "cloudformation:UpdateStack")),
    _use(
        "cloudformation-005",
        "stack",
        "executes a change set on the stack",
        *needs_on("resource", "cloudformation:CreateChangeSet", "cloudformation:ExecuteChangeSet"),
    ),
    _use(
        "codebuild-002",
        "build-project",
        "starts a build with other commands",
        *needs_on("resource", "codebuild:StartBuild"),
    ),
    _use(
        "codebuild-003",
        "build-project",
        "starts a batch of builds with other commands",
        *needs_on("resource", "codebuild:StartBuildBatch"),
        assumes="the project has a configuration for batches",
    ),
    _use(
        "ec2instanceconnect-003",
        "instance",
        "logs in to the instance with a key of EC2 Instance Connect",
        *needs_on("resource", "ec2-instance-connect:SendSSHPublicKey"),
        RuleNeed("ec2:DescribeInstances", ANY),
        assumes=f"{_RUNNING}, supports Instance Connect, and can be reached by SSH",
    ),
    _use(
        "ec2-002",
        "instance",
        "changes the user data of the instance, and starts it again",
        *needs_on("resource", "ec2:ModifyInstanceAttribute", "ec2:StopInstances", "ec2:StartInstances"),
        assumes=_NETWORK,
    ),
    _use(
        "ec2-004",
        "launch-template",
        "changes the user data in the launch template",
        *needs_on("resource", "ec2:CreateLaunchTemplateVersion", "ec2:ModifyLaunchTemplate"),
        assumes="an instance is launched from the default version of the template",
    ),
    _use(
        "glue-002",
        "dev-endpoint",
        "adds a key to the development endpoint",
        *needs_on("resource", "glue:UpdateDevEndpoint"),
    ),
    _use(
        "lambda-003",
        "function",
        "changes the code of the function",
        *needs_on("resource", "lambda:UpdateFunctionCode"),
        assumes=_INVOKED,
    ),
    _use(
        "lambda-004",
        "function",
        "changes the code of the function, and invokes it",
        *needs_on("resource", "lambda:UpdateFunctionCode", "lambda:InvokeFunction"),
    ),
    _use(
        "lambda-005",
        "function",
        "changes the code of the function, and lets another principal invoke it",
        *needs_on("resource", "lambda:UpdateFunctionCode", "lambda:AddPermission"),
    ),
    _use(
        "sagemaker-004",
        "notebook",
        "opens the notebook",
        *needs_on("resource", "sagemaker:CreatePresignedNotebookInstanceUrl"),
        assumes="the notebook is running",
    ),
    _use(
        "sagemaker-005",
        "notebook",
        "changes what the notebook runs when it starts",
        *needs_on("notebook-configuration", "sagemaker:CreateNotebookInstanceLifecycleConfig"),
        *needs_on(
            "resource",
            "sagemaker:StopNotebookInstance",
            "sagemaker:UpdateNotebookInstance",
            "sagemaker:StartNotebookInstance",
        ),
    ),
    _use(
        "ssm-001",
        "instance",
        "starts a session on the instance",
        *needs_on("resource", "ssm:StartSession"),
        assumes=_AGENT,
    ),
    _use(
        "ssm-002",
        "instance",
        "runs a command on the instance",
        *needs_on("resource", "ssm:SendCommand"),
        *needs_on("run-document", "ssm:SendCommand"),
        assumes=_AGENT,
    ),
)

// The stack that tests/clients/test_cdk.py deploys: a role, a bucket, a queue, a secret, and a function from an asset.
const { App, DefaultStackSynthesizer, RemovalPolicy, Stack } = require("aws-cdk-lib");
const { Role, ServicePrincipal } = require("aws-cdk-lib/aws-iam");
const { Code, Function: LambdaFunction, Runtime } = require("aws-cdk-lib/aws-lambda");
const { SqsEventSource } = require("aws-cdk-lib/aws-lambda-event-sources");
const { BlockPublicAccess, Bucket } = require("aws-cdk-lib/aws-s3");
const { Secret } = require("aws-cdk-lib/aws-secretsmanager");
const { Queue } = require("aws-cdk-lib/aws-sqs");

const app = new App();
const env = { account: process.env.CDK_DEFAULT_ACCOUNT, region: process.env.CDK_DEFAULT_REGION };
const stack = new Stack(app, "Shop", { env, synthesizer: new DefaultStackSynthesizer(), tags: { team: "shop" } });

const files = new Bucket(stack, "Files", {
  blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
  enforceSSL: true,
  removalPolicy: RemovalPolicy.DESTROY,
});
const orders = new Queue(stack, "Orders");
const database = new Secret(stack, "Database", { generateSecretString: { passwordLength: 30 } });
const report = new LambdaFunction(stack, "Report", {
  runtime: Runtime.PYTHON_3_12,
  handler: "report.run",
  code: Code.fromAsset("function"),
  environment: { FILES: files.bucketName },
});
files.grantRead(report);
database.grantRead(report);
report.addEventSource(new SqsEventSource(orders));
const reader = new Role(stack, "Reader", { assumedBy: new ServicePrincipal("ec2.amazonaws.com") });
files.grantRead(reader);

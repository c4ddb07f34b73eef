// AWS SDK for JavaScript v3, unchanged but for AWS_ENDPOINT_URL: a wish in, an answer out, a line of JSON each.
// tests/clients/conversation.py says which wishes there are.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const require = createRequire(process.argv[2] + "/");
const { STSClient, GetCallerIdentityCommand, AssumeRoleCommand } = require("@aws-sdk/client-sts");
const { SecretsManagerClient, GetSecretValueCommand } = require("@aws-sdk/client-secrets-manager");
const { SSMClient, GetParameterCommand } = require("@aws-sdk/client-ssm");
const { IAMClient, CreateRoleCommand, GetRoleCommand } = require("@aws-sdk/client-iam");
const s3 = require("@aws-sdk/client-s3");
const { getSignedUrl } = require("@aws-sdk/s3-request-presigner");
const { DynamoDBClient, GetItemCommand, PutItemCommand } = require("@aws-sdk/client-dynamodb");
const sqs = require("@aws-sdk/client-sqs");
const { SNSClient, PublishCommand } = require("@aws-sdk/client-sns");
const { KMSClient, EncryptCommand, DecryptCommand } = require("@aws-sdk/client-kms");

// Uses the keys in the wish; without keys, the SDK's own chain decides: environment, profile, web identity.
function settings(wish) {
  if (!wish.key_id) return {};
  const credentials = { accessKeyId: wish.key_id, secretAccessKey: wish.secret, sessionToken: wish.token };
  return { credentials };
}

const actions = {
  async identity(wish) {
    const answer = await new STSClient(settings(wish)).send(new GetCallerIdentityCommand({}));
    return { arn: answer.Arn };
  },
  async assume(wish) {
    const input = { RoleArn: wish.role, RoleSessionName: wish.session, ExternalId: wish.external_id };
    if (wish.policy) input.Policy = wish.policy;
    if (wish.duration) input.DurationSeconds = Number(wish.duration);
    if (wish.tag_key) input.Tags = [{ Key: wish.tag_key, Value: wish.tag_value }];
    const answer = await new STSClient(settings(wish)).send(new AssumeRoleCommand(input));
    const { AccessKeyId, SecretAccessKey, SessionToken, Expiration } = answer.Credentials;
    return {
      key_id: AccessKeyId, secret: SecretAccessKey, token: SessionToken, arn: answer.AssumedRoleUser.Arn,
      expires: String(Math.floor(Expiration.getTime() / 1000)),
    };
  },
  async secret(wish) {
    const input = { SecretId: wish.id };
    const answer = await new SecretsManagerClient(settings(wish)).send(new GetSecretValueCommand(input));
    return { value: answer.SecretString };
  },
  async parameter(wish) {
    const input = { Name: wish.name, WithDecryption: true };
    const answer = await new SSMClient(settings(wish)).send(new GetParameterCommand(input));
    return { value: answer.Parameter.Value };
  },
  async role(wish) {
    const answer = await new IAMClient(settings(wish)).send(new GetRoleCommand({ RoleName: wish.name }));
    return { arn: answer.Role.Arn };
  },
  async create_role(wish) {
    const input = { RoleName: wish.name, AssumeRolePolicyDocument: wish.trust };
    const answer = await new IAMClient(settings(wish)).send(new CreateRoleCommand(input));
    return { arn: answer.Role.Arn };
  },
  async put_object(wish) {
    const input = { Bucket: wish.bucket, Key: wish.key, Body: wish.value };
    await new s3.S3Client(settings(wish)).send(new s3.PutObjectCommand(input));
    return {};
  },
  async get_object(wish) {
    const input = { Bucket: wish.bucket, Key: wish.key };
    const answer = await new s3.S3Client(settings(wish)).send(new s3.GetObjectCommand(input));
    return { value: await answer.Body.transformToString() };
  },
  async presigned(wish) {
    const command = new s3.GetObjectCommand({ Bucket: wish.bucket, Key: wish.key });
    return { url: await getSignedUrl(new s3.S3Client(settings(wish)), command, { expiresIn: 60 }) };
  },
  async multipart(wish) {
    const client = new s3.S3Client(settings(wish));
    const input = { Bucket: wish.bucket, Key: wish.key };
    const { UploadId } = await client.send(new s3.CreateMultipartUploadCommand(input));
    const Parts = [];
    for (const [index, Body] of ["a".repeat(8 * 1024 * 1024), wish.value].entries()) {
      const part = { ...input, UploadId, PartNumber: index + 1, Body };
      const { ETag, ChecksumCRC32 } = await client.send(new s3.UploadPartCommand(part));
      Parts.push({ PartNumber: index + 1, ETag, ChecksumCRC32 });
    }
    const whole = { ...input, UploadId, MultipartUpload: { Parts } };
    await client.send(new s3.CompleteMultipartUploadCommand(whole));
    const answer = await client.send(new s3.HeadObjectCommand(input));
    return { size: String(answer.ContentLength) };
  },
  async item(wish) {
    const client = new DynamoDBClient(settings(wish));
    const Key = { id: { S: wish.key } };
    await client.send(new PutItemCommand({ TableName: wish.table, Item: { ...Key, value: { S: wish.value } } }));
    const answer = await client.send(new GetItemCommand({ TableName: wish.table, Key }));
    return { value: answer.Item.value.S };
  },
  async queue(wish) {
    const client = new sqs.SQSClient(settings(wish));
    const { QueueUrl } = await client.send(new sqs.GetQueueUrlCommand({ QueueName: wish.name }));
    await client.send(new sqs.SendMessageCommand({ QueueUrl, MessageBody: wish.value }));
    const { Messages } = await client.send(new sqs.ReceiveMessageCommand({ QueueUrl }));
    const { Body, ReceiptHandle } = Messages[0];
    await client.send(new sqs.DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
    return { value: Body };
  },
  async publish(wish) {
    const input = { TopicArn: wish.topic, Message: wish.value };
    return { id: (await new SNSClient(settings(wish)).send(new PublishCommand(input))).MessageId };
  },
  async cipher(wish) {
    const client = new KMSClient(settings(wish));
    const hidden = await client.send(new EncryptCommand({ KeyId: wish.key, Plaintext: Buffer.from(wish.value) }));
    const answer = await client.send(new DecryptCommand({ CiphertextBlob: hidden.CiphertextBlob }));
    return { value: Buffer.from(answer.Plaintext).toString() };
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const wish = JSON.parse(line);
  let answer;
  try {
    answer = await actions[wish.action](wish);
  } catch (error) {
    answer = {
      error: error.Code ?? error.Error?.Code ?? error.name, message: error.message, type: error.constructor.name,
    };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}

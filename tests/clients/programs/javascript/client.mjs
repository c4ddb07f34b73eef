// AWS SDK for JavaScript v3, unchanged but for AWS_ENDPOINT_URL: a wish in, an answer out, a line of JSON each.
// tests/clients/conversation.py says which wishes there are.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const require = createRequire(process.argv[2] + "/");
const { STSClient, GetCallerIdentityCommand, AssumeRoleCommand } = require("@aws-sdk/client-sts");
const { SecretsManagerClient, GetSecretValueCommand } = require("@aws-sdk/client-secrets-manager");
const { SSMClient, GetParameterCommand } = require("@aws-sdk/client-ssm");
const { IAMClient, CreateRoleCommand, GetRoleCommand } = require("@aws-sdk/client-iam");

// Whoever the wish has keys of; without, the SDK's own chain decides: environment, profile, web identity.
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

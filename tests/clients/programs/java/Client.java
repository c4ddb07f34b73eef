import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.AwsCredentialsProvider;
import software.amazon.awssdk.auth.credentials.AwsSessionCredentials;
import software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.awscore.client.builder.AwsSyncClientBuilder;
import software.amazon.awssdk.awscore.client.builder.AwsClientBuilder;
import software.amazon.awssdk.awscore.exception.AwsServiceException;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.core.sync.RequestBody;
import software.amazon.awssdk.http.urlconnection.UrlConnectionHttpClient;
import software.amazon.awssdk.protocols.jsoncore.JsonNode;
import software.amazon.awssdk.services.dynamodb.DynamoDbClient;
import software.amazon.awssdk.services.dynamodb.model.AttributeValue;
import software.amazon.awssdk.services.iam.IamClient;
import software.amazon.awssdk.services.kms.KmsClient;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.model.CompletedPart;
import software.amazon.awssdk.services.s3.presigner.S3Presigner;
import software.amazon.awssdk.services.secretsmanager.SecretsManagerClient;
import software.amazon.awssdk.services.sns.SnsClient;
import software.amazon.awssdk.services.sqs.SqsClient;
import software.amazon.awssdk.services.ssm.SsmClient;
import software.amazon.awssdk.services.sts.StsClient;
import software.amazon.awssdk.services.sts.model.AssumeRoleRequest;
import software.amazon.awssdk.services.sts.model.Tag;

/**
 * AWS SDK for Java 2, unchanged but for AWS_ENDPOINT_URL: a wish in, an answer out, a line of JSON each.
 * tests/clients/conversation.py says which wishes there are.
 */
public final class Client {
    public static void main(String[] arguments) throws Exception {
        var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            Map<String, String> wish = new LinkedHashMap<>();
            JsonNode.parser().parse(line).asObject().forEach((name, value) -> wish.put(name, value.asString()));
            System.out.println(json(answer(wish)));
        }
    }

    private static Map<String, String> answer(Map<String, String> wish) {
        try {
            return grant(wish);
        } catch (AwsServiceException refused) {
            var details = refused.awsErrorDetails();
            return Map.of(
                "error", details.errorCode(), "message", details.errorMessage(),
                "type", refused.getClass().getSimpleName());
        } catch (RuntimeException failed) {
            return Map.of("error", "", "message", failed.toString(), "type", failed.getClass().getSimpleName());
        }
    }

    private static Map<String, String> grant(Map<String, String> wish) {
        return switch (wish.get("action")) {
            case "identity" -> {
                try (var sts = open(StsClient.builder(), wish)) {
                    yield Map.of("arn", sts.getCallerIdentity().arn());
                }
            }
            case "assume" -> assume(wish);
            case "secret" -> {
                try (var secrets = open(SecretsManagerClient.builder(), wish)) {
                    yield Map.of("value", secrets.getSecretValue(r -> r.secretId(wish.get("id"))).secretString());
                }
            }
            case "parameter" -> {
                try (var ssm = open(SsmClient.builder(), wish)) {
                    var answer = ssm.getParameter(r -> r.name(wish.get("name")).withDecryption(true));
                    yield Map.of("value", answer.parameter().value());
                }
            }
            case "role" -> {
                try (var iam = open(IamClient.builder(), wish)) {
                    yield Map.of("arn", iam.getRole(r -> r.roleName(wish.get("name"))).role().arn());
                }
            }
            case "create_role" -> {
                try (var iam = open(IamClient.builder(), wish)) {
                    var answer = iam.createRole(
                        r -> r.roleName(wish.get("name")).assumeRolePolicyDocument(wish.get("trust")));
                    yield Map.of("arn", answer.role().arn());
                }
            }
            case "put_object", "get_object", "presigned", "multipart" -> object(wish);
            case "item" -> item(wish);
            case "queue" -> queue(wish);
            case "publish" -> {
                try (var sns = open(SnsClient.builder(), wish)) {
                    var answer = sns.publish(r -> r.topicArn(wish.get("topic")).message(wish.get("value")));
                    yield Map.of("id", answer.messageId());
                }
            }
            case "cipher" -> {
                try (var kms = open(KmsClient.builder(), wish)) {
                    var plain = SdkBytes.fromUtf8String(wish.get("value"));
                    var hidden = kms.encrypt(r -> r.keyId(wish.get("key")).plaintext(plain)).ciphertextBlob();
                    yield Map.of("value", kms.decrypt(r -> r.ciphertextBlob(hidden)).plaintext().asUtf8String());
                }
            }
            default -> throw new IllegalArgumentException(wish.get("action"));
        };
    }

    private static Map<String, String> assume(Map<String, String> wish) {
        var request = AssumeRoleRequest.builder()
            .roleArn(wish.get("role")).roleSessionName(wish.get("session"))
            .externalId(wish.get("external_id")).policy(wish.get("policy"));
        if (wish.containsKey("duration")) {
            request.durationSeconds(Integer.valueOf(wish.get("duration")));
        }
        if (wish.containsKey("tag_key")) {
            request.tags(Tag.builder().key(wish.get("tag_key")).value(wish.get("tag_value")).build());
        }
        try (var sts = open(StsClient.builder(), wish)) {
            var answer = sts.assumeRole(request.build());
            var made = answer.credentials();
            return Map.of(
                "key_id", made.accessKeyId(), "secret", made.secretAccessKey(), "token", made.sessionToken(),
                "arn", answer.assumedRoleUser().arn(),
                "expires", Long.toString(made.expiration().getEpochSecond()));
        }
    }

    private static Map<String, String> object(Map<String, String> wish) {
        var bucket = wish.get("bucket");
        var key = wish.get("key");
        try (var s3 = open(S3Client.builder(), wish)) {
            switch (wish.get("action")) {
                case "put_object":
                    s3.putObject(r -> r.bucket(bucket).key(key), RequestBody.fromString(wish.get("value")));
                    return Map.of();
                case "get_object":
                    return Map.of("value", s3.getObjectAsBytes(r -> r.bucket(bucket).key(key)).asUtf8String());
                case "presigned":
                    try (var presigner = S3Presigner.builder().s3Client(s3)
                            .credentialsProvider(provider(wish)).build()) {
                        var answer = presigner.presignGetObject(
                            r -> r.signatureDuration(Duration.ofMinutes(1)).getObjectRequest(g -> g.bucket(bucket).key(key)));
                        return Map.of("url", answer.url().toString());
                    }
                default:
                    var upload = s3.createMultipartUpload(r -> r.bucket(bucket).key(key)).uploadId();
                    var parts = new ArrayList<CompletedPart>();
                    for (String body : List.of("a".repeat(8 * 1024 * 1024), wish.get("value"))) {
                        int number = parts.size() + 1;
                        var part = s3.uploadPart(
                            r -> r.bucket(bucket).key(key).uploadId(upload).partNumber(number),
                            RequestBody.fromString(body));
                        parts.add(CompletedPart.builder().partNumber(number).eTag(part.eTag())
                            .checksumCRC32(part.checksumCRC32()).build());
                    }
                    s3.completeMultipartUpload(
                        r -> r.bucket(bucket).key(key).uploadId(upload).multipartUpload(m -> m.parts(parts)));
                    return Map.of("size", s3.headObject(r -> r.bucket(bucket).key(key)).contentLength().toString());
            }
        }
    }

    private static Map<String, String> item(Map<String, String> wish) {
        var id = Map.of("id", AttributeValue.fromS(wish.get("key")));
        var item = new HashMap<>(id);
        item.put("value", AttributeValue.fromS(wish.get("value")));
        try (var dynamo = open(DynamoDbClient.builder(), wish)) {
            dynamo.putItem(r -> r.tableName(wish.get("table")).item(item));
            return Map.of("value", dynamo.getItem(r -> r.tableName(wish.get("table")).key(id)).item().get("value").s());
        }
    }

    private static Map<String, String> queue(Map<String, String> wish) {
        try (var sqs = open(SqsClient.builder(), wish)) {
            var url = sqs.getQueueUrl(r -> r.queueName(wish.get("name"))).queueUrl();
            sqs.sendMessage(r -> r.queueUrl(url).messageBody(wish.get("value")));
            var message = sqs.receiveMessage(r -> r.queueUrl(url)).messages().get(0);
            sqs.deleteMessage(r -> r.queueUrl(url).receiptHandle(message.receiptHandle()));
            return Map.of("value", message.body());
        }
    }

    /** A client with the keys in the wish; without keys, the SDK's own chain decides. */
    private static <B extends AwsClientBuilder<B, C> & AwsSyncClientBuilder<B, C>, C> C open(
            B builder, Map<String, String> wish) {
        return builder.credentialsProvider(provider(wish)).httpClient(UrlConnectionHttpClient.create()).build();
    }

    private static AwsCredentialsProvider provider(Map<String, String> wish) {
        if (!wish.containsKey("key_id")) {
            return DefaultCredentialsProvider.builder().build();
        }
        var key = wish.get("key_id");
        var secret = wish.get("secret");
        return StaticCredentialsProvider.create(
            wish.containsKey("token")
                ? AwsSessionCredentials.create(key, secret, wish.get("token"))
                : AwsBasicCredentials.create(key, secret));
    }

    private static String json(Map<String, String> pairs) {
        var text = new StringBuilder("{");
        pairs.forEach((name, value) -> {
            text.append(text.length() == 1 ? "" : ", ");
            text.append(quoted(name)).append(": ").append(quoted(value));
        });
        return text.append('}').toString();
    }

    private static String quoted(String value) {
        var text = new StringBuilder("\"");
        for (char letter : value.toCharArray()) {
            if (letter == '"' || letter == '\\') {
                text.append('\\').append(letter);
            } else if (letter < ' ' || letter > '~') {
                text.append(String.format("\\u%04x", (int) letter));
            } else {
                text.append(letter);
            }
        }
        return text.append('"').toString();
    }
}

// AWS SDK for Go v2, unchanged but for AWS_ENDPOINT_URL: a wish in, an answer out, a line of JSON each.
// tests/clients/conversation.py says which wishes there are.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamodbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go"
)

type pairs map[string]string

type action func(context.Context, aws.Config, pairs) (pairs, error)

var actions = map[string]action{
	"identity": func(ctx context.Context, settings aws.Config, wish pairs) (pairs, error) {
		answer, err := sts.NewFromConfig(settings).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
		if err != nil {
			return nil, err
		}
		return pairs{"arn": *answer.Arn}, nil
	},
	"assume": func(ctx context.Context, settings aws.Config, wish pairs) (pairs, error) {
		input := &sts.AssumeRoleInput{
			RoleArn: aws.String(wish["role"]), RoleSessionName: aws.String(wish["session"]),
			ExternalId: optional(wish, "external_id"), Policy: optional(wish, "policy"),
		}
		if seconds, err := strconv.Atoi(wish["duration"]); err == nil {
			input.DurationSeconds = aws.Int32(int32(seconds))
		}
		if key, given := wish["tag_key"]; given {
			input.Tags = []ststypes.Tag{{Key: aws.String(key), Value: aws.String(wish["tag_value"])}}
		}
		answer, err := sts.NewFromConfig(settings).AssumeRole(ctx, input)
		if err != nil {
			return nil, err
		}
		made := answer.Credentials
		return pairs{
			"key_id": *made.AccessKeyId, "secret": *made.SecretAccessKey, "token": *made.SessionToken,
			"arn": *answer.AssumedRoleUser.Arn, "expires": strconv.FormatInt(made.Expiration.Unix(), 10),
		}, nil
	},
	"secret": func(ctx context.Context, settings aws.Config, wish pairs) (pairs, error) {
		input := &secretsmanager.GetSecretValueInput{SecretId: aws.String(wish["id"])}
		answer, err := secretsmanager.NewFromConfig(settings).GetSecretValue(ctx, input)
		if err != nil {
			return nil, err
		}
		return pairs{"value": *answer.SecretString}, nil
	},
	"parameter": func(ctx context.Context, settings aws.Config, wish pairs) (pairs, error) {
		input := &ssm.GetParameterInput{Name: aws.String(wish["name"]), WithDecryption: aws.Bool(true)}
		answer, err := ssm.NewFromConfig(settings).GetParameter(ctx, input)
		if err != nil {
			return nil, err
		}
		return pairs{"value": *answer.Parameter.Value}, nil
	},
	"role": func(ctx context.Context, settings aws.Config, wish pairs) (pairs, error) {
		answer, err := iam.NewFromConfig(settings).GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String(wish["name"])})
		if err != nil {
			return nil, err
		}
		return pairs{"arn": *answer.Role.Arn}, nil
	},
	"create_role": func(ctx context.Context, settings aws.Config, wish pairs) (pairs, error) {
		input := &iam.CreateRoleInput{
			RoleName: aws.String(wish["name"]), AssumeRolePolicyDocument: aws.String(wish["trust"]),
		}
		answer, err := iam.NewFromConfig(settings).CreateRole(ctx, input)
		if err != nil {
			return nil, err
		}
		return pairs{"arn": *answer.Role.Arn}, nil
	},
	"put_object": func(ctx context.Context, settings aws.Config, wish pairs) (pairs, error) {
		_, err := s3.NewFromConfig(settings).PutObject(ctx, &s3.PutObjectInput{
			Bucket: aws.String(wish["bucket"]), Key: aws.String(wish["key"]), Body: strings.NewReader(wish["value"]),
		})
		return pairs{}, err
	},
	"get_object": func(ctx context.Context, settings aws.Config, wish pairs) (pairs, error) {
		answer, err := s3.NewFromConfig(settings).GetObject(ctx, &s3.GetObjectInput{
			Bucket: aws.String(wish["bucket"]), Key: aws.String(wish["key"]),
		})
		if err != nil {
			return nil, err
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		return pairs{"value": string(text)}, err
	},
	"presigned": func(ctx context.Context, settings aws.Config, wish pairs) (pairs, error) {
		input := &s3.GetObjectInput{Bucket: aws.String(wish["bucket"]), Key: aws.String(wish["key"])}
		client := s3.NewPresignClient(s3.NewFromConfig(settings))
		answer, err := client.PresignGetObject(ctx, input, s3.WithPresignExpires(time.Minute))
		if err != nil {
			return nil, err
		}
		return pairs{"url": answer.URL}, nil
	},
	"multipart": multipart,
	"item":      item,
	"queue":     queue,
	"publish": func(ctx context.Context, settings aws.Config, wish pairs) (pairs, error) {
		input := &sns.PublishInput{TopicArn: aws.String(wish["topic"]), Message: aws.String(wish["value"])}
		answer, err := sns.NewFromConfig(settings).Publish(ctx, input)
		if err != nil {
			return nil, err
		}
		return pairs{"id": *answer.MessageId}, nil
	},
	"cipher": func(ctx context.Context, settings aws.Config, wish pairs) (pairs, error) {
		client := kms.NewFromConfig(settings)
		input := &kms.EncryptInput{KeyId: aws.String(wish["key"]), Plaintext: []byte(wish["value"])}
		hidden, err := client.Encrypt(ctx, input)
		if err != nil {
			return nil, err
		}
		answer, err := client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: hidden.CiphertextBlob})
		if err != nil {
			return nil, err
		}
		return pairs{"value": string(answer.Plaintext)}, nil
	},
}

func multipart(ctx context.Context, settings aws.Config, wish pairs) (pairs, error) {
	client := s3.NewFromConfig(settings)
	bucket, key := aws.String(wish["bucket"]), aws.String(wish["key"])
	upload, err := client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: bucket, Key: key})
	if err != nil {
		return nil, err
	}
	var parts []s3types.CompletedPart
	for index, body := range []string{strings.Repeat("a", 8*1024*1024), wish["value"]} {
		number := aws.Int32(int32(index + 1))
		part, err := client.UploadPart(ctx, &s3.UploadPartInput{
			Bucket: bucket, Key: key, UploadId: upload.UploadId, PartNumber: number, Body: strings.NewReader(body),
		})
		if err != nil {
			return nil, err
		}
		parts = append(parts, s3types.CompletedPart{
			PartNumber: number, ETag: part.ETag, ChecksumCRC32: part.ChecksumCRC32,
		})
	}
	_, err = client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: bucket, Key: key, UploadId: upload.UploadId,
		MultipartUpload: &s3types.CompletedMultipartUpload{Parts: parts},
	})
	if err != nil {
		return nil, err
	}
	answer, err := client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: bucket, Key: key})
	if err != nil {
		return nil, err
	}
	return pairs{"size": strconv.FormatInt(*answer.ContentLength, 10)}, nil
}

func item(ctx context.Context, settings aws.Config, wish pairs) (pairs, error) {
	client := dynamodb.NewFromConfig(settings)
	table, id := aws.String(wish["table"]), &dynamodbtypes.AttributeValueMemberS{Value: wish["key"]}
	_, err := client.PutItem(ctx, &dynamodb.PutItemInput{TableName: table, Item: map[string]dynamodbtypes.AttributeValue{
		"id": id, "value": &dynamodbtypes.AttributeValueMemberS{Value: wish["value"]},
	}})
	if err != nil {
		return nil, err
	}
	answer, err := client.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: table, Key: map[string]dynamodbtypes.AttributeValue{"id": id},
	})
	if err != nil {
		return nil, err
	}
	return pairs{"value": answer.Item["value"].(*dynamodbtypes.AttributeValueMemberS).Value}, nil
}

func queue(ctx context.Context, settings aws.Config, wish pairs) (pairs, error) {
	client := sqs.NewFromConfig(settings)
	found, err := client.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String(wish["name"])})
	if err != nil {
		return nil, err
	}
	sent := &sqs.SendMessageInput{QueueUrl: found.QueueUrl, MessageBody: aws.String(wish["value"])}
	if _, err := client.SendMessage(ctx, sent); err != nil {
		return nil, err
	}
	answer, err := client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: found.QueueUrl})
	if err != nil {
		return nil, err
	}
	message := answer.Messages[0]
	_, err = client.DeleteMessage(ctx, &sqs.DeleteMessageInput{
		QueueUrl: found.QueueUrl, ReceiptHandle: message.ReceiptHandle,
	})
	return pairs{"value": *message.Body}, err
}

func optional(wish pairs, name string) *string {
	if value, given := wish[name]; given {
		return &value
	}
	return nil
}

// Uses the keys in the wish; without keys, the SDK's own chain decides: environment, profile, web identity.
func settings(ctx context.Context, wish pairs) (aws.Config, error) {
	if id, given := wish["key_id"]; given {
		static := credentials.NewStaticCredentialsProvider(id, wish["secret"], wish["token"])
		return config.LoadDefaultConfig(ctx, config.WithCredentialsProvider(static))
	}
	return config.LoadDefaultConfig(ctx)
}

func grant(ctx context.Context, wish pairs) (pairs, error) {
	chosen, err := settings(ctx, wish)
	if err != nil {
		return nil, err
	}
	return actions[wish["action"]](ctx, chosen, wish)
}

// The service's code and words, and the type that the SDK made of them.
func refusal(err error) pairs {
	var refused smithy.APIError
	if errors.As(err, &refused) {
		kind := fmt.Sprintf("%T", refused)
		return pairs{"error": refused.ErrorCode(), "message": refused.ErrorMessage(), "type": kind}
	}
	return pairs{"error": "", "message": err.Error(), "type": fmt.Sprintf("%T", err)}
}

func main() {
	ctx := context.Background()
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	answers := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		wish := pairs{}
		if err := json.Unmarshal(lines.Bytes(), &wish); err != nil {
			panic(err)
		}
		answer, err := grant(ctx, wish)
		if err != nil {
			answer = refusal(err)
		}
		if err := answers.Encode(answer); err != nil {
			panic(err)
		}
	}
}

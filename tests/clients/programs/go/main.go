// AWS SDK for Go v2, unchanged but for AWS_ENDPOINT_URL: a wish in, an answer out, a line of JSON each.
// tests/clients/conversation.py says which wishes there are.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
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
}

func optional(wish pairs, name string) *string {
	if value, given := wish[name]; given {
		return &value
	}
	return nil
}

// Whoever the wish has keys of; without, the SDK's own chain decides: environment, profile, web identity.
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

"""What single AWS services do around moto: requests that they refuse first, answers that moto lacks or gets wrong.

A request that was authorized comes in; an answer goes out, or the service's own refusal. One subject of one service in
each module (Secrets Manager, Parameter Store, KMS, Organizations, SNS, SQS). Imported by `control`.
"""

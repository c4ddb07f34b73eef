"""What AWS services do around moto: requests that they refuse first, answers that moto lacks or gets wrong.

An authorized request comes in; an answer or the service's own refusal goes out. Each module is about one subject of
one service (Secrets Manager, Parameter Store, KMS, Organizations, SNS, SQS). Imported by `control`.
"""

"""The sandbox's corrections of moto for single AWS services.

This package refuses requests that AWS would refuse, and creates answers that moto lacks or gets wrong. It receives
authorized requests and returns an answer or the service's own refusal. Each module is about one part of one service
(Secrets Manager, Parameter Store, KMS, Organizations, SNS, SQS). Imported by `control`.
"""

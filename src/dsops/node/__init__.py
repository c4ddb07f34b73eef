"""Serves short-lived sessions and secrets to the processes of one machine, in the protocols that AWS's SDKs use.

Input: a configuration file that assigns stores to workloads, and HTTP requests on loopback or a Unix socket. Output:
container credentials, and secrets in the API of the AWS Secrets Manager Agent. The kernel identifies the caller
(`peer`), and a token file or a verified token proves the workload (`workloads`). Sessions are issued once for all
callers and renewed ahead of time (`sessions`). Imported by `cli`.
"""

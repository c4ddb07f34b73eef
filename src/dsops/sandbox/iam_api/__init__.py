"""AWS's IAM around moto's: checks before an operation, operations that moto lacks, and corrected answers.

A request that was authorized comes in; an answer goes out, or IAM's refusal. Imported by `control`.
"""

"""The IAM API of the sandbox, which adds to moto's IAM what it lacks.

This package checks requests before moto performs them, implements operations that moto lacks, and corrects moto's
answers. It receives authorized requests and returns an answer or IAM's refusal. Imported by `control`.
"""

"""The sandbox's IAM API: moto's IAM, plus the checks and operations that moto lacks.

This package checks requests before moto performs them, implements operations that moto lacks, and corrects moto's
answers. It receives authorized requests and returns an answer or IAM's refusal. Imported by `control`.
"""

"""AWS's IAM around moto's: checks before an operation, operations that moto lacks, and corrected answers.

An authorized request comes in; an answer or IAM's refusal goes out. Imported by `control`.
"""

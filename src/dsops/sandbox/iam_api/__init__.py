"""AWS's IAM around moto's: checks before an operation, operations that moto lacks, and corrected answers."""

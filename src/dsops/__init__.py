"""Short-lived AWS credentials through STS, secrets reached with them, and a command that runs with those secrets."""

__version__ = "0.1.0"

"""IAM as AWS has it, around moto's: what is checked before, what is done instead, and what the answers say."""

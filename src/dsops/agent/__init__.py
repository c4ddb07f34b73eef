"""The pipeline kept going: credentials that are renewed while a command works with them."""

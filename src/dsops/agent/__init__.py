"""Sessions kept warm: in memory behind a socket, and renewed while a command works with them; nothing on disk."""

"""Commands that write secrets and show their versions: `set`, `edit`, `history`, `diff`, `rollback`, `rm`.

In: a store, the key of a secret, and a value that is typed, piped or edited. Out: a new version of the secret, or what
differs between versions. `cli` loads it by the table of commands; no other room imports it.
"""

"""Commands that write secrets and show their versions: `set`, `edit`, `history`, `diff`, `rollback`, `rm`.

The input is a store, the key of a secret, and a value that is typed, piped or edited. The output is a new version of
the secret, or the difference between versions. `cli` loads this package by the table of commands; no other package
imports it.
"""

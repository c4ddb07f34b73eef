"""Commands that look and change nothing: `plan`, `graph`, `validate`, `stores`, `whoami`, `doctor`, `explain`.

In: a configuration, and what AWS answers. Out: text, JSON or a drawing; only `doctor --fix` repairs. It may use what
the other families show. `cli` loads it by the table of commands; no other room imports it.
"""

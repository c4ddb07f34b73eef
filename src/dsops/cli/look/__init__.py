"""Read-only commands: `plan`, `graph`, `validate`, `stores`, `whoami`, `doctor`, `explain`.

The input is a configuration, and AWS's responses. The output is text, JSON or a drawing; only `doctor --fix` makes
repairs. The package may use parts of the other families of commands. `cli` loads it by the table of commands; no other
package imports it.
"""

"""Commands that look and change nothing: `plan`, `graph`, `validate`, `stores`, `whoami`, `doctor`, `explain`."""

"""The picker: a person chooses a store, an environment or a role from a list on the terminal.

An error about a missing name comes in (`open_choice`), or a list of choices (`terminal`); a command line or a choice
goes out. `choices` reads the names, `matcher` filters and sorts them, `list_box` draws them. The parent package and
`cli` import it, only when a choice is open.
"""

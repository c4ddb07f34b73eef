"""The picker: lets a person choose a store, an environment or a role from a list on the terminal.

Choices come in; the choice of the user goes out, or None without a terminal. `choices` reads the names, `matcher`
filters and sorts them, `list_box` draws them. Imported by the other modules of `framework`, only when a choice is open.
"""

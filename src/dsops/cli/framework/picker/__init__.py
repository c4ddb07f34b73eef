"""The picker: lets the user choose a store, an environment or a role from a list on the terminal.

The input is the choices; the output is the user's choice, or None without a terminal. `choices` reads the names,
`matcher` filters and sorts them, `list_box` draws them. Imported by the other modules of `framework`, only when a
choice is open.
"""

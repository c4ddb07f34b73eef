"""The documents of resource policies: the principals that they name, and the forms that single services give them.

Text comes in and goes out; nothing is stored here. Any room of the sandbox may import it.
"""

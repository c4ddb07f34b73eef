"""AWS Organizations: which accounts belong together, which control policies bind them, and the checks of its API.

Imported by `authorization`, `control` and `seed`.
"""

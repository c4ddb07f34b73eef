"""A signed request and the world -> a decision of `dsops.policy`, and what a refused caller may learn of it.

Who signed the request, which condition keys it has, which policies bear on it; encoded authorization messages and the
IAM Toolbox. `resources/` says what each operation is about. Imported by the rooms that carry requests out.
"""

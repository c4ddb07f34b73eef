"""The sandbox's page: calls as they come, why each was allowed or denied, and which change would allow it.

Input: the decisions that the sandbox keeps. Output: the page's files, and JSON for the page's script. The page has no
access of its own: its script asks the control endpoints, with the token of this run. `control` imports this package.
"""

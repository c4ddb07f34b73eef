"""Recordings of a run's AWS calls, and what is made of them: policies, replays and session policies.

`recorder` writes the decisions about a run's requests to a file, and `reading` reads such files. `policy` makes the
least-privilege policy of recorded calls. `replay` evaluates recorded calls against policies, and says which statements
they need. Only `recorder`, `reading` and `session` access files. Imported by `cli`, `guard` and
`pipeline`.
"""

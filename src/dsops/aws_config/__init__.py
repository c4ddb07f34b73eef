"""Converts between AWS's config file and dsops configurations, in both directions.

In: texts and a configuration. Out: texts. It reads and writes no files. Imported by `cli`, `pipeline` and `whoami`.
"""

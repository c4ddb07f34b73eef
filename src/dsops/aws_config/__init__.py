"""Converts between AWS's config file and dsops configurations, in both directions.

The input is texts and a configuration, the output is texts. The package reads and writes no files. Imported by `cli`
and `pipeline`.
"""

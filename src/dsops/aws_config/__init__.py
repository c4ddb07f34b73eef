"""AWS's config file and dsops configurations, each made from the other.

In: texts and a configuration. Out: texts. It reads and writes no files. Imported by `cli`.
"""

"""Replacements of functions of moto that are slow, with the same results and the same state.

In: the parts of a request that the fence has built, and moto's classes. Out: moto's request and faster subclasses.
Imported by `state` only.
"""

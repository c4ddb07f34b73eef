"""Faster replacements for slow functions of moto, with the same results and the same state; complete results for S3.

The input is the parts of a request that the fence has built, and moto's classes. The output is moto's request, and
faster subclasses of moto's classes. Imported by `state` only.
"""

"""Seed files: parsed and checked, and the resources of a region and an Identity Center made from them.

Takes YAML; returns a Seed. Imported by `control`, which fills a sandbox from it, and by `dsops.seed`, which generates
seeds from configurations.
"""

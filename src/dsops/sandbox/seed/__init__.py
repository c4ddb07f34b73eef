"""Parse and check seed files; create a seed's regional resources and its Identity Center instance.

Takes YAML; returns a Seed. Imported by `control`, which fills a sandbox from it, and by `dsops.seed`, which generates
seeds from configurations.
"""

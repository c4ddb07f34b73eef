"""The documents of resource policies: their principals, and the formats that are special to a service.

Input and output are texts; nothing is stored here. Every other package of the sandbox may import this package.
"""

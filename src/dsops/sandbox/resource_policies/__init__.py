"""The documents of resource policies: their principals, and the formats that are special to a service.

Text comes in and goes out; nothing is stored here. Any room of the sandbox may import it.
"""

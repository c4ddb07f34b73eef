"""Checks of services that moto lacks, and errors for moto's failures.

One module for each service. Each raises SandboxRefusal.
"""

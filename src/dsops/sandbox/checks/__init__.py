"""What services check before they act that moto does not, and the error for what moto fails at instead.

One module for each service. Each raises SandboxRefusal.
"""

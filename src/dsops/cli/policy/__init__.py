"""`dsops policy check`, `simulate` and `generate`.

Policies and questions come in as arguments; findings and decisions are printed. `dsops.cli` alone imports it.
"""

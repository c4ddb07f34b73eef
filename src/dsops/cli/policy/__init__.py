"""`dsops policy check`, `simulate` and `generate`."""

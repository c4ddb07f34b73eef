"""The table of store types, and the seam for those of others."""

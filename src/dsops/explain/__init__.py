"""A denial -> its reason: what the policies say that bear on a call, as far as they can be read."""

"""Questions and evidence -> findings: the broken place, how sure that is, its cause and its remedy."""

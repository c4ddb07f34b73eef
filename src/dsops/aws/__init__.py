"""A thin AWS client: it knows requests, signatures, retries and AWS's errors, nothing of the config."""

"""A thin AWS client: requests, signatures, retries and AWS's errors. It does not know the configuration."""

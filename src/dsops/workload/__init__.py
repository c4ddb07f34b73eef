"""The identity of a workload: tokens that Kubernetes and SPIFFE issue to processes and pods.

In: the Workload API's socket, or a token and its issuer's keys. Out: a JWT-SVID, or the verified identity. Imported by
`node`, `sandbox` and `stores`.
"""

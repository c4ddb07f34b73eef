"""Move the bytes of the guard: parse requests, ask the gate, and relay requests and responses in bounded memory.

In: connections of clients, as an endpoint and as a proxy. Out: connections to upstreams, with request lines and headers
that the guard writes itself. `serving` has what the connections share. Imported by `exchange`, `hosts`, `run` and
`server`.
"""

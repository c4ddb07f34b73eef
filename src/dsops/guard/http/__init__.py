"""Move the bytes of the guard: parse requests, ask the gate, and relay requests and responses in bounded memory.

In: connections of clients, as an endpoint and as a proxy. Out: connections to upstreams, with heads that are written
anew. `serving` has what the connections share. Imported by `exchange`, `hosts`, `run` and `server`.
"""

"""The types between the guard's server and its gate, for the modules of the gate."""

from dsops.guard.http.exchange import Begin, Forward, Forwarded, Gate, RequestHead, Tunnel

__all__ = ["Begin", "Forward", "Forwarded", "Gate", "RequestHead", "Tunnel"]

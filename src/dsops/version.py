"""The version of dsops, in a module of its own, so that lower modules need not depend on `dsops.open`."""

__version__ = "0.1.0"

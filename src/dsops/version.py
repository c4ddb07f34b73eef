"""The version of dsops. A separate module, so that lower modules need not import the package with `dsops.open`."""

__version__ = "0.1.0"

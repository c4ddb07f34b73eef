"""What services do by themselves in moto: deliver messages and run functions.

The input is moto's backends and its senders, which are patched here. The output is deliveries about which the sandbox
decides, and the stored functions, mappings and keys on which they depend. Imported by `functions` and `handlers`.
"""

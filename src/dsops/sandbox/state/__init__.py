"""The sandbox's state: accounts, moto's backends, and the fence through which every call to moto goes.

The only package that imports moto. It receives parsed and authorized operations and returns moto's answers, corrected
to AWS's.
"""

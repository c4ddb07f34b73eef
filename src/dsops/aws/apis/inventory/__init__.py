"""AWS's read-only lists of accounts, identities, resources and their policies, as AWS answers them.

One file per service and one function per API action. No function reads the content of a resource, such as a secret's
value. Imported by `access`.
"""

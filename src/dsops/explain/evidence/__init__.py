"""What can be read about a refusal: policies attached to users and roles, an organization, AWS's own record.

Keys of the chain and given files come in; policies, or the fact that is missing, go out.
"""

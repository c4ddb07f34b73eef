"""The facts about an organization: accounts, identities, resources, policies, and what could not be read.

The input is the text of files, or the folder that `dsops access collect` writes; the output is `OrganizationFacts`.
Imported by the other folders of `access` and by `cli`.
"""

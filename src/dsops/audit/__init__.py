"""The audit trail: one line per use of a role or secret, each with the hash of the line before.

In: the acts of a run, and the user's own configuration. Out: lines in files, sent to receivers, read back and
verified. `cloudtrail` and `page` make reports from the trail and from CloudTrail's logs. Imported by `agent`, `cli`,
`doctor`, `library` and `pipeline`.
"""

from __future__ import annotations

"""Open a secret for writing, and make its new value: one field of a JSON object, or a text from an editor.

The input is a plan, a key and the credentials that sign the calls. The output is the secret, which records its calls
in the audit trail, and the values to write or compare. Imported by `cli`.
"""

from __future__ import annotations

from dsops.secret_editing.difference import FieldChange, changes_between
from dsops.secret_editing.editor_text import EditorText, editor_text
from dsops.secret_editing.field import with_field
from dsops.secret_editing.memory_folder import memory_folder, private_folder
from dsops.secret_editing.opening import open_secret, planned_calls

__all__ = [
    "EditorText",
    "FieldChange",
    "changes_between",
    "editor_text",
    "memory_folder",
    "open_secret",
    "planned_calls",
    "private_folder",
    "with_field",
]

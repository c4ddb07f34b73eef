"""Return the command line that starts this dsops again.

It is written to files and shells that outlive this process.
"""

from __future__ import annotations

import os


def own_program(started_as: str, python: str) -> list[str]:
    """Return the words that start this dsops from any folder and with any PATH.

    The words are the path of the dsops script or of `dsops.pyz`, or else `python -P -m dsops`.
    """
    path = os.path.abspath(started_as)
    is_ours = os.path.basename(path).lower() in {"dsops", "dsops.exe", "dsops.pyz"}
    if is_ours and os.path.isfile(path) and os.access(path, os.X_OK):
        return [path]
    # Without -P, Python would import a dsops.py in the folder where it starts.
    return [os.path.abspath(python), "-P", "-m", "dsops"]

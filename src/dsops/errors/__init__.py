"""All exceptions of dsops, each with message, reason, next step and exit code.

Exceptions are defined in this package only, sorted by exit code. A class has one stable dotted `code`; its docstring is
the text that `dsops help CODE` shows. Instances contain the details of a failure, but never the value of a secret. Any
room may import it, and imports the names from `dsops.errors`, not from the modules of the package.
"""

from dsops.errors.base import AwsAnswer as AwsAnswer
from dsops.errors.base import DsopsError as DsopsError
from dsops.errors.base import FailedOperation as FailedOperation
from dsops.errors.base import Failures as Failures
from dsops.errors.base import Hop as Hop
from dsops.errors.base import Problem as Problem
from dsops.errors.base import Where as Where
from dsops.errors.base import bug_of as bug_of
from dsops.errors.base import listed as listed
from dsops.errors.base import nearest as nearest
from dsops.errors.configuration import *  # noqa: F403 - every class of the module
from dsops.errors.credentials import *  # noqa: F403
from dsops.errors.services import *  # noqa: F403

"""Serves the sandbox for moto's tests: reset by `/moto-api/reset`, called by an administrator.

Account 123456789012 has only its root user, who signs with the keys that moto's decorator gives boto3, so lists
contain only what a test created. The tests for STS assume roles, which a root user may not: for these tests the keys
belong to the user `admin`.
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable

from dsops.request.messages import HttpRequest
from dsops.sandbox.seed.model import Seed, SeedAccount, SeedKey, SeedUser
from tests.sandboxes import Keys, Lab
from tests.stubs.server import Answer, Seen

ACCOUNT = "123456789012"
_KEY = SeedKey("FOOBARKEY", "FOOBARSECRET")
_RESET = "/moto-api/reset"


def sandbox_of_root() -> Lab:
    """A sandbox whose only principal is the root user."""
    lab = Lab.of(Seed(accounts=(SeedAccount(ACCOUNT, root=_KEY),)))
    admin = lab.user("admin", ACCOUNT)
    root = lab.with_keys(Keys(access_key_id=_KEY.access_key_id, secret_access_key=_KEY.secret_access_key))
    root.call("iam", "DeleteAccessKey", UserName="admin", AccessKeyId=admin.keys.access_key_id)
    root.call("iam", "DeleteUserPolicy", UserName="admin", PolicyName="full-rights")
    root.call("iam", "DeleteUser", UserName="admin")
    return lab


def sandbox_of_admin() -> Lab:
    """A sandbox in which the keys belong to the user `admin`."""
    return Lab.of(Seed(accounts=(SeedAccount(ACCOUNT, users=(SeedUser("admin", _KEY),)),)))


def front(make: Callable[[], Lab]) -> Callable[[Seen], Answer]:
    """The request handler for a StubServer; `make` creates a new sandbox at each reset."""
    lock = threading.Lock()
    lab = make()

    def answer(seen: Seen) -> Answer:
        nonlocal lab
        with lock:
            if seen.target == _RESET:
                lab = make()
                return Answer()
            path, _, query = seen.target.partition("?")
            headers = {name.lower(): value for name, value in seen.headers}
            request = HttpRequest(seen.method, path, query, headers, seen.body, "127.0.0.1")
            try:
                given = lab.sandbox.handle(request).answer
            except Exception:  # noqa: BLE001 - a bug of ours: one test fails, and its report says why
                return Answer(500, traceback.format_exc().encode())
            return Answer(given.status, given.body, given.headers)

    return answer

"""Let moto keep the body of an S3 object without a copy."""

from __future__ import annotations

from io import BytesIO
from typing import Any


def keep_bodies(models: Any) -> None:  # Any: a module of moto, which has no static type
    """Make moto's S3 objects share the bytes of a request.

    moto copies a body into a temporary file when it stores an object, and again for the ETag and for each read. BytesIO
    shares the bytes instead. Objects above moto's limit for memory (16 MB) still go to a file on disk.
    """
    object_class = models.FakeKey
    value = object_class.value

    def keep(self: Any, body: Any) -> None:
        if not isinstance(body, bytes) or len(body) > self._max_buffer_size:
            value.fset(self, body)
            return
        self._value_buffer.close()
        self._value_buffer = BytesIO(body)
        self.contentsize = len(body)

    object_class.value = property(value.fget, keep)

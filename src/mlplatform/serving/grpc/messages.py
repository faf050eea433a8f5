"""The messages of our gRPC services, made at run time from `messages.binpb`.

That file is what `make messages` makes of the .proto files beside it. The messages live in a pool
of their own: in protobuf's common one they would collide with those of a client library for the
same protocol that is imported into the same process.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from mlplatform.errors import InvalidInput

DESCRIPTION = Path(__file__).with_name("messages.binpb")


@cache
def message(name: str) -> Any:
    """The class of a message, e.g. "inference.ModelInferRequest"."""
    found = _pool().FindMessageTypeByName(name)
    return import_module("google.protobuf.message_factory").GetMessageClass(found)


def parsed(name: str, body: bytes) -> Any:
    """The message in `body`. Raises InvalidInput when it can't be one."""
    try:
        return message(name).FromString(body)
    except import_module("google.protobuf.message").DecodeError as error:
        raise InvalidInput(f"the message can't be read as {name}", field="body") from error


# protobuf is imported here and not above: it takes a tenth of a second and 4 MiB, which processes
# without a gRPC port would pay for nothing.
@cache
def _pool() -> Any:
    pool = import_module("google.protobuf.descriptor_pool").DescriptorPool()
    described = import_module("google.protobuf.descriptor_pb2").FileDescriptorSet
    for file in described.FromString(DESCRIPTION.read_bytes()).file:
        pool.Add(file)
    return pool

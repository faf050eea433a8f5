"""Write `messages.binpb` of serving from the .proto files beside it (`make messages`)."""

from __future__ import annotations

import sys
from pathlib import Path

from grpc_tools import protoc

FOLDER = Path(__file__).parents[1] / "src" / "mlplatform" / "serving" / "grpc"
FILES = ("open_inference.proto", "health.proto")


def write(target: Path) -> None:
    """Describe all messages in `target`, without their comments."""
    arguments = [f"--proto_path={FOLDER}", f"--descriptor_set_out={target}", *FILES]
    if protoc.main(["protoc", *arguments]):
        sys.exit("protoc has refused the files")


if __name__ == "__main__":
    write(FOLDER / "messages.binpb")

#!/bin/sh
# Installs a lock into /opt/mlplatform while an image is built: hashes checked, wheels only (so no
# compiler is needed), tests of others left out, bytecode made once.
set -eu
python -m pip --python /opt/mlplatform/bin/python install -q \
  --require-hashes --no-deps --only-binary :all: -r "$1"
find /opt/mlplatform/lib -type d \( -name tests -o -name test \) -path '*site-packages*' \
  -prune -exec rm -rf {} +
find /opt/mlplatform/lib -name '*.pyi' -delete
# ONNX Runtime once more, for C++ programs (35 MB); the Python module holds its own.
rm -f /opt/mlplatform/lib/python3*/site-packages/onnxruntime/capi/libonnxruntime.so.*
python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/mlplatform/lib

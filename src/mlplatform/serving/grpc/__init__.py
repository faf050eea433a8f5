"""The Open Inference Protocol over gRPC, beside HTTP and over the same handler."""

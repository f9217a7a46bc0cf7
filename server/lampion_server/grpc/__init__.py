"""The Open Inference Protocol over gRPC, beside the same DataPlane; needs the extra `lampion[grpc]`."""

from lampion_server.grpc.server import grpc_server

__all__ = ["grpc_server"]

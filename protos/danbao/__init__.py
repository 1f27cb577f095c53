"""The contract: `from danbao.v1 import payments_pb2, payments_pb2_grpc`."""

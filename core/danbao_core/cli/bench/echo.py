"""The echo server: what gRPC alone costs. `python -m danbao_core.cli.bench.echo` says on stdout where it listens.

It takes the requests of CreatePayment and gives the answers of CreatePayment, parsed and serialized, and does nothing in
between: no interceptor, no caller, no rules, no engine. Loop, channel options and garbage collection are the server's. It ends
with its stdin.
"""

import asyncio
import gc
import sys
from typing import Final

import grpc
import uvloop
from google.protobuf.timestamp_pb2 import Timestamp

from danbao.v1 import common_pb2, payments_pb2
from danbao_core.server import OPTIONS

_NOW: Final = Timestamp(seconds=1_790_000_000, nanos=123_456_000)


def _money(amount_minor: int) -> common_pb2.Money:
    return common_pb2.Money(amount_minor=amount_minor, currency_code="USD")


ANSWER: Final = payments_pb2.Payment(
    name="payments/01a202b3-a97f-75a6-8484-f7938d7f47de",
    payer="accounts/01a202b3-a97f-75a6-8484-f7938d7f47df",
    payee="accounts/01a202b3-a97f-75a6-8484-f7938d7f47e0",
    amount=_money(1250),
    fee=_money(19),
    mode=payments_pb2.Payment.MODE_INSTANT,
    state=payments_pb2.Payment.STATE_SUCCEEDED,
    subject="A payment of the bench",
    held=_money(0),
    released=_money(1250),
    returned=_money(0),
    refunded=_money(0),
    refund_reserved=_money(0),
    awarded=_money(0),
    due_event=payments_pb2.Payment.DUE_EVENT_FINISH,
    due_time=_NOW,
    create_time=_NOW,
    update_time=_NOW,
    pay_time=_NOW,
    success_time=_NOW,
)
"""What a payment of the bench is answered with; a test holds it to the real answer, field by field."""


async def _answer(_request: payments_pb2.CreatePaymentRequest, _context: object) -> payments_pb2.Payment:
    return ANSWER


def _service() -> grpc.GenericRpcHandler:
    """CreatePayment and nothing else, made as generated code makes it."""
    method = grpc.unary_unary_rpc_method_handler(
        _answer,
        request_deserializer=payments_pb2.CreatePaymentRequest.FromString,
        response_serializer=payments_pb2.Payment.SerializeToString,
    )
    return grpc.method_handlers_generic_handler("danbao.v1.PaymentService", {"CreatePayment": method})


async def _serve() -> None:
    server = grpc.aio.server(options=[*OPTIONS, ("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((_service(),))  # by name, as the server does: registered methods cost more
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    sys.stdout.write(f"127.0.0.1:{port}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    await server.stop(0)


if __name__ == "__main__":
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    uvloop.run(_serve())

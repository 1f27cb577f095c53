"""A first call that a newcomer can paste into a shell."""

import json
import shlex


def first_call(address: str, operator_key: str) -> str:
    """A `buf curl` command that makes a payment between the sandbox's two sample accounts, at the
    core on `address`.

    Pasting it twice makes one payment: the request id makes the second call a repeat.
    """
    from danbao_core.bootstrap import SAMPLE_BUYER, SAMPLE_SHOP

    payment = {
        "requestId": "first-payment",
        "payer": f"accounts/{SAMPLE_BUYER}",
        "payee": f"accounts/{SAMPLE_SHOP}",
        "amount": {"amountMinor": "1250", "currencyCode": "USD"},
        "subject": "A first payment",
        "pay": True,
    }
    command = [
        "buf",
        "curl",
        "--protocol",
        "grpc",
        "--http2-prior-knowledge",
        "-H",
        f"authorization: Bearer {operator_key}",
        "-d",
        json.dumps(payment),
        f"http://{address}/danbao.v1.PaymentService/CreatePayment",
    ]
    return shlex.join(command)

"""`danbao explain` tells all that is known of a payment."""

from danbao.v1.payments_pb2 import CreatePaymentRequest
from tests.acceptance.sandbox import Sandbox, danbao
from tests.rpc_requests import UNKNOWN, money

ADA, SHOP = "accounts/00000000-0000-8000-8000-0000000b0ee1", "accounts/00000000-0000-8000-8000-00000000540b"


async def test_it_tells_people_and_programs(sandbox: Sandbox) -> None:
    request = CreatePaymentRequest(payer=ADA, payee=SHOP, amount=money(1_250, "USD"), pay=True)
    async with sandbox.client() as client:
        payment = await client.payments.CreatePayment(request)
    told = await sandbox.danbao("explain", payment.name)
    assert told.code == 0, told.err
    assert (told.answer["payment"]["name"], told.answer["truncated"]) == (payment.name, False)
    assert told.answer["steps"][0]["done"]["kind"] == "payment.pay"
    assert len(told.answer["steps"][0]["entries"]) == 2
    shown = await danbao("explain", payment.name.partition("/")[2], "--data", sandbox.folder)
    assert shown.code == 0, shown.err
    lines = [" ".join(line.split()) for line in shown.out.splitlines()]
    assert f"{payment.name}: 12.50 USD, paid; payer {ADA}, payee {SHOP}" in lines
    for expected in ("payer available -12.50 USD", "escrow +12.50 USD", "12.50 USD in escrow", "ship by is due timer"):
        assert any(line.endswith(expected) for line in lines), expected
    assert any("payment.pay service:operator" in line for line in lines)
    unknown = await sandbox.danbao("explain", UNKNOWN)
    assert (unknown.code, unknown.answer["error"]["reason"]) == (1, "PAYMENT_NOT_FOUND")

"""Card numbers in what people write, over the wire: refused wherever it is, and masked in the log where they are let pass."""

import json
from collections.abc import Iterator

import grpc
import pytest

from danbao.v1 import payments_pb2
from tests import rpc_client
from tests.leaks import must_not_be_logged, must_not_be_stored
from tests.log_lines import Lines, log_lines
from tests.rpc_client import Core, a_merchant, an_account, nothing_changes
from tests.rpc_requests import a_batch, a_payment, changed, create_account, freeze, ship

core = rpc_client.core

VISA = "4111111111111111"
GROUPED = "4111 1111-1111.1111"


@pytest.fixture
def lines() -> Iterator[Lines]:
    with log_lines() as written:
        yield written


async def test_refused_wherever_people_write(core: Core, lines: Lines) -> None:
    ada, shop = await an_account(core, funds_minor=500), await a_merchant(core)
    refusing = {
        "subject": a_payment(ada, shop, subject=f"card {GROUPED}"),
        "metadata": a_payment(ada, shop, metadata={"card": VISA}),
        "display_name": changed(create_account("CNY"), display_name=VISA),
        "reason": freeze(ada, reason=f"paid with {VISA}"),
    }
    async with nothing_changes(core):
        for field, request in refusing.items():
            refused = await core.operator.refused(request)
            assert (refused.code, refused.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "CARD_NUMBER_IN_TEXT")
            assert refused.violations == {field: "CARD_NUMBER_IN_TEXT"}
            assert "1111" not in str(refused)
        refused = await core.operator.refused(a_batch(a_payment(ada, shop), a_payment(ada, shop, subject=VISA)))
        assert (refused.reason, refused.metadata) == ("CARD_NUMBER_IN_TEXT", {"item": "1"})
        assert set(refused.violations) == {"requests[1].subject"}
    must_not_be_logged(lines, VISA, GROUPED)
    await must_not_be_stored(core.connection, VISA, GROUPED)


async def test_of_a_stream_one_item_is_refused(core: Core) -> None:
    ada, shop = await an_account(core, funds_minor=500), await a_merchant(core)
    stream = core.operator.stream()
    await stream.write(
        payments_pb2.StreamPaymentsRequest(requests=[a_payment(ada, shop, subject=VISA), a_payment(ada, shop, subject="book")])
    )
    first, second = (await stream.read()).results
    await stream.done_writing()
    assert rpc_client.refused_status(first.status).reason == "CARD_NUMBER_IN_TEXT"
    assert second.payment.subject == "book"


async def test_numbers_of_callers_are_theirs_and_masked_in_the_log(core: Core, lines: Lines) -> None:
    ada, shop = await an_account(core, funds_minor=500), await a_merchant(core)
    payment = await core.operator.ask(changed(a_payment(ada, shop, order_no=VISA), request_id=VISA))
    assert payment.order_no == VISA
    await core.operator.ask(ship(payment.name))
    must_not_be_logged(lines, VISA)
    assert "[card number ending 1111]" in {json.loads(line).get("request_id") for line in lines}

"""What people type in and are shown, from registering to resets, stands nowhere in clear: in no table and no log."""

from tests import rpc_client
from tests.leaks import columns_with, must_not_be_logged, must_not_be_stored
from tests.log_lines import log_lines
from tests.people import a_minute_later, a_phone, a_stranger, approval_of, messages_to, registered
from tests.rpc_client import Core
from tests.rpc_requests import (
    A_LOGIN_PASSWORD,
    log_in,
    refresh,
    register,
    reset_password,
    set_payment_password,
    start_reset,
)

core = rpc_client.core

PAYMENT_PASSWORD = "280463"
WRONG = "wrong-but-secret-too"
NEW = "violet-typewriter-77"


async def test_no_secret_of_these_flows_is_in_the_database_or_the_log(core: Core) -> None:
    phone = a_phone()
    with log_lines() as lines:
        tokens = await registered(core, phone)
        ada = core.operator.with_token(tokens.access_token)
        await ada.ask(set_payment_password(PAYMENT_PASSWORD))
        await a_stranger(core).refused(log_in(phone, login_password=WRONG))
        await a_stranger(core).refused(register(phone))  # within the minute
        refreshed = await a_stranger(core).ask(refresh(tokens.refresh_token))
        await a_minute_later(core)
        approval = await approval_of(core, await a_stranger(core).ask(start_reset(phone)), phone)
        await a_stranger(core).ask(reset_password(approval, NEW))
    codes = [each.parameters["code"] for each in await messages_to(core, phone) if each.template == "code"]
    assert len(codes) == 2
    digits = (PAYMENT_PASSWORD, *codes)  # too few of them to be sought where times stand
    secrets = [phone, A_LOGIN_PASSWORD, WRONG, NEW, tokens.access_token, *(f'"{each}"' for each in digits)]
    secrets += [each.refresh_token.rpartition("_")[2] for each in (tokens, refreshed)]
    assert lines.of("rpc")
    await must_not_be_stored(core.connection, *secrets)
    must_not_be_logged(lines, *secrets)
    for each in digits:
        assert await columns_with(core.connection, each) == []

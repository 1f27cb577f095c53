"""`danbao keys`: made, shown once, rotated and ended, on a sandbox and on the machine of a live core."""

import os
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import grpc
import pytest

from danbao.v1.accounts_pb2 import Account, CreateAccountRequest, GetAccountRequest
from danbao.v1.operations_pb2 import ListServiceKeysRequest
from danbao_client import Danbao, DanbaoError
from danbao_core.bootstrap import SAMPLE_SHOP
from danbao_core.service_keys import Token
from tests.acceptance.sandbox import Sandbox, danbao, started
from tests.integration.sandboxes import eventually
from tests.shared_postgres import SharedServer

NOBODY = "accounts/00000000-0000-7000-8000-000000000000"


async def a_key(sandbox: Sandbox, *options: str, scope: str = "accounts.read") -> dict[str, Any]:
    made = await sandbox.danbao("keys", "create", "shop", "--scope", scope, *options)
    assert made.code == 0, made.err
    return made.answer


async def reason_with(sandbox: Sandbox, token: str, account: str = NOBODY) -> str:
    """Why a look at an account is refused to a token; ACCOUNT_NOT_FOUND where it is only that there is none."""
    async with sandbox.client(key=token) as client:
        try:
            await client.accounts.GetAccount(GetAccountRequest(name=account))
        except DanbaoError as error:
            return error.reason
    return ""


async def an_account(sandbox: Sandbox) -> str:
    async with sandbox.client() as client:
        request = CreateAccountRequest(kind=Account.KIND_PERSONAL, display_name="Ada", currency_codes=["USD"])
        return (await client.accounts.CreateAccount(request)).name


# --- On a running core ------------------------------------------------------------------------------------------------------


async def test_a_new_key_may_do_what_its_scopes_say(sandbox: Sandbox) -> None:
    made = await a_key(sandbox)
    key = made["service_key"]
    assert re.fullmatch(r"serviceKeys/[0-9a-f-]{36}", key["name"])
    assert (key["service"], key["scopes"], key["account"], key["state"]) == ("shop", ["accounts.read"], "", "STATE_ACTIVE")
    assert await reason_with(sandbox, made["token"]) == "ACCOUNT_NOT_FOUND"
    async with sandbox.client(key=made["token"]) as client:
        with pytest.raises(DanbaoError) as refused:
            await client.operations.ListServiceKeys(ListServiceKeysRequest())
    assert refused.value.code is grpc.StatusCode.PERMISSION_DENIED
    assert refused.value.metadata == {"scope": "operations"}


async def test_a_bound_key_sees_its_account_alone(sandbox: Sandbox) -> None:
    mine, other = await an_account(sandbox), await an_account(sandbox)
    made = await a_key(sandbox, "--account", mine)
    assert made["service_key"]["account"] == mine
    assert await reason_with(sandbox, made["token"], mine) == ""
    assert await reason_with(sandbox, made["token"], other) == "ACCOUNT_NOT_FOUND"


async def test_keys_are_listed_without_their_tokens(sandbox: Sandbox) -> None:
    made = await a_key(sandbox)
    listed = await sandbox.danbao("keys", "list")
    names = [key["name"] for key in listed.answer["service_keys"]]
    assert names[0] == made["service_key"]["name"]
    assert Token.parse(made["token"]).secret not in listed.out

    shown = await danbao("keys", "list", "--data", sandbox.folder)
    assert made["service_key"]["name"] in shown.out


async def test_people_get_the_token_on_the_last_line(sandbox: Sandbox) -> None:
    shown = await danbao("keys", "create", "shop", "--scope", "accounts.read", "--data", sandbox.folder)
    assert shown.code == 0
    assert await reason_with(sandbox, shown.out.splitlines()[-1]) == "ACCOUNT_NOT_FOUND"


async def test_rotation_leaves_the_old_token_its_grace(sandbox: Sandbox) -> None:
    made = await a_key(sandbox)
    name = made["service_key"]["name"]

    first = await sandbox.danbao("keys", "rotate", name, "--grace", "600")
    assert first.answer["service_key"]["old_secret_expire_time"] > first.answer["service_key"]["rotate_time"]
    assert await reason_with(sandbox, made["token"]) == "ACCOUNT_NOT_FOUND"
    assert await reason_with(sandbox, first.answer["token"]) == "ACCOUNT_NOT_FOUND"

    second = await sandbox.danbao("keys", "rotate", name, "--grace", "0")
    assert await reason_with(sandbox, made["token"]) == "TOKEN_INVALID"
    assert await reason_with(sandbox, first.answer["token"]) == "TOKEN_INVALID"
    assert await reason_with(sandbox, second.answer["token"]) == "ACCOUNT_NOT_FOUND"


async def test_a_revoked_key_is_over(sandbox: Sandbox) -> None:
    made = await a_key(sandbox)
    for _ in range(2):
        revoked = await sandbox.danbao("keys", "revoke", made["service_key"]["name"])
        assert revoked.answer["service_key"]["state"] == "STATE_REVOKED"
        assert await reason_with(sandbox, made["token"]) == "KEY_REVOKED"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("create", "shop", "--scope", "everything"), "SCOPE_UNKNOWN"),
        (("create", "The Shop", "--scope", "accounts.read"), "FIELD_INVALID"),
        (("create", "shop", "--scope", "accounts.read", "--account", NOBODY), "ACCOUNT_NOT_FOUND"),
        (("rotate", "serviceKeys/00000000-0000-7000-8000-000000000000"), "SERVICE_KEY_NOT_FOUND"),
        (("revoke", "shop"), "FIELD_INVALID"),
    ],
)
async def test_what_makes_no_sense_is_refused(sandbox: Sandbox, arguments: tuple[str, ...], reason: str) -> None:
    refused = await sandbox.danbao("keys", *arguments)
    assert refused.code == 1
    assert refused.answer["error"]["reason"] == reason
    assert refused.err.count("\n") == 1


# --- The sandbox's own key --------------------------------------------------------------------------------------------------


async def test_the_operator_renews_its_own_key(sandbox: Sandbox) -> None:
    old = sandbox.endpoint.operator_key
    name = f"serviceKeys/{UUID(old.split('_')[1])}"
    assert (await sandbox.danbao("keys", "revoke", name)).answer["error"]["reason"] == "KEY_IN_USE"

    rotated = await sandbox.danbao("keys", "rotate", name, "--grace", "0")

    new = rotated.answer["token"]
    assert await reason_with(sandbox, old) == "TOKEN_INVALID"
    assert sandbox.endpoint.operator_key == new
    assert (sandbox.folder / "operator.key").read_text() == f"{new}\n"
    for file in ("operator.key", "endpoint.json"):
        assert (sandbox.folder / file).stat().st_mode & 0o777 == 0o600
    pids = sandbox.endpoint.pids["worker"]
    sandbox.kill("worker")  # the endpoint is written anew when it runs again
    await eventually(lambda: sandbox.endpoint.pids["worker"] not in ([], pids))
    assert sandbox.endpoint.operator_key == new


async def test_the_second_operator_renews_its_own_key(sandbox: Sandbox) -> None:
    name = f"serviceKeys/{UUID(sandbox.endpoint.second_operator_key.split('_')[1])}"
    rotated = await sandbox.danbao("keys", "rotate", name, "--grace", "0")
    assert sandbox.endpoint.second_operator_key == rotated.answer["token"]
    assert (await sandbox.danbao("keys", "revoke", name)).answer["error"]["reason"] == "KEY_IN_USE"


async def test_two_operators_grant_what_one_cannot(sandbox: Sandbox) -> None:
    refused = await sandbox.danbao("keys", "create", "shop", "--scope", "payments.pay_any")
    assert refused.answer["error"]["reason"] == "SCOPE_NEEDS_GRANT"
    key = (await a_key(sandbox, scope="payments.write"))["service_key"]["name"]

    granted = await sandbox.danbao("proposals", "grant", key, "payments.pay_any", "--reason", "it pays for its users")
    name = granted.answer["proposal"]["name"]
    waiting = await sandbox.danbao("proposals", "list")
    assert name in [each["name"] for each in waiting.answer["proposals"]]
    alone = await sandbox.danbao("proposals", "approve", name)
    assert alone.answer["error"]["reason"] == "SECOND_OPERATOR_NEEDED"
    approved = await sandbox.danbao("proposals", "approve", name, "--second-operator")
    assert approved.answer["proposal"]["state"] == "STATE_APPROVED"

    keys = {each["name"]: each for each in (await sandbox.danbao("keys", "list")).answer["service_keys"]}
    assert keys[key]["scopes"] == ["payments.pay_any", "payments.write"]
    fees = ("proposals", "pay-out-fees", "1000000.00", "USD", f"accounts/{SAMPLE_SHOP}", "--reason", "the month is over")
    assert (await sandbox.danbao(*fees)).answer["error"]["reason"] == "FEES_EXCEEDED"
    rejected = await sandbox.danbao("proposals", "reject", name)
    assert rejected.answer["error"]["reason"] == "PROPOSAL_NOT_PENDING"


# --- On the machine of a live core ------------------------------------------------------------------------------------------


@pytest.fixture
async def live_database_url(
    postgres: SharedServer, administrator: "asyncpg.Connection[Any]", tmp_path: Path
) -> AsyncIterator[str]:
    """A live database, migrated, and nothing in it."""
    name = f"test_{uuid4().hex}"
    await administrator.execute(f"CREATE DATABASE {name}")
    migrated = await danbao("migrate", "--database-url", postgres.url_of(name), cwd=tmp_path)
    assert migrated.code == 0, migrated.err
    yield postgres.url_of(name)
    await administrator.execute(f"DROP DATABASE {name} WITH (FORCE)")


@asynccontextmanager
async def a_live_server(database_url: str) -> AsyncIterator[str]:
    """The address of a live core's server process."""
    settings = {"DANBAO_DATABASE_URL": database_url, "DANBAO_LISTEN": "127.0.0.1:0", "DANBAO_HASH_KEY": os.urandom(32).hex()}
    server = await started("serve", env=settings)
    try:
        yield (await server.line()).removeprefix("ready: ").strip()
    finally:
        server.send(signal.SIGTERM)
        assert (await server.result()).code == 0


async def test_the_first_key_of_a_live_core_is_made_on_the_machine(live_database_url: str, tmp_path: Path) -> None:
    made = await danbao(
        *("keys", "create", "operator", "--scope", "operations", "--database-url", live_database_url, "--json"), cwd=tmp_path
    )
    assert made.code == 0, made.err
    assert made.answer["service_key"]["service"] == "operator"

    async with a_live_server(live_database_url) as address:
        environment = {"DANBAO_ADDRESS": address, "DANBAO_KEY": made.answer["token"]}
        listed = await danbao("keys", "list", "--json", env=environment, cwd=tmp_path)
        assert [key["name"] for key in listed.answer["service_keys"]] == [made.answer["service_key"]["name"]]
        second = await danbao("keys", "create", "shop", "--scope", "accounts.read", "--json", env=environment, cwd=tmp_path)
        async with Danbao.connect(address, key=second.answer["token"]) as client:
            with pytest.raises(DanbaoError, match="ACCOUNT_NOT_FOUND"):
                await client.accounts.GetAccount(GetAccountRequest(name=NOBODY))
        name = made.answer["service_key"]["name"]
        rotated = await danbao(
            *("keys", "rotate", name, "--grace", "0", "--database-url", live_database_url, "--json"), cwd=tmp_path
        )
        renewed = environment | {"DANBAO_KEY": rotated.answer["token"]}
        assert (await danbao("keys", "list", "--json", env=renewed, cwd=tmp_path)).code == 0
        nobody = await danbao("keys", "rotate", "shop", "--database-url", live_database_url, "--json", cwd=tmp_path)
        assert nobody.answer["error"]["reason"] == "FIELD_INVALID"


async def test_what_cannot_be_written_to_a_database_is_said(
    live_database_url: str, postgres: SharedServer, administrator: "asyncpg.Connection[Any]", tmp_path: Path
) -> None:
    async def error_of(url: str, scope: str) -> tuple[str, str]:
        refused = await danbao(*("keys", "create", "operator", "--scope", scope, "--database-url", url, "--json"), cwd=tmp_path)
        assert refused.code == 1
        error = refused.answer["error"]
        return error["reason"], error["message"]

    assert (await error_of(live_database_url, "everything"))[0] == "SCOPE_UNKNOWN"
    assert (await error_of(postgres.url_of("nowhere"), "operations"))[0] == "DATABASE_UNUSABLE"
    assert (await error_of(postgres.url_of("postgres"), "operations")) == (
        "DATABASE_UNUSABLE",
        "The database is empty: run `danbao migrate` first.",
    )


async def test_a_database_and_a_sandbox_at_once_are_refused(tmp_path: Path) -> None:
    refused = await danbao(
        *("keys", "create", "operator", "--scope", "operations", "--database-url", "postgresql:///x", "--data", tmp_path)
    )
    assert refused.code == 2
    assert "--database-url" in refused.err

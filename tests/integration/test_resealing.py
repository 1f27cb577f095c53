"""A change of keys while people go on: all comes under the new one, nothing is lost, and a second run changes nothing."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from typer.testing import CliRunner

from danbao.v1 import identity_pb2
from danbao_core.cli.app import app
from danbao_core.engine import Engine
from danbao_core.engine.reads import fetch_row
from danbao_core.engine.rows import TABLES
from danbao_core.ids import uuid7
from danbao_core.keyring import FIRST_ID, Keyring, written
from danbao_core.people import resealing
from danbao_core.people.messages import Channel, letter, letter_by
from danbao_core.people.person import Person
from danbao_core.people.resealing import SEALED, Progress, dependents, reseal
from danbao_core.policy import PolicySchedule
from danbao_core.server_role import AS_SERVER
from tests import leaks
from tests.people import PersonCaller, a_mail_address, a_person, a_phone, keyring_of
from tests.rpc_client import HASH_KEY, Connection, Core, a_core, an_operator_token, digest, id_of
from tests.rpc_requests import an_endpoint, bind, close, erase, log_in, rotate_secret, verify

OLD = bytes.fromhex(HASH_KEY)
NUMBER, CARD = "360426199101010071", "6222021234567894567"


@pytest.fixture(autouse=True)
def _logs_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command runs in this process, whose loggers would keep what it configures."""
    monkeypatch.setattr("danbao_core.logs.configure", lambda _: None)


@pytest.fixture
def new_key() -> bytes:
    return os.urandom(32)


def a_file(folder: Path, name: str, **secrets: bytes) -> Path:
    file = folder / name
    file.write_text("".join(written(key_id.strip("k"), secret) for key_id, secret in secrets.items()))
    return file


@asynccontextmanager
async def working(database_url: str) -> AsyncIterator[tuple[Engine, "asyncpg.Pool[Any]"]]:
    """What a run works with: in the role of servers, as the command does."""
    engine = Engine(database_url, policies=PolicySchedule.load())
    async with asyncpg.create_pool(database_url, min_size=1, max_size=2, server_settings=AS_SERVER) as pool:
        await engine.start()
        try:
            yield engine, pool
        finally:
            await engine.stop()


async def brought_along(database_url: str, keyring: Keyring) -> tuple[Progress, dict[str, dict[str, int]]]:
    """What a run did, and what needs which key afterwards."""
    async with working(database_url) as (engine, pool):
        done = await reseal(engine, pool, keyring, lambda _: None)
        return done, await dependents(pool, keyring)


async def a_message(connection: Connection, keyring: Keyring, phone: str) -> UUID:
    sent = letter(keyring, phone, "code", code="493027")
    await connection.execute(
        "INSERT INTO message (id, channel, address_hash, address, template, parameters, created_at) "
        "VALUES ($1, 1, $2, $3, 'code', $4, now())",
        sent.id,
        sent.address_hash,
        sent.address,
        sent.parameters,
    )
    return sent.id


async def a_factor(connection: Connection, keyring: Keyring, account: str) -> UUID:
    factor_id = uuid7()
    await connection.execute(
        "INSERT INTO factor VALUES ($1, $2, 2, 1, $3, '', 0, 0, now(), now(), 1)",
        factor_id,
        id_of(account),
        keyring.seal("ABCDEFGH", "factor", "secret", factor_id),
    )
    return factor_id


async def verified_people(core: Core, count: int) -> list[PersonCaller]:
    people = [await a_person(core) for _ in range(count)]
    for place, each in enumerate(people):
        fields = {"number": NUMBER} if place < 6 else {"document": 2, "number": f"E{place:08d}"}
        await each.ask(verify(each.account, real_name=f"Person {place}", **fields))
    return people


async def test_everything_comes_under_the_new_key_while_people_go_on(
    database_url: str, tmp_path: Path, new_key: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resealing, "ROWS_AT_ONCE", 3)
    token = await an_operator_token(database_url)
    async with a_core(database_url, token=token) as core:
        people = await verified_people(core, 12)
        card = await people[0].ask(bind(people[0].account, CARD, payment_password=people[0].payment_password))
        messages = [await a_message(core.connection, keyring_of(core), each.phone) for each in people]
        factor = await a_factor(core.connection, keyring_of(core), people[0].account)
        known = [await each.ask(identity_pb2.GetIdentityRequest(account=each.account)) for each in people]
    both = a_file(tmp_path, "both.toml", k0=OLD, k1=new_key)
    keyring = Keyring.load(both, b"")
    assert keyring.current.id == "1"
    async with a_core(database_url, token=token, keyring_file=both) as core:
        stop = asyncio.Event()
        going_on = asyncio.create_task(_go_on(core, people, stop))
        done, counted = await brought_along(database_url, keyring)
        stop.set()
        assert await going_on > 0
        assert done.broken == ()
        last, counted = await brought_along(database_url, keyring)  # for what the others changed while the first one ran
        assert (last.broken, last.left) == ((), 0)
        assert counted[FIRST_ID] == {"payment passwords": 12, "cards": 1}
        before = await digest(core.connection)
        again, _ = await brought_along(database_url, keyring)
        assert (again.resealed, await digest(core.connection)) == (0, before)
        assert again.looked_at >= 25
    only_new = a_file(tmp_path, "new.toml", k1=new_key)
    async with a_core(database_url, token=token, keyring_file=only_new) as core:
        there = [PersonCaller(core.channel, None) for _ in people]
        for each, caller, identity in zip(people, there, known, strict=True):
            tokens = await core.operator.ask(log_in(each.phone, device_id=each.device_id))
            session = caller.with_token(tokens.tokens.access_token)
            now = await session.ask(identity_pb2.GetIdentityRequest(account=each.account))
            assert (now.real_name, now.number, now.document) == (identity.real_name, identity.number, identity.document)
            assert (await session.ask(identity_pb2.ExportPersonalDataRequest(account=each.account))).phone == each.phone
        ring = keyring_of(core)
        for message_id, each in zip(messages, people, strict=True):
            (row,) = await core.connection.fetch("SELECT * FROM message WHERE id = $1", message_id)
            assert ring.open(row["address"], "message", "address", message_id) == each.phone
            assert row["address_hash"] == ring.lookup("phone", each.phone)
        secret = await core.connection.fetchval("SELECT secret FROM factor WHERE id = $1", factor)
        assert ring.open(secret, "factor", "secret", factor) == "ABCDEFGH"
        # A seventh account of the one number is still one too many.
        late = await a_person(core)
        assert (await late.refused(verify(late.account, number=NUMBER, real_name="Late"))).reason == "TOO_MANY_ACCOUNTS"
        assert (await core.operator.ask(identity_pb2.ListInstrumentsRequest(account=people[0].account))).instruments == [card]
        await core.operator.ask(close(people[1].account))
        await core.operator.ask(erase(people[1].account))
        await leaks.must_not_be_stored(core.connection, *[each.phone for each in people], NUMBER)


async def _go_on(core: Core, people: list[PersonCaller], stop: asyncio.Event) -> int:
    """People log in, are verified by one more channel, and read, until it is over; answers how often. Nothing may fail."""
    times = 0
    while not stop.is_set() or times < 3:
        for each in people:
            await core.operator.ask(log_in(each.phone, device_id=each.device_id))
            caller = PersonCaller(core.channel, each.token)
            data = await caller.ask(identity_pb2.ExportPersonalDataRequest(account=each.account))
            assert data.phone == each.phone
            fields = {"document": data.document, "number": data.number, "real_name": data.real_name}
            await caller.ask(verify(each.account, channel=2 + times % 4, **fields))
        times += 1
    return times


async def test_a_run_that_was_stopped_is_begun_again(
    database_url: str, tmp_path: Path, new_key: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resealing, "ROWS_AT_ONCE", 2)
    async with a_core(database_url) as core:
        people = await verified_people(core, 5)
    keyring = Keyring.load(a_file(tmp_path, "both.toml", k0=OLD, k1=new_key), b"")

    class Stopped(Exception):
        pass

    def stop(progress: Progress) -> None:
        if progress.looked_at >= 4:
            raise Stopped

    async with working(database_url) as (engine, pool):
        with pytest.raises(Stopped):
            await reseal(engine, pool, keyring, stop)
        assert (await dependents(pool, keyring))["0"]["sealed"] == 3  # of the person who is left
    done, counted = await brought_along(database_url, keyring)
    assert (done.resealed, done.broken) == (1, ())
    assert "sealed" not in counted["0"]
    assert counted["1"]["sealed"] == 3 * len(people)


async def test_what_no_key_opens_is_named_and_stays(
    database_url: str, tmp_path: Path, new_key: bytes, connection: Connection
) -> None:
    async with a_core(database_url) as core:
        ada, bob = await verified_people(core, 2)
    await connection.execute("UPDATE person SET real_name = phone WHERE account_id = $1", id_of(ada.account))  # moved
    keyring = Keyring.load(a_file(tmp_path, "both.toml", k0=OLD, k1=new_key), b"")
    done, counted = await brought_along(database_url, keyring)
    assert done.broken == (f"person {id_of(ada.account)}",)
    assert done.resealed == 1
    assert counted["0"]["sealed"] == 3
    lost = Keyring({"1": new_key})
    done, counted = await brought_along(database_url, lost)
    assert done.broken == (f"person {id_of(ada.account)}",)
    assert counted["0"]["sealed"] == 3  # a key that is not in the ring is told of, too
    assert bob.account


async def test_a_number_that_is_given_up_meanwhile_stays_given_up(
    database_url: str, new_key: bytes, connection: Connection
) -> None:
    """Of the person's row the number is under the new key already, and the document is not."""
    old, ring = Keyring({"0": OLD}), Keyring({"0": OLD, "1": new_key})
    async with a_core(database_url) as core:
        (ada,) = await verified_people(core, 1)
    account_id, given_up = id_of(ada.account), a_phone()
    changing = "UPDATE person SET phone = $2, version = version + 1 WHERE account_id = $1"
    await connection.execute(changing, account_id, ring.seal(given_up, "person", "phone", account_id))
    async with working(database_url) as (engine, pool):
        row = await fetch_row(pool, Person, account_id)
        assert row is not None
        command = await resealing._command(pool, ring, row)
        assert command is not None
        await connection.execute(changing, account_id, ring.seal(ada.phone, "person", "phone", account_id))
        assert not (await engine.submit(command)).result.done
    for phone_hash in (*old.lookups("phone", given_up), *ring.lookups("phone", given_up)):
        assert not await connection.fetch("SELECT FROM phone_ref WHERE phone_hash = $1", phone_hash)


async def test_what_is_no_seal_is_named_and_stays(database_url: str, new_key: bytes, connection: Connection) -> None:
    async with a_core(database_url) as core:
        ada, bob = await verified_people(core, 2)
    await connection.execute(r"UPDATE person SET phone = '\x02fffe00' WHERE account_id = $1", id_of(ada.account))
    done, counted = await brought_along(database_url, Keyring({"0": OLD, "1": new_key}))
    assert done.broken == (f"person {id_of(ada.account)}",)
    assert done.resealed == 1
    assert counted["1"] == {"sealed": 3}
    assert bob.account


async def test_an_unfinished_registration_is_forgotten(database_url: str, new_key: bytes, connection: Connection) -> None:
    old, new = Keyring({"0": OLD}), Keyring({"0": OLD, "1": new_key})
    for minutes in (-6, -4, 1):  # an approval of the second can still be used
        challenge_id = uuid7()
        await connection.execute(
            "INSERT INTO challenge (id, purpose, factor, device_id, subject, currency, amount_minor, binding, code_key_id, "
            "tries, details, created_at, expires_at, version) "
            "VALUES ($1, 1, 1, '', '', '', 0, $2, '', 0, $3, now(), now() + $4, 1)",
            challenge_id,
            bytes(32),
            old.seal("+8613800138000", "challenge", "details", challenge_id),
            timedelta(minutes=minutes),
        )
    done, counted = await brought_along(database_url, new)
    assert done.resealed == 3
    assert counted["1"] == {"sealed": 2}
    assert counted["0"] == {}


async def test_the_command_says_what_was_done(
    database_url: str, tmp_path: Path, new_key: bytes, connection: Connection
) -> None:
    async with a_core(database_url) as core:
        (ada,) = await verified_people(core, 1)
    file = a_file(tmp_path, "both.toml", k0=OLD, k1=new_key)
    arguments = ["keyring", "reseal", "--database-url", database_url, "--file", str(file), "--json"]
    results = [await asyncio.to_thread(CliRunner().invoke, app, arguments) for _ in range(2)]
    first, second = [json.loads(result.stdout) for result in results]
    assert (first["looked_at"], first["resealed"], first["broken"], first["left"]) == (1, 1, [], 0)
    assert first["keys"] == {"1": {"sealed": 3}, "0": {"payment passwords": 1}}
    assert (second["resealed"], first["removable"]) == (0, [])
    await connection.execute("UPDATE person SET payment_password = NULL, payment_salt = NULL")
    result = await asyncio.to_thread(CliRunner().invoke, app, arguments)
    assert json.loads(result.stdout)["removable"] == ["0"]
    await connection.execute("UPDATE person SET real_name = phone")
    shown = await asyncio.to_thread(CliRunner().invoke, app, arguments[:-1])
    assert shown.exit_code == 1
    assert f"person {id_of(ada.account)} is under a key that is not in the ring" in shown.stdout
    await leaks.must_not_be_stored(connection, ada.phone, NUMBER)
    leaks.must_not_be_logged([shown.output, *(result.output for result in results)], ada.phone, NUMBER, new_key.hex())


async def test_servers_that_do_not_know_the_key_are_restarted_first(database_url: str, tmp_path: Path, new_key: bytes) -> None:
    async with a_core(database_url) as core:
        (ada,) = await verified_people(core, 1)
        file = a_file(tmp_path, "both.toml", k0=OLD, k1=new_key)
        arguments = ["keyring", "reseal", "--database-url", database_url, "--file", str(file), "--json"]
        refused = await asyncio.to_thread(CliRunner().invoke, app, arguments)
        assert (refused.exit_code, json.loads(refused.stdout)["error"]["reason"]) == (1, "SERVERS_NOT_RESTARTED")
        engines = "application_name LIKE 'danbao-engine %' AND datname = current_database()"
        await core.connection.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {engines}")
        while not await core.connection.fetchval(f"SELECT count(*) FROM pg_stat_activity WHERE {engines}"):
            await asyncio.sleep(0.05)  # until it has another connection
        refused = await asyncio.to_thread(CliRunner().invoke, app, arguments)
        assert json.loads(refused.stdout)["error"]["reason"] == "SERVERS_NOT_RESTARTED"
        await ada.ask(identity_pb2.GetIdentityRequest(account=ada.account))
    async with a_core(database_url, keyring_file=file) as core:
        done = await asyncio.to_thread(CliRunner().invoke, app, arguments)
        assert json.loads(done.stdout)["resealed"] == 1
        there = PersonCaller(core.channel, ada.token)
        await there.ask(identity_pb2.GetIdentityRequest(account=ada.account))
        os.utime(file)
        assert (await asyncio.to_thread(CliRunner().invoke, app, arguments)).exit_code == 1
        again = await asyncio.to_thread(CliRunner().invoke, app, [*arguments, "--anyway"])
        assert json.loads(again.stdout)["resealed"] == 0


def test_every_sealed_column_is_known() -> None:
    """A column of bytes is sealed, hashed, or something else that is named here."""
    hashes = {
        "phone_hash", "number_hash", "address_hash", "code_hash", "secret_hash", "old_secret_hash", "fingerprint", "binding",
        "payment_password", "payment_salt", "subject", "credential", "content", "answer", "payload", "guesses_by", "sent_by",
        "sha256",
    }  # fmt: skip
    sealed = {(row_type.table.name, name) for row_type, (_, names) in SEALED.items() for name in names}
    found = {
        (row_type.table.name, column.name)
        for row_type in TABLES.values()
        for column in row_type.table.columns
        if column.sql_type == "bytea" and column.name not in hashes and row_type.table.reading is None
    }
    assert found == sealed


async def test_addresses_of_mail_and_what_was_sent_there_come_under_the_new_key(
    database_url: str, connection: Connection, new_key: bytes
) -> None:
    address, old, ring = a_mail_address(), Keyring({FIRST_ID: OLD}), Keyring({FIRST_ID: OLD, "k2": new_key})
    async with a_core(database_url) as core:
        ada = await a_person(core)
    account_id = id_of(ada.account)
    sealed = old.seal(address, "person", "email", account_id)
    await connection.execute("UPDATE person SET email = $2 WHERE account_id = $1", account_id, sealed)
    sent = letter_by(old, Channel.EMAIL, address, "code", code="493027")
    await connection.execute(
        "INSERT INTO message (id, channel, address_hash, address, template, parameters, created_at) "
        "VALUES ($1, 2, $2, $3, 'code', $4, now())",
        *(sent.id, sent.address_hash, sent.address, sent.parameters),
    )
    _, left = await brought_along(database_url, ring)
    assert "sealed" not in left[FIRST_ID]
    only_new = Keyring({"k2": new_key})
    assert only_new.open(await connection.fetchval("SELECT email FROM person"), "person", "email", account_id) == address
    hashes = await connection.fetch("SELECT address_hash FROM message WHERE channel = 2")
    assert [each["address_hash"] for each in hashes] == [only_new.lookup("email", address)]


async def test_secrets_of_webhook_endpoints_come_along(database_url: str, tmp_path: Path, new_key: bytes) -> None:
    async with a_core(database_url) as core:
        made = await core.operator.ask(an_endpoint())
        rotated = await core.operator.ask(rotate_secret(made.webhook_endpoint.name))
    done, counted = await brought_along(database_url, Keyring.load(a_file(tmp_path, "both.toml", k0=OLD, k1=new_key), b""))
    assert (done.resealed, done.broken) == (1, ())
    assert "sealed" not in counted[FIRST_ID]
    only_new = Keyring.load(a_file(tmp_path, "new.toml", k1=new_key), b"")
    async with working(database_url) as (_, pool):
        [row] = await pool.fetch("SELECT * FROM webhook_endpoint")
    assert only_new.open(row["secret"], "webhook_endpoint", "secret", row["id"]) == rotated.secret
    assert only_new.open(row["old_secret"], "webhook_endpoint", "old_secret", row["id"]) == made.secret

"""Whether something that must be kept secret stands in clear where it is stored, or in a log.

    await must_not_be_stored(core.connection, ada.phone, "张三", "11010519491231002X")

Every column of every table is read as a dump would: texts as they are, bytes raw, which is what msgpack, JSON and forgotten
encryption leave. Each secret is sought as it is, in hexadecimal digits and in base64; of a phone number in E.164 also without
its plus and without the mainland's code, in which people write it.
"""

import base64
from collections.abc import Iterable, Iterator
from typing import Any

import asyncpg


async def must_not_be_stored(connection: "asyncpg.Connection[Any]", *secrets: str) -> None:
    """Raises AssertionError that names the column in which a secret was found."""
    forms = {secret: list(_forms(secret)) for secret in secrets}
    tables = await connection.fetch(
        "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace ORDER BY relname"
    )
    assert tables
    for table in tables:
        for row in await connection.fetch(f'SELECT * FROM "{table["relname"]}"'):
            for column, value in row.items():
                found = _found(value, forms)
                assert not found, f"{found[0]!r} stands in {table['relname']}.{column}"


async def columns_with(connection: "asyncpg.Connection[Any]", digits: str) -> list[str]:
    """The columns of bytes, such as stored answers, in which these digits stand."""
    columns = await connection.fetch(
        "SELECT attrelid::regclass::text AS name, attname FROM pg_attribute JOIN pg_class ON attrelid = pg_class.oid "
        "WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND atttypid = 'bytea'::regtype"
    )
    assert columns
    found = "SELECT count(*) FROM {name} WHERE position($1::bytea IN {attname}) > 0"
    return [each["name"] for each in columns if await connection.fetchval(found.format(**each), digits.encode())]


def must_not_be_logged(lines: Iterable[str | bytes], *secrets: str) -> None:
    """Raises AssertionError where a line holds a secret."""
    forms = {secret: list(_forms(secret)) for secret in secrets}
    for line in lines:
        found = _found(line, forms)
        assert not found, f"{found[0]!r} stands in the line {line!r}"


def _found(value: Any, forms: dict[str, list[bytes]]) -> list[str]:
    data = value if isinstance(value, bytes) else str(value).encode()
    return [secret for secret, each in forms.items() if any(form in data for form in each)]


def _forms(secret: str) -> Iterator[bytes]:
    for text in {secret, secret.removeprefix("+"), secret.removeprefix("+86")}:
        data = text.encode()
        yield data
        yield data.hex().encode()
        yield text.encode("unicode_escape").replace(b"\\x", b"\\u00")
        for shift in range(3):  # base64 of a longer text shows it at any of three places
            encoded = base64.b64encode(b"\0" * shift + data)
            inside = encoded[4 * (shift > 0) : len(encoded) - 4]
            if len(inside) >= 8:
                yield inside

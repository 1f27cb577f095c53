"""Copies of an embedded Postgres, and data made anew out of them as they were at a moment.

A copy is a folder: `base` has the data as they were when it was begun, `wal` every change since then, up to the last time that
it was brought up to date.
"""

import asyncio
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import asyncpg

from danbao_core.embedded import binaries, folders
from danbao_core.embedded.errors import StartError
from danbao_core.embedded.postgres import PostgresServer

BASE: Final = "base"
WAL: Final = "wal"

PARTIAL: Final = "base.partial"
"""A copy that was interrupted before it was whole."""

_COMMIT: Final = "SELECT pg_current_xact_id()"
"""Recovery ends at a moment only where it meets a commit that is later, so a copy ends with one."""
_END: Final = "SELECT (pg_current_wal_flush_lsn() - 1)::text"
_NOTHING_MORE: Final = "false"
"""A command that finds no further changes: all of them lie in the data already."""


class CopyFailed(Exception):
    """A copy could not be made, brought up to date or used; the message says why and what to do."""


async def copy(database_url: str, folder: Path, on_step: Callable[[str], None]) -> datetime:
    """Brings the copy in `folder`, which is made where there is none, up to date with a running server; answers up to when.

    A slot makes the server keep what was not copied yet, up to `max_slot_wal_keep_size`. A repeat goes on, also after one that
    was interrupted. Raises CopyFailed, and what the database raises.
    """
    slot = f"danbao_{folders.short_hash(folder)}"
    connection = await asyncpg.connect(database_url)
    try:
        if not (folder / BASE).exists():
            on_step("Copying the database")
            await connection.execute(
                "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1", slot
            )
            # First of all, so that no change is between the data and the changes that are copied below.
            await connection.execute("SELECT pg_create_physical_replication_slot($1, true)", slot)
            shutil.rmtree(folder / PARTIAL, ignore_errors=True)
            await _run("pg_basebackup", f"--dbname={database_url}", f"--pgdata={folder / PARTIAL}", "--checkpoint=fast")
            (folder / PARTIAL).rename(folder / BASE)
        on_step("Copying what was changed since then")
        (folder / WAL).mkdir(mode=0o700, exist_ok=True)
        up_to: datetime = await connection.fetchval("SELECT clock_timestamp()")
        await connection.execute(_COMMIT)
        end = await connection.fetchval(_END)
        await _run(
            "pg_receivewal",
            f"--dbname={database_url}",
            f"--directory={folder / WAL}",
            f"--slot={slot}",
            f"--endpos={end}",
            "--no-loop",
        )
        return up_to
    finally:
        await connection.close()


async def recover(folder: Path, into: Path, to: datetime | None, *, log: Path) -> datetime | None:
    """Gives a `PostgresServer` in the folder `into`, which has no data yet, those of a copy, as they were at a moment or at its
    end.

    Answers when the last transaction was committed that was taken up, None where there was none. Raises StartError, with
    Postgres's own words, where the copy does not reach to the moment, or begins after it.
    """
    recovering = {"restore_command": _NOTHING_MORE, "hot_standby": "off", "recovery_target_action": "promote"}
    if to is not None:
        recovering["recovery_target_time"] = to.astimezone(UTC).isoformat()
    server = PostgresServer(into, log=log, settings=recovering)
    await server.adopt(lambda data: _fill(data, folder))
    await server.start()
    try:
        connection = await asyncpg.connect(server.database_url)
        try:
            last: datetime | None = await connection.fetchval("SELECT pg_last_xact_replay_timestamp()")
            return last
        finally:
            await connection.close()
    finally:
        await server.stop()


def discard(into: Path) -> None:
    """Deletes the data that `recover` made or began to make."""
    PostgresServer(into).discard()


def _fill(data: Path, folder: Path) -> None:
    """Puts a copy where Postgres takes up all of its changes when it starts. Raises OSError."""
    shutil.copytree(folder / BASE, data, symlinks=True)
    for segment in (folder / WAL).iterdir():
        shutil.copyfile(segment, data / "pg_wal" / segment.name.removesuffix(".partial"))
    (data / "recovery.signal").touch()


async def _run(program: str, *arguments: str) -> None:
    """Runs one of Postgres's programs to its end. Raises CopyFailed with its own words."""
    try:
        process = await asyncio.create_subprocess_exec(
            binaries.postgres_bin(None) / program,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env={"PATH": os.defpath, "LC_ALL": "C"},
        )
    except StartError as error:
        raise CopyFailed(str(error)) from None
    try:
        _, said = await process.communicate()
    except BaseException:
        if process.returncode is None:
            process.kill()
            await process.wait()
        raise
    if process.returncode != 0:
        raise CopyFailed(f"{program} failed: {said.decode(errors='replace').strip()}")

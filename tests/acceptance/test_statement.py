"""`danbao statement` writes a file, whole or not at all."""

import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.acceptance.sandbox import Sandbox

SHOP = "accounts/00000000-0000-8000-8000-00000000540b"


def days() -> str:
    """Yesterday to tomorrow, wherever the clock of a sandbox that others use stands on this day."""
    now = datetime.now(UTC)
    return f"{(now - timedelta(days=1)).date()}..{(now + timedelta(days=300)).date()}"


async def test_it_writes_a_csv_and_a_pdf(sandbox: Sandbox, tmp_path: Path) -> None:
    as_csv, as_pdf = tmp_path / "s.csv", tmp_path / "s.pdf"
    written = await sandbox.danbao("statement", SHOP, "USD", days(), "--language", "en", "--output", as_csv)
    assert written.code == 0, written.err
    data = as_csv.read_bytes()
    rows = list(csv.reader(data.decode("utf-8-sig").splitlines()))
    assert written.answer == {"file": str(as_csv), "bytes": len(data), "lines": len(rows) - 5}
    assert rows[0][:3] == ["Time (UTC+8)", "What", "Order number"]
    written = await sandbox.danbao("statement", SHOP, "USD", "2026-01", "--format", "pdf", "--output", as_pdf)
    assert written.code == 0, written.err
    assert as_pdf.read_bytes().startswith(b"%PDF-")
    assert sorted(tmp_path.iterdir()) == [as_csv, as_pdf]


async def test_what_is_refused_writes_nothing(sandbox: Sandbox, tmp_path: Path) -> None:
    for wrong, reason in (
        ((SHOP, "USD", "2026-13"), "FIELD_INVALID"),
        ((SHOP, "USD", "2026-10-02..2026-10-01"), "FIELD_INVALID"),
        ((SHOP, "XAF", "2026-10"), "WALLET_MISSING"),
        ((SHOP.replace("540b", "ffff"), "USD", "2026-10"), "ACCOUNT_NOT_FOUND"),
    ):
        refused = await sandbox.danbao("statement", *wrong, "--output", tmp_path / "s.csv")
        assert (refused.code, refused.answer["error"]["reason"]) == (1, reason)
    unwritable = await sandbox.danbao("statement", SHOP, "USD", "2026-10", "--output", tmp_path / "none" / "s.csv")
    assert (unwritable.code, unwritable.answer["error"]["reason"]) == (1, "FILE_NOT_WRITTEN")
    assert list(tmp_path.iterdir()) == []

"""By what money comes in and goes out: a bank for cards, and the till of a sandbox for all that no bank is asked for."""

from uuid import UUID

import msgspec

from danbao_core.errors import BankMissing


class Ways(msgspec.Struct, frozen=True):
    """Which ways there are, by the settings of the process that makes a command.

    Commands carry it and decide by it, so a repeat of what was done is answered as ever when the settings have changed.
    """

    bank: bool = False
    """Whether there is a bank to be asked for cards."""
    till: bool = True
    """Whether what no bank is asked for goes over a sandbox's till."""

    def ask_bank(self, instrument_id: UUID | None) -> bool:
        """Whether the bank is asked for what names this card, or none; else the till is, where there is one."""
        return self.bank and instrument_id is not None

    def must_lead_out(self, instrument_id: UUID | None) -> None:
        """Raises BankMissing where neither a bank nor a till is there for what names this card, or none."""
        if not self.till and not self.ask_bank(instrument_id):
            raise BankMissing

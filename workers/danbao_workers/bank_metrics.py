"""What the bank has answered, counted."""

from collections import Counter
from collections.abc import Iterator
from typing import Final
from uuid import UUID

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from danbao_core.bank.port import Answer, Bank, Outcome, StatementLine, Transfer

CALLS: Final = ("debit", "credit", "query")


class CountedBank:
    """A bank whose outcomes are counted."""

    def __init__(self, bank: Bank) -> None:
        self.answers: Counter[tuple[str, Answer]] = Counter()
        self._bank = bank

    async def tokenize(self, card_number: str) -> str:
        """As the port says."""
        return await self._bank.tokenize(card_number)

    async def debit(self, transfer: Transfer) -> Outcome:
        """As the port says."""
        return self._counted("debit", await self._bank.debit(transfer))

    async def credit(self, transfer: Transfer) -> Outcome:
        """As the port says."""
        return self._counted("credit", await self._bank.credit(transfer))

    async def query(self, transfer_id: UUID) -> Outcome:
        """As the port says."""
        return self._counted("query", await self._bank.query(transfer_id))

    async def statement(self, day: int) -> list[StatementLine]:
        """As the port says."""
        return await self._bank.statement(day)

    def _counted(self, call: str, outcome: Outcome) -> Outcome:
        self.answers[call, outcome.answer] += 1
        return outcome


class BankMetrics(Collector):
    """The numbers of a bank that is counted; all of them 0 where none is set up."""

    def __init__(self, bank: Bank | None) -> None:
        self._answers = bank.answers if isinstance(bank, CountedBank) else Counter[tuple[str, Answer]]()

    def collect(self) -> Iterator[Metric]:
        """What Prometheus is told."""
        answers = CounterMetricFamily(
            "danbao_bank_answers", "What the bank was asked, and what it answered", labels=["call", "answer"]
        )
        for call in CALLS:
            for answer in Answer:
                answers.add_metric([call, answer.name], self._answers[call, answer])
        yield answers

"""Many payments in one commit."""

from collections.abc import Iterable

import msgspec

from danbao_core.engine import Book, Command, Decision, Draft, Key, RowNeeded
from danbao_core.errors import Refusal
from danbao_core.payments.commands import CreatePayment
from danbao_core.payments.rows import Payment


class PaymentBatch(msgspec.Struct, frozen=True):
    """Payments that were created together, in the order in which they were asked for."""

    payments: tuple[Payment, ...]


class CreatePayments(Command[PaymentBatch], frozen=True):
    """Creates payments, all or none; each sees what the ones before it did.

    Refused as the first item that is refused, which the refusal names (`Refusal.of_item`). Where an item takes the order number
    of an earlier one, OrderNoTaken names no payment, for there will be none, but that one's place: `earlier_item`.
    """

    result_type = PaymentBatch
    items: tuple[CreatePayment, ...]

    @property
    def size(self) -> int:
        return len(self.items)

    def keys(self, book: Book) -> Iterable[Key]:
        for item in self.items:
            yield from item.keys(book)

    def decide(self, book: Book) -> Decision[PaymentBatch]:
        draft = Draft(book)
        made: dict[str, Payment] = {}
        needed: list[Key] = []
        for number, item in enumerate(self.items):
            try:
                payment = item.create(draft)
            except RowNeeded as missing:
                needed += missing.keys  # and on, to learn at once what the other items need
                continue
            except Refusal as refusal:
                if needed:
                    break  # it may be refused only for what is missing
                if refusal.resource in made:
                    refusal.metadata["earlier_item"] = str([*made].index(refusal.resource))
                    refusal.resource = None
                raise refusal.of_item(number) from None
            made[payment.name] = payment
        if needed:
            raise RowNeeded(*needed)
        return Decision(PaymentBatch(tuple(made.values())), draft.changes)

"""Deliveries: one event on its way to one endpoint."""

from collections.abc import Iterable
from datetime import datetime
from enum import IntEnum
from uuid import UUID

from danbao_core import trail
from danbao_core.engine import Book, Command, Decision, Key, Row, table
from danbao_core.notification_errors import DeliveryNotFound, WebhookEndpointNotFound
from danbao_core.notifications.endpoints import WebhookEndpoint, endpoint_of


class DeliveryState(IntEnum):
    """How far a delivery is; the numbers are those of the contract."""

    PENDING = 1
    SUCCEEDED = 2
    FAILED = 3


@table("delivery", rank=19, key=("id",))
class Delivery(Row, frozen=True):
    """One event on its way to one endpoint. The relay makes it, workers write what became of it. Times are wall time."""

    id: UUID
    endpoint_id: UUID
    event_id: UUID
    event_position: int
    topic: str
    ordering_id: UUID
    state: DeliveryState
    failures: int
    """Attempts that failed since it was last begun: they say when the next one is due."""
    attempts: int
    """All attempts that there were."""
    due_at: datetime | None
    """When the next attempt is due; None once it has succeeded or failed."""
    created_at: datetime
    finished_at: datetime | None
    version: int


class Redeliver(Command[Delivery], frozen=True):
    """Has an event delivered once more, from now on and with all retries. Refused: DeliveryNotFound, EndpointDisabled."""

    result_type = Delivery
    delivery_id: UUID

    def keys(self, book: Book) -> Iterable[Key]:
        yield Delivery.key(self.delivery_id)
        delivery = book.get(Delivery, self.delivery_id)
        if delivery is not None:
            yield WebhookEndpoint.read_key(delivery.endpoint_id)

    def decide(self, book: Book) -> Decision[Delivery]:
        delivery = book.get(Delivery, self.delivery_id)
        if delivery is None:
            raise DeliveryNotFound(delivery=f"deliveries/{self.delivery_id}")
        try:
            endpoint_of(book, delivery.endpoint_id, self.origin).must_be_enabled()
        except WebhookEndpointNotFound:
            raise DeliveryNotFound(delivery=f"deliveries/{self.delivery_id}") from None
        at = self.origin.received_at
        again = delivery.replace(
            state=DeliveryState.PENDING, failures=0, due_at=at, finished_at=None, version=delivery.version + 1
        )
        return Decision(again, [again, trail.audit_event(self.ids(), self.origin, Delivery, delivery.id, book.now)])

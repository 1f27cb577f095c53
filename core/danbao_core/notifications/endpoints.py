"""Webhook endpoints: where events are sent to, and the commands that change them."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Final
from uuid import UUID

from danbao_core import sql, trail
from danbao_core.accounts import PLATFORM_ID, Account
from danbao_core.accounts.rows import account_of
from danbao_core.engine import Book, Command, Decision, Key, Origin, Row, table
from danbao_core.ids import IdSequence
from danbao_core.notification_errors import EndpointChanged, EndpointDisabled, TooManyEndpoints, WebhookEndpointNotFound
from danbao_core.notifications.topics import must_be_known

MOST_ENDPOINTS: Final = 20
"""Of one account, and of the platform."""

OLD_SECRET_LASTS: Final = timedelta(hours=24)
"""How long deliveries are signed with the secret before the present one, too."""


class EndpointState(IntEnum):
    """Whether an endpoint is called; the numbers are those of the contract."""

    ENABLED = 1
    DISABLED = 2
    DELETED = 3


class DisableReason(IntEnum):
    """Why it is not; the numbers are those of the contract."""

    NONE = 0
    GONE = 1
    FAILING = 2


@table("webhook_endpoint", rank=21, key=("id",))
class WebhookEndpoint(Row, frozen=True):
    """Where events are sent to. Times are wall time."""

    id: UUID
    account_id: UUID | None
    """Whose events alone it gets; None for one of the platform, which gets all."""
    url: str
    topics: str
    """What it subscribes to, separated by blanks, sorted."""
    description: str
    unordered: bool
    state: EndpointState
    disable_reason: DisableReason
    secret: bytes | None
    """`whsec_...`, sealed in ("webhook_endpoint", "secret", id); None once it is deleted."""
    old_secret: bytes | None
    """The one before that, sealed in ("webhook_endpoint", "old_secret", id)."""
    old_secret_expires_at: datetime | None
    created_at: datetime
    updated_at: datetime
    rotated_at: datetime
    version: int
    resumes_at: datetime | None = None
    """When it was enabled, or led elsewhere, until what had not been delivered is due anew; nothing is sent before that."""

    @property
    def name(self) -> str:
        """Its resource name."""
        return f"webhookEndpoints/{self.id}"

    @property
    def enabled(self) -> bool:
        return self.state is EndpointState.ENABLED

    @property
    def subscriptions(self) -> frozenset[str]:
        """What it subscribes to."""
        return frozenset(self.topics.split())

    def must_be_enabled(self) -> None:
        """Raises EndpointDisabled."""
        if not self.enabled:
            raise EndpointDisabled(webhook_endpoint=self.name)

    def without_secrets(self) -> "WebhookEndpoint":
        """Itself as answers and events may have it."""
        return self.replace(secret=None, old_secret=None)


@table("endpoint_count", rank=92, key=("owner_id",), reading=sql.load("danbao_core.notifications", "count_endpoints"))
class EndpointCount(Row, frozen=True):
    """How many endpoints an owner has; no row for none."""

    owner_id: UUID
    count: int


class CreateWebhookEndpoint(Command[WebhookEndpoint], frozen=True):
    """Makes an endpoint whose id is the command's.

    Refused: TopicUnknown, AccountNotFound, AccountClosed, TooManyEndpoints. The owner's account is locked, so that two at once
    are counted one after the other.
    """

    result_type = WebhookEndpoint
    alone = True
    account_id: UUID | None
    url: str
    topics: tuple[str, ...]
    description: str
    unordered: bool
    secret: bytes

    @property
    def _owner_id(self) -> UUID:
        return PLATFORM_ID if self.account_id is None else self.account_id

    def keys(self, book: Book) -> Iterable[Key]:
        yield Account.key(self._owner_id)
        yield EndpointCount.read_key(self._owner_id)

    def decide(self, book: Book) -> Decision[WebhookEndpoint]:
        must_be_known(self.topics)
        if self.account_id is not None:
            account_of(book, self.account_id, self.origin).must_not_be_closed()
        count = book.get(EndpointCount, self._owner_id)
        if count is not None and count.count >= MOST_ENDPOINTS:
            raise TooManyEndpoints(most=MOST_ENDPOINTS)
        ids, at = self.ids(), self.origin.received_at
        endpoint = WebhookEndpoint(
            id=ids.take(),
            account_id=self.account_id,
            url=self.url,
            topics=" ".join(sorted(self.topics)),
            description=self.description,
            unordered=self.unordered,
            state=EndpointState.ENABLED,
            disable_reason=DisableReason.NONE,
            secret=self.secret,
            old_secret=None,
            old_secret_expires_at=None,
            created_at=at,
            updated_at=at,
            rotated_at=at,
            version=1,
        )
        return Decision(
            endpoint.without_secrets(), [endpoint, trail.audit_event(ids, self.origin, WebhookEndpoint, endpoint.id, book.now)]
        )


class _ChangeEndpoint(Command[WebhookEndpoint], frozen=True):
    """Changes an endpoint of the caller's. Refused: WebhookEndpointNotFound, and what `changed` raises."""

    result_type = WebhookEndpoint
    endpoint_id: UUID

    def keys(self, book: Book) -> Iterable[Key]:
        yield WebhookEndpoint.key(self.endpoint_id)

    def decide(self, book: Book) -> Decision[WebhookEndpoint]:
        endpoint, ids = endpoint_of(book, self.endpoint_id, self.origin), self.ids()
        after = self.changed(endpoint)
        if after == endpoint:
            return Decision(endpoint.without_secrets())
        after = after.replace(updated_at=self.origin.received_at, version=endpoint.version + 1)
        trace = trail.audit_event(ids, self.origin, WebhookEndpoint, endpoint.id, book.now)
        return Decision(after.without_secrets(), [after, trace, *self.told(ids, after, book.now)])

    def changed(self, endpoint: WebhookEndpoint) -> WebhookEndpoint:
        """The endpoint after the change, but for version and time; itself, where nothing changes."""
        raise NotImplementedError

    def told(self, ids: IdSequence, endpoint: WebhookEndpoint, at: datetime) -> Iterable[Row]:
        """The events that tell of it."""
        return ()


class UpdateWebhookEndpoint(_ChangeEndpoint, frozen=True):
    """Changes what is given. Refused: WebhookEndpointNotFound, TopicUnknown."""

    url: str | None = None
    topics: tuple[str, ...] | None = None
    description: str | None = None
    unordered: bool | None = None

    def changed(self, endpoint: WebhookEndpoint) -> WebhookEndpoint:
        must_be_known(self.topics or ())
        topics = None if self.topics is None else " ".join(sorted(self.topics))
        given = {"url": self.url, "topics": topics, "description": self.description, "unordered": self.unordered}
        after = endpoint.replace(**{name: value for name, value in given.items() if value is not None})
        return after.replace(resumes_at=self.origin.received_at) if after.enabled and after.url != endpoint.url else after


class DeleteWebhookEndpoint(_ChangeEndpoint, frozen=True):
    """Ends an endpoint for good and forgets its secrets; one that is deleted stays so. Refused: WebhookEndpointNotFound."""

    def decide(self, book: Book) -> Decision[WebhookEndpoint]:
        endpoint = book.get(WebhookEndpoint, self.endpoint_id)
        if endpoint is not None and endpoint.state is EndpointState.DELETED and _is_of(endpoint, self.origin):
            return Decision(endpoint)
        return super().decide(book)

    def changed(self, endpoint: WebhookEndpoint) -> WebhookEndpoint:
        return endpoint.without_secrets().replace(
            state=EndpointState.DELETED, disable_reason=DisableReason.NONE, old_secret_expires_at=None, resumes_at=None
        )


class RotateWebhookSecret(_ChangeEndpoint, frozen=True):
    """Gives an endpoint a new secret; the present one is used beside it for a day. Refused: WebhookEndpointNotFound."""

    secret: bytes
    old_secret: bytes
    """The present secret, sealed anew for where it will stand."""
    seen_version: int
    """The version of the endpoint whose secret that is."""

    def changed(self, endpoint: WebhookEndpoint) -> WebhookEndpoint:
        if endpoint.version != self.seen_version:
            raise EndpointChanged(webhook_endpoint=endpoint.name)
        at = self.origin.received_at
        return endpoint.replace(
            secret=self.secret, old_secret=self.old_secret, old_secret_expires_at=at + OLD_SECRET_LASTS, rotated_at=at
        )


class ForgetOldSecret(_ChangeEndpoint, frozen=True):
    """Forgets the secret before the present one, once nothing is signed with it any more. Of the system's own.

    Refused: WebhookEndpointNotFound.
    """

    def changed(self, endpoint: WebhookEndpoint) -> WebhookEndpoint:
        expires_at = endpoint.old_secret_expires_at
        if expires_at is None or self.origin.received_at < expires_at:
            return endpoint
        return endpoint.replace(old_secret=None, old_secret_expires_at=None)


class EnableWebhookEndpoint(_ChangeEndpoint, frozen=True):
    """Lets a disabled endpoint be called again; one that is enabled stays as it is. Refused: WebhookEndpointNotFound."""

    def changed(self, endpoint: WebhookEndpoint) -> WebhookEndpoint:
        if endpoint.enabled:
            return endpoint
        return endpoint.replace(
            state=EndpointState.ENABLED, disable_reason=DisableReason.NONE, resumes_at=self.origin.received_at
        )

    def told(self, ids: IdSequence, endpoint: WebhookEndpoint, at: datetime) -> Iterable[Row]:
        yield _event(ids, "webhook_endpoint.enabled", endpoint, at)


class EndResumption(_ChangeEndpoint, frozen=True):
    """Lets an endpoint be called, because what had not been delivered to it is due again; nothing changes where that
    was to begin at another time. Of the system's own. Refused: WebhookEndpointNotFound."""

    resumes_at: datetime

    def changed(self, endpoint: WebhookEndpoint) -> WebhookEndpoint:
        return endpoint.replace(resumes_at=None) if endpoint.resumes_at == self.resumes_at else endpoint


class DisableWebhookEndpoint(_ChangeEndpoint, frozen=True):
    """Calls an endpoint no longer; of one that is not enabled, or that leads elsewhere by now, nothing changes, nor where it
    was gone before its owner changed it. Of the system's own."""

    disable_reason: DisableReason
    url: str
    """That was called."""
    called_at: datetime

    def changed(self, endpoint: WebhookEndpoint) -> WebhookEndpoint:
        was_gone = self.disable_reason is DisableReason.GONE and self.called_at < endpoint.updated_at
        if not endpoint.enabled or endpoint.url != self.url or was_gone:
            return endpoint
        return endpoint.replace(state=EndpointState.DISABLED, disable_reason=self.disable_reason, resumes_at=None)

    def told(self, ids: IdSequence, endpoint: WebhookEndpoint, at: datetime) -> Iterable[Row]:
        yield _event(ids, "webhook_endpoint.disabled", endpoint, at)


class SendTestEvent(Command[trail.EventId], frozen=True):
    """Writes an event for one endpoint alone; its id is the command's. Refused: WebhookEndpointNotFound, EndpointDisabled."""

    result_type = trail.EventId
    endpoint_id: UUID

    def keys(self, book: Book) -> Iterable[Key]:
        yield WebhookEndpoint.key(self.endpoint_id)

    def decide(self, book: Book) -> Decision[trail.EventId]:
        endpoint = endpoint_of(book, self.endpoint_id, self.origin)
        endpoint.must_be_enabled()
        ids = self.ids()
        event = _event(ids, "webhook_endpoint.test", endpoint, book.now)
        trace = trail.audit_event(ids, self.origin, WebhookEndpoint, endpoint.id, book.now)
        return Decision(trail.EventId(event.id), [event, trace])


def endpoint_of(book: Book, endpoint_id: UUID, origin: Origin) -> WebhookEndpoint:
    """The endpoint with this id. Raises WebhookEndpointNotFound, also for one that is deleted or another account's."""
    endpoint = book.get(WebhookEndpoint, endpoint_id)
    if endpoint is None or endpoint.state is EndpointState.DELETED or not _is_of(endpoint, origin):
        raise WebhookEndpointNotFound(webhook_endpoint=f"webhookEndpoints/{endpoint_id}")
    return endpoint


def _is_of(endpoint: WebhookEndpoint, origin: Origin) -> bool:
    return origin.account_id is None or origin.account_id == endpoint.account_id


def _event(ids: IdSequence, topic: str, endpoint: WebhookEndpoint, at: datetime) -> trail.Outbox:
    return trail.event(ids, topic, endpoint.id, endpoint.version, endpoint.without_secrets(), at)

"""Why something is refused because of webhooks and of watching; see `errors.py`."""

from danbao_core.errors import Kind, Refusal


class TopicUnknown(Refusal):
    """There is no such topic to subscribe to."""

    kind = Kind.INVALID


class WebhookUrlRefused(Refusal):
    """No events are sent to this URL; name an https URL of a host that everybody can reach, without user and fragment."""

    kind = Kind.INVALID


class CursorInvalid(Refusal):
    """The cursor is not one of ours; begin with an empty one, or with `beginning`."""

    kind = Kind.INVALID


class WebhookEndpointNotFound(Refusal):
    """There is no such webhook endpoint for this caller."""

    kind = Kind.NOT_FOUND


class DeliveryNotFound(Refusal):
    """There is no such delivery for this caller; they are kept for 90 days."""

    kind = Kind.NOT_FOUND


class TooManyEndpoints(Refusal):
    """There are as many webhook endpoints of the same owner as there may be; delete one first."""

    kind = Kind.PRECONDITION


class EndpointDisabled(Refusal):
    """The webhook endpoint is disabled; enable it first."""

    kind = Kind.PRECONDITION


class CursorExpired(Refusal):
    """What followed this cursor is no longer kept; read what was missed by lists, and begin with an empty cursor."""

    kind = Kind.PAST


class EndpointChanged(Refusal):
    """Somebody else changed the webhook endpoint at the same moment."""

    kind = Kind.ABORTED
    retry_after_seconds = 0.1


class WatchesBusy(Refusal):
    """You have as many watches open as you may have at once; end one first, or let one serve several."""

    kind = Kind.EXHAUSTED
    retry_after_seconds = 15.0


class WatchTooSlow(Refusal):
    """You do not read what you watch as fast as it happens; watch on from the last cursor that you got."""

    kind = Kind.ABORTED
    retry_after_seconds = 1.0

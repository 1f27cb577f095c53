"""Webhook endpoints and deliveries."""

from collections.abc import Sequence
from uuid import UUID

from danbao.v1 import notifications_pb2
from danbao_core.engine import Origin
from danbao_core.notifications.deliveries import Delivery, Redeliver
from danbao_core.notifications.endpoints import (
    CreateWebhookEndpoint,
    DeleteWebhookEndpoint,
    EnableWebhookEndpoint,
    SendTestEvent,
    UpdateWebhookEndpoint,
    WebhookEndpoint,
)
from danbao_core.notifications.lists import Attempt
from danbao_core.rpc.convert.parts import id_of, optional_id_of, timestamp


def create_webhook_endpoint(
    request: notifications_pb2.CreateWebhookEndpointRequest, origin: Origin, endpoint_id: UUID, secret: bytes
) -> CreateWebhookEndpoint:
    """The command for a request; `secret` is sealed for the endpoint's id."""
    return CreateWebhookEndpoint(
        origin=origin,
        id=endpoint_id,
        account_id=optional_id_of(request.account) or origin.account_id,
        url=request.url,
        topics=tuple(request.topics),
        description=request.description,
        unordered=request.unordered,
        secret=secret,
    )


def update_webhook_endpoint(request: notifications_pb2.UpdateWebhookEndpointRequest, origin: Origin) -> UpdateWebhookEndpoint:
    """The command for a request."""
    named = set(request.update_mask.paths)
    return UpdateWebhookEndpoint(
        origin=origin,
        endpoint_id=id_of(request.name),
        url=request.url if "url" in named else None,
        topics=tuple(request.topics) if "topics" in named else None,
        description=request.description if "description" in named else None,
        unordered=request.unordered if "unordered" in named else None,
    )


def delete_webhook_endpoint(request: notifications_pb2.DeleteWebhookEndpointRequest, origin: Origin) -> DeleteWebhookEndpoint:
    """The command for a request."""
    return DeleteWebhookEndpoint(origin=origin, endpoint_id=id_of(request.name))


def enable_webhook_endpoint(request: notifications_pb2.EnableWebhookEndpointRequest, origin: Origin) -> EnableWebhookEndpoint:
    """The command for a request."""
    return EnableWebhookEndpoint(origin=origin, endpoint_id=id_of(request.name))


def send_test_event(request: notifications_pb2.SendTestEventRequest, origin: Origin) -> SendTestEvent:
    """The command for a request."""
    return SendTestEvent(origin=origin, endpoint_id=id_of(request.name))


def redeliver(request: notifications_pb2.RedeliverRequest, origin: Origin) -> Redeliver:
    """The command for a request."""
    return Redeliver(origin=origin, delivery_id=id_of(request.name))


def webhook_endpoint(row: WebhookEndpoint) -> notifications_pb2.WebhookEndpoint:
    """The resource for a row."""
    return notifications_pb2.WebhookEndpoint(
        name=row.name,
        account=f"accounts/{row.account_id}" if row.account_id else "",
        url=row.url,
        topics=row.topics.split(),
        description=row.description,
        unordered=row.unordered,
        state=notifications_pb2.WebhookEndpoint.State.ValueType(row.state),
        disable_reason=notifications_pb2.WebhookEndpoint.DisableReason.ValueType(row.disable_reason),
        create_time=timestamp(row.created_at),
        update_time=timestamp(row.updated_at),
        rotate_time=timestamp(row.rotated_at),
        old_secret_expire_time=timestamp(row.old_secret_expires_at),
    )


def delivery(row: Delivery, attempts: Sequence[Attempt] = ()) -> notifications_pb2.Delivery:
    """The resource for a row and its attempts."""
    return notifications_pb2.Delivery(
        name=f"deliveries/{row.id}",
        webhook_endpoint=f"webhookEndpoints/{row.endpoint_id}",
        event_id=str(row.event_id),
        topic=row.topic,
        state=notifications_pb2.Delivery.State.ValueType(row.state),
        next_attempt_time=timestamp(row.due_at),
        attempts=[_attempt(each) for each in attempts],
        create_time=timestamp(row.created_at),
        finish_time=timestamp(row.finished_at),
    )


def _attempt(attempt: Attempt) -> notifications_pb2.DeliveryAttempt:
    return notifications_pb2.DeliveryAttempt(
        number=attempt.number,
        start_time=timestamp(attempt.started_at),
        milliseconds=attempt.milliseconds,
        status=attempt.status,
        failure=attempt.failure,
        body=attempt.body,
    )

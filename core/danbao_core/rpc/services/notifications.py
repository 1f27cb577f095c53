"""Webhook endpoints, and what is delivered to them."""

import base64
import secrets
from typing import TYPE_CHECKING, Any
from uuid import UUID

from danbao.v1 import notifications_pb2, notifications_pb2_grpc
from danbao_core.engine import Engine, Origin
from danbao_core.engine.reads import fetch_row
from danbao_core.errors import SecretAlreadyShown
from danbao_core.ids import uuid7
from danbao_core.keyring import Keyring
from danbao_core.notification_errors import DeliveryNotFound, WebhookEndpointNotFound
from danbao_core.notifications.deliveries import Delivery, DeliveryState
from danbao_core.notifications.endpoints import EndpointState, RotateWebhookSecret, WebhookEndpoint
from danbao_core.notifications.lists import attempts_of, list_deliveries, list_endpoints
from danbao_core.notifications.targets import must_be_a_target
from danbao_core.rpc import call as calls
from danbao_core.rpc import convert
from danbao_core.rpc.paging import Pages, place_of
from danbao_core.rpc.services.inbox import Inbox
from danbao_core.rpc.services.visible import account_for_list, may_see

if TYPE_CHECKING:
    import asyncpg
    import grpc

    _Context = grpc.aio.ServicerContext[Any, Any]
    _Pool = asyncpg.Pool[Any]


class Notifications(Inbox, notifications_pb2_grpc.NotificationServiceServicer):
    """Webhook endpoints, and what is delivered to them; what people are told."""

    def __init__(self, engine: Engine, pool: "_Pool", pages: Pages, keyring: Keyring, *, sandbox: bool) -> None:
        self._engine = engine
        self._pool = pool
        self._pages = pages
        self._keyring = keyring
        self._sandbox = sandbox

    async def CreateWebhookEndpoint(
        self, request: notifications_pb2.CreateWebhookEndpointRequest, context: "_Context"
    ) -> notifications_pb2.CreateWebhookEndpointResponse:
        must_be_a_target(request.url, sandbox=self._sandbox)
        endpoint_id, secret = uuid7(), _new_secret()
        sealed = self._sealed(secret, "secret", endpoint_id)
        endpoint = await self._once(convert.create_webhook_endpoint(request, calls.current().origin, endpoint_id, sealed))
        return notifications_pb2.CreateWebhookEndpointResponse(
            webhook_endpoint=convert.webhook_endpoint(endpoint), secret=secret
        )

    async def GetWebhookEndpoint(
        self, request: notifications_pb2.GetWebhookEndpointRequest, context: "_Context"
    ) -> notifications_pb2.WebhookEndpoint:
        return convert.webhook_endpoint(await self._endpoint(request.name, calls.current().origin))

    async def ListWebhookEndpoints(
        self, request: notifications_pb2.ListWebhookEndpointsRequest, context: "_Context"
    ) -> notifications_pb2.ListWebhookEndpointsResponse:
        call = calls.current()
        page = self._pages.page(call, request)
        account_id = await account_for_list(self._pool, call.origin, request.account)
        rows = await list_endpoints(self._pool, account_id, before=page.before_id, limit=page.reach)
        endpoints, token = page.show(rows, convert.webhook_endpoint, place_of)
        return notifications_pb2.ListWebhookEndpointsResponse(webhook_endpoints=endpoints, next_page_token=token)

    async def UpdateWebhookEndpoint(
        self, request: notifications_pb2.UpdateWebhookEndpointRequest, context: "_Context"
    ) -> notifications_pb2.WebhookEndpoint:
        command = convert.update_webhook_endpoint(request, calls.current().origin)
        if command.url is not None:
            must_be_a_target(command.url, sandbox=self._sandbox)
        return convert.webhook_endpoint(await calls.submit(self._engine, command))

    async def DeleteWebhookEndpoint(
        self, request: notifications_pb2.DeleteWebhookEndpointRequest, context: "_Context"
    ) -> notifications_pb2.WebhookEndpoint:
        command = convert.delete_webhook_endpoint(request, calls.current().origin)
        return convert.webhook_endpoint(await calls.submit(self._engine, command))

    async def RotateWebhookSecret(
        self, request: notifications_pb2.RotateWebhookSecretRequest, context: "_Context"
    ) -> notifications_pb2.RotateWebhookSecretResponse:
        origin, secret = calls.current().origin, _new_secret()
        seen = await self._endpoint(request.name, origin)
        present = self._keyring.open(seen.secret or b"", "webhook_endpoint", "secret", seen.id)
        command = RotateWebhookSecret(
            origin=origin,
            endpoint_id=seen.id,
            secret=self._sealed(secret, "secret", seen.id),
            old_secret=self._sealed(present, "old_secret", seen.id),
            seen_version=seen.version,
        )
        endpoint = await self._once(command)
        return notifications_pb2.RotateWebhookSecretResponse(webhook_endpoint=convert.webhook_endpoint(endpoint), secret=secret)

    async def EnableWebhookEndpoint(
        self, request: notifications_pb2.EnableWebhookEndpointRequest, context: "_Context"
    ) -> notifications_pb2.WebhookEndpoint:
        command = convert.enable_webhook_endpoint(request, calls.current().origin)
        return convert.webhook_endpoint(await calls.submit(self._engine, command))

    async def SendTestEvent(
        self, request: notifications_pb2.SendTestEventRequest, context: "_Context"
    ) -> notifications_pb2.SendTestEventResponse:
        command = convert.send_test_event(request, calls.current().origin)
        sent = await calls.submit(self._engine, command)
        return notifications_pb2.SendTestEventResponse(event_id=str(sent.event_id))

    async def GetDelivery(
        self, request: notifications_pb2.GetDeliveryRequest, context: "_Context"
    ) -> notifications_pb2.Delivery:
        row = await fetch_row(self._pool, Delivery, convert.id_of(request.name))
        endpoint = None if row is None else await fetch_row(self._pool, WebhookEndpoint, row.endpoint_id)
        if row is None or endpoint is None or not _may_see(calls.current().origin, endpoint):
            raise DeliveryNotFound(delivery=request.name)
        attempts = await attempts_of(self._pool, [row.id])
        return convert.delivery(row, attempts.get(row.id, ()))

    async def ListDeliveries(
        self, request: notifications_pb2.ListDeliveriesRequest, context: "_Context"
    ) -> notifications_pb2.ListDeliveriesResponse:
        call = calls.current()
        page = self._pages.page(call, request)
        endpoint = await self._endpoint(request.webhook_endpoint, call.origin)
        states = [DeliveryState(state) for state in request.states]
        event_id = UUID(request.event_id) if request.event_id else None
        found = await list_deliveries(self._pool, endpoint.id, states, event_id, before=page.before_id, limit=page.reach)
        attempts = await attempts_of(self._pool, [row.id for row in found.rows])
        deliveries, token = page.show_found(found, lambda row: convert.delivery(row, attempts.get(row.id, ())))
        return notifications_pb2.ListDeliveriesResponse(deliveries=deliveries, next_page_token=token)

    async def Redeliver(self, request: notifications_pb2.RedeliverRequest, context: "_Context") -> notifications_pb2.Delivery:
        command = convert.redeliver(request, calls.current().origin)
        row = await calls.submit(self._engine, command)
        attempts = await attempts_of(self._pool, [row.id])
        return convert.delivery(row, attempts.get(row.id, ()))

    async def _endpoint(self, name: str, origin: Origin) -> WebhookEndpoint:
        """The endpoint with this resource name. Raises WebhookEndpointNotFound, also for one that the caller may not see."""
        row = await fetch_row(self._pool, WebhookEndpoint, convert.id_of(name))
        if row is None or row.state is EndpointState.DELETED or not _may_see(origin, row):
            raise WebhookEndpointNotFound(webhook_endpoint=name)
        return row

    def _sealed(self, secret: str, column: str, endpoint_id: UUID) -> bytes:
        return self._keyring.seal(secret, "webhook_endpoint", column, endpoint_id)

    async def _once(self, command: Any) -> WebhookEndpoint:
        """Carries out a command whose answer shows a secret, which no repeat may."""
        answer = await self._engine.submit(command, timeout_seconds=calls.current().remaining_seconds)
        endpoint: WebhookEndpoint = answer.result
        if answer.replayed:
            raise SecretAlreadyShown(webhook_endpoint=endpoint.name)
        return endpoint


def _new_secret() -> str:
    """A secret as Standard Webhooks writes it, of 256 random bits."""
    return f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"


def _may_see(origin: Origin, endpoint: WebhookEndpoint) -> bool:
    return may_see(origin, endpoint.account_id) if endpoint.account_id else origin.account_id is None

"""`danbao.notifications`. Written by `make protos`: change the protos, not this file."""

from __future__ import annotations

from collections.abc import Sequence

from danbao.v1 import notifications_pb2
from danbao_client.pages import Pages
from danbao_client.rpc import Rpc
from danbao_client.service import Service
from danbao_client.values import AnyMask, request_of


class Notifications(Service):
    """How what happened is told to whoever wants to know.

    Webhooks follow Standard Webhooks 1.0 (standardwebhooks.com). Every change of state is an event with an id and a topic
    such as `payment.succeeded`. Each endpoint that subscribes to the topic gets a POST of

    {"id": "<uuid>", "type": "payment.succeeded", "timestamp": "<RFC 3339>", "data": {<the resource as protobuf JSON>}}

    with the headers `webhook-id` (the event's id, the same in every repeat), `webhook-timestamp` and `webhook-signature`
    (`v1,` and the base64 of an HMAC-SHA256 over "id.timestamp.body" under the endpoint's secret; two of them, with a blank
    between, for 24 hours after the secret was rotated). `data` is the resource as the event left it, so a late delivery
    tells what was true then.

    A delivery has succeeded when the endpoint answers 2xx within 15 seconds. What fails is tried again 5 seconds, 5
    minutes, 30 minutes, 2, 5, 10, 14, 20 and 24 hours later, or some later, and not before a `Retry-After` says; a redirect
    is a failure. After the last one, and at once after 410, the endpoint is disabled; what it has not taken waits until it
    is enabled again. Deliveries come at least once: drop what has an id that is known. Events of one payment, its refunds
    and its dispute come in their order, one after the other: a failed one holds up those behind it, unless the endpoint is
    `unordered`. An endpoint that fails again and again rests for up to 5 minutes between attempts.

    A service key that is bound to an account sees that account's endpoints alone, which get that account's events alone. An
    unbound key sees all of them, and makes endpoints for any account, or for the platform, which get all events.
    """

    descriptor = notifications_pb2.DESCRIPTOR.services_by_name["NotificationService"]

    CreateWebhookEndpoint: Rpc[notifications_pb2.CreateWebhookEndpointRequest, notifications_pb2.CreateWebhookEndpointResponse]
    GetWebhookEndpoint: Rpc[notifications_pb2.GetWebhookEndpointRequest, notifications_pb2.WebhookEndpoint]
    ListWebhookEndpoints: Rpc[notifications_pb2.ListWebhookEndpointsRequest, notifications_pb2.ListWebhookEndpointsResponse]
    UpdateWebhookEndpoint: Rpc[notifications_pb2.UpdateWebhookEndpointRequest, notifications_pb2.WebhookEndpoint]
    DeleteWebhookEndpoint: Rpc[notifications_pb2.DeleteWebhookEndpointRequest, notifications_pb2.WebhookEndpoint]
    RotateWebhookSecret: Rpc[notifications_pb2.RotateWebhookSecretRequest, notifications_pb2.RotateWebhookSecretResponse]
    EnableWebhookEndpoint: Rpc[notifications_pb2.EnableWebhookEndpointRequest, notifications_pb2.WebhookEndpoint]
    SendTestEvent: Rpc[notifications_pb2.SendTestEventRequest, notifications_pb2.SendTestEventResponse]
    GetDelivery: Rpc[notifications_pb2.GetDeliveryRequest, notifications_pb2.Delivery]
    ListDeliveries: Rpc[notifications_pb2.ListDeliveriesRequest, notifications_pb2.ListDeliveriesResponse]
    Redeliver: Rpc[notifications_pb2.RedeliverRequest, notifications_pb2.Delivery]
    GetPreferences: Rpc[notifications_pb2.GetPreferencesRequest, notifications_pb2.Preferences]
    UpdatePreferences: Rpc[notifications_pb2.UpdatePreferencesRequest, notifications_pb2.Preferences]
    ListInboxMessages: Rpc[notifications_pb2.ListInboxMessagesRequest, notifications_pb2.ListInboxMessagesResponse]
    GetUnreadCount: Rpc[notifications_pb2.GetUnreadCountRequest, notifications_pb2.UnreadCount]
    MarkInboxMessagesRead: Rpc[notifications_pb2.MarkInboxMessagesReadRequest, notifications_pb2.MarkInboxMessagesReadResponse]

    async def create_webhook_endpoint(
        self,
        *,
        url: str,
        topics: Sequence[str],
        account: str = "",
        description: str = "",
        unordered: bool = False,
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> notifications_pb2.CreateWebhookEndpointResponse:
        """Makes an endpoint. Its secret is answered once; a repeat is refused with SECRET_ALREADY_SHOWN. Refused with
        WEBHOOK_URL_REFUSED for a target that a server of this mode does not call, with TOPIC_UNKNOWN, with ACCOUNT_CLOSED,
        and with TOO_MANY_ENDPOINTS where there are 20 of the same owner.

        - `url`: Where to: an https URL, in a sandbox also http, of at most 1,024 printable ASCII characters, without user,
          password and fragment.
        - `topics`: What it subscribes to, 1 to 64: topics such as `payment.succeeded`, `payment.*` for all of a kind, `*`
          for all.
        - `account`: `accounts/{uuid}` whose events alone it gets. Empty for that of the key, or with a key that is bound to
          none for the platform.
        - `description`: What it is for, at most 256 characters without control characters.
        - `unordered`: Whether events of one subject may come in another order than they happened.
        - `request_id`: Makes a retry safe; see the head of common.proto. Left out, the client makes one, and keeps it when
          it sends the request again.
        """
        request = request_of(
            notifications_pb2.CreateWebhookEndpointRequest,
            url=url,
            topics=topics,
            account=account,
            description=description,
            unordered=unordered,
            request_id=request_id,
        )
        return await self.CreateWebhookEndpoint(request, deadline_seconds=deadline_seconds)

    async def get_webhook_endpoint(
        self,
        name: str,
        *,
        deadline_seconds: float | None = None,
    ) -> notifications_pb2.WebhookEndpoint:
        """Answers one endpoint.

        - `name`: `webhookEndpoints/{uuid}`.
        """
        request = request_of(
            notifications_pb2.GetWebhookEndpointRequest,
            name=name,
        )
        return await self.GetWebhookEndpoint(request, deadline_seconds=deadline_seconds)

    def list_webhook_endpoints(
        self,
        *,
        page_size: int = 0,
        page_token: str = "",
        account: str = "",
        deadline_seconds: float | None = None,
    ) -> Pages[notifications_pb2.ListWebhookEndpointsResponse, notifications_pb2.WebhookEndpoint]:
        """Lists endpoints that are not deleted, newest first; see "Lists" at the head of common.proto.

        - `page_size`: Most items of the page: 0 means 50, more than 500 means 500. It may differ from page to page.
        - `page_token`: `next_page_token` of the page before; empty for the first page.
        - `account`: `accounts/{uuid}`: only its endpoints. Empty for those of the key's account or, with a key that is
          bound to none, for all.
        """
        request = request_of(
            notifications_pb2.ListWebhookEndpointsRequest,
            page_size=page_size,
            page_token=page_token,
            account=account,
        )
        return Pages(self.ListWebhookEndpoints, request, "webhook_endpoints", deadline_seconds)

    async def update_webhook_endpoint(
        self,
        name: str,
        *,
        update_mask: AnyMask | None = None,
        url: str | None = None,
        topics: Sequence[str] | None = None,
        description: str | None = None,
        unordered: bool | None = None,
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> notifications_pb2.WebhookEndpoint:
        """Changes the fields of an endpoint that `update_mask` names. What has not been delivered yet goes to the new target,
        at once and with all retries. Refused as CreateWebhookEndpoint is.

        - `name`: `webhookEndpoints/{uuid}`.
        - `update_mask`: What changes: one or more of `url`, `topics`, `description` and `unordered`. Other fields are left
          as they are. Left out, the fields that are given.
        - `url`: Where to; as in CreateWebhookEndpointRequest.
        - `topics`: What it subscribes to; as in CreateWebhookEndpointRequest.
        - `description`: What it is for, at most 256 characters without control characters.
        - `unordered`: Whether events of one subject may come in another order than they happened.
        - `request_id`: Makes a retry safe; see the head of common.proto. Left out, the client makes one, and keeps it when
          it sends the request again.
        """
        request = request_of(
            notifications_pb2.UpdateWebhookEndpointRequest,
            name=name,
            update_mask=update_mask,
            url=url,
            topics=topics,
            description=description,
            unordered=unordered,
            request_id=request_id,
        )
        return await self.UpdateWebhookEndpoint(request, deadline_seconds=deadline_seconds)

    async def delete_webhook_endpoint(
        self,
        name: str,
        *,
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> notifications_pb2.WebhookEndpoint:
        """Ends an endpoint for good; what has not been delivered to it is not delivered any more. Deleting it again changes
        nothing.

        - `name`: `webhookEndpoints/{uuid}`.
        - `request_id`: Makes a retry safe; see the head of common.proto. Left out, the client makes one, and keeps it when
          it sends the request again.
        """
        request = request_of(
            notifications_pb2.DeleteWebhookEndpointRequest,
            name=name,
            request_id=request_id,
        )
        return await self.DeleteWebhookEndpoint(request, deadline_seconds=deadline_seconds)

    async def rotate_webhook_secret(
        self,
        name: str,
        *,
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> notifications_pb2.RotateWebhookSecretResponse:
        """Gives an endpoint a new secret. For 24 hours deliveries are signed with the old one, too. The secret is answered
        once; a repeat is refused with SECRET_ALREADY_SHOWN.

        - `name`: `webhookEndpoints/{uuid}`.
        - `request_id`: Makes a retry safe; see the head of common.proto. Left out, the client makes one, and keeps it when
          it sends the request again.
        """
        request = request_of(
            notifications_pb2.RotateWebhookSecretRequest,
            name=name,
            request_id=request_id,
        )
        return await self.RotateWebhookSecret(request, deadline_seconds=deadline_seconds)

    async def enable_webhook_endpoint(
        self,
        name: str,
        *,
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> notifications_pb2.WebhookEndpoint:
        """Lets a disabled endpoint be called again, beginning with all that had not been delivered to it and is kept: what was
        pending, and what had failed, come now, in their order and with all retries. It got no events while it was disabled:
        read what was missed by lists, or with WatchPayments. Enabling an endpoint that is enabled changes nothing.

        - `name`: `webhookEndpoints/{uuid}`.
        - `request_id`: Makes a retry safe; see the head of common.proto. Left out, the client makes one, and keeps it when
          it sends the request again.
        """
        request = request_of(
            notifications_pb2.EnableWebhookEndpointRequest,
            name=name,
            request_id=request_id,
        )
        return await self.EnableWebhookEndpoint(request, deadline_seconds=deadline_seconds)

    async def send_test_event(
        self,
        name: str,
        *,
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> notifications_pb2.SendTestEventResponse:
        """Sends an event with the topic `webhook_endpoint.test` to this endpoint alone, whatever it subscribes to. Its `data`
        is the endpoint. Refused with ENDPOINT_DISABLED.

        - `name`: `webhookEndpoints/{uuid}`.
        - `request_id`: Makes a retry safe: a repeat sends nothing. See the head of common.proto. Left out, the client makes
          one, and keeps it when it sends the request again.
        """
        request = request_of(
            notifications_pb2.SendTestEventRequest,
            name=name,
            request_id=request_id,
        )
        return await self.SendTestEvent(request, deadline_seconds=deadline_seconds)

    async def get_delivery(
        self,
        name: str,
        *,
        deadline_seconds: float | None = None,
    ) -> notifications_pb2.Delivery:
        """Answers one delivery.

        - `name`: `deliveries/{uuid}`.
        """
        request = request_of(
            notifications_pb2.GetDeliveryRequest,
            name=name,
        )
        return await self.GetDelivery(request, deadline_seconds=deadline_seconds)

    def list_deliveries(
        self,
        *,
        webhook_endpoint: str,
        page_size: int = 0,
        page_token: str = "",
        states: Sequence[notifications_pb2.Delivery.State.ValueType] = (),
        event_id: str = "",
        deadline_seconds: float | None = None,
    ) -> Pages[notifications_pb2.ListDeliveriesResponse, notifications_pb2.Delivery]:
        """Lists deliveries to an endpoint with their attempts, newest first; see "Lists" at the head of common.proto. They are
        kept for 90 days (wall time).

        - `webhook_endpoint`: `webhookEndpoints/{uuid}`.
        - `page_size`: Most items of the page: 0 means 50, more than 500 means 500. It may differ from page to page.
        - `page_token`: `next_page_token` of the page before; empty for the first page.
        - `states`: Only deliveries in these states; in any where none is named.
        - `event_id`: Only those of the event with this id; of any where it is empty.
        """
        request = request_of(
            notifications_pb2.ListDeliveriesRequest,
            webhook_endpoint=webhook_endpoint,
            page_size=page_size,
            page_token=page_token,
            states=states,
            event_id=event_id,
        )
        return Pages(self.ListDeliveries, request, "deliveries", deadline_seconds)

    async def redeliver(
        self,
        name: str,
        *,
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> notifications_pb2.Delivery:
        """Delivers an event to an endpoint once more, under the same event id, with all retries. One that is pending is tried
        at once (in its order). Refused with ENDPOINT_DISABLED.

        - `name`: `deliveries/{uuid}`.
        - `request_id`: Makes a retry safe: a repeat delivers nothing. See the head of common.proto. Left out, the client
          makes one, and keeps it when it sends the request again.
        """
        request = request_of(
            notifications_pb2.RedeliverRequest,
            name=name,
            request_id=request_id,
        )
        return await self.Redeliver(request, deadline_seconds=deadline_seconds)

    async def get_preferences(
        self,
        *,
        account: str,
        deadline_seconds: float | None = None,
    ) -> notifications_pb2.Preferences:
        """Answers by which ways the person behind an account is told of what. Refused with PERSON_NOT_FOUND where nobody
        registered the account as theirs: what happens to it is told to its service, by webhooks.

        - `account`: `accounts/{uuid}`.
        """
        request = request_of(
            notifications_pb2.GetPreferencesRequest,
            account=account,
        )
        return await self.GetPreferences(request, deadline_seconds=deadline_seconds)

    async def update_preferences(
        self,
        *,
        account: str,
        preferences: Sequence[notifications_pb2.Preferences.Preference],
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> notifications_pb2.Preferences:
        """Sets by which ways the person behind an account is told of what, for the categories that are named. Refused with
        CHANNEL_REQUIRED where CATEGORY_SECURITY lacks the inbox or short messages, which it always has, and with
        PERSON_NOT_FOUND.

        - `account`: `accounts/{uuid}`.
        - `preferences`: What is set: each category once at most. Others are left as they are.
        - `request_id`: Makes a retry safe; see the head of common.proto. Left out, the client makes one, and keeps it when
          it sends the request again.
        """
        request = request_of(
            notifications_pb2.UpdatePreferencesRequest,
            account=account,
            preferences=preferences,
            request_id=request_id,
        )
        return await self.UpdatePreferences(request, deadline_seconds=deadline_seconds)

    def list_inbox_messages(
        self,
        *,
        account: str,
        page_size: int = 0,
        page_token: str = "",
        unread_only: bool = False,
        deadline_seconds: float | None = None,
    ) -> Pages[notifications_pb2.ListInboxMessagesResponse, notifications_pb2.InboxMessage]:
        """Lists what the person behind an account was told in the app, newest first, in the account's language; see "Lists" at
        the head of common.proto.

        - `account`: `accounts/{uuid}`.
        - `page_size`: Most items of the page: 0 means 50, more than 500 means 500. It may differ from page to page.
        - `page_token`: `next_page_token` of the page before; empty for the first page.
        - `unread_only`: Only those that were not read yet.
        """
        request = request_of(
            notifications_pb2.ListInboxMessagesRequest,
            account=account,
            page_size=page_size,
            page_token=page_token,
            unread_only=unread_only,
        )
        return Pages(self.ListInboxMessages, request, "inbox_messages", deadline_seconds)

    async def get_unread_count(
        self,
        *,
        account: str,
        deadline_seconds: float | None = None,
    ) -> notifications_pb2.UnreadCount:
        """Answers how many messages of the inbox were not read yet.

        - `account`: `accounts/{uuid}`.
        """
        request = request_of(
            notifications_pb2.GetUnreadCountRequest,
            account=account,
        )
        return await self.GetUnreadCount(request, deadline_seconds=deadline_seconds)

    async def mark_inbox_messages_read(
        self,
        *,
        account: str,
        names: Sequence[str],
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> notifications_pb2.MarkInboxMessagesReadResponse:
        """Says that messages were read; those that were read before stay as they are. Refused with INBOX_MESSAGE_NOT_FOUND
        where one of them is not in the account's inbox: then none is changed.

        - `account`: `accounts/{uuid}`.
        - `names`: `accounts/{uuid}/inboxMessages/{uuid}` of this account, 1 to 100.
        - `request_id`: Makes a retry safe; see the head of common.proto. Left out, the client makes one, and keeps it when
          it sends the request again.
        """
        request = request_of(
            notifications_pb2.MarkInboxMessagesReadRequest,
            account=account,
            names=names,
            request_id=request_id,
        )
        return await self.MarkInboxMessagesRead(request, deadline_seconds=deadline_seconds)

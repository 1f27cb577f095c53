"""What people are told in the app, and how they want to be told."""

from typing import TYPE_CHECKING, Any

import msgspec

from danbao.v1 import notifications_pb2, notifications_pb2_grpc
from danbao_core.accounts import Account
from danbao_core.engine import Engine
from danbao_core.engine.reads import fetch_row
from danbao_core.news.lists import count_unread, list_inbox, read_preferences
from danbao_core.news.rows import InboxMessage
from danbao_core.notifications.templates import Worded, language_for, worded
from danbao_core.people.person import Person
from danbao_core.people_errors import InboxMessageNotFound, PersonNotFound
from danbao_core.rpc import call as calls
from danbao_core.rpc import convert
from danbao_core.rpc.paging import Pages
from danbao_core.rpc.services.visible import visible_account

if TYPE_CHECKING:
    import asyncpg
    import grpc

    _Context = grpc.aio.ServicerContext[Any, Any]
    _Pool = asyncpg.Pool[Any]


class Inbox(notifications_pb2_grpc.NotificationServiceServicer):
    """What people are told in the app, and how they want to be told. Part of the service of notifications."""

    _engine: Engine
    _pool: "_Pool"
    _pages: Pages

    async def GetPreferences(
        self, request: notifications_pb2.GetPreferencesRequest, context: "_Context"
    ) -> notifications_pb2.Preferences:
        account = await self._visible(request.account)
        person = await fetch_row(self._pool, Person, account.id)
        if person is None or person.phone is None:
            raise PersonNotFound(account=account.name)
        return convert.preferences(await read_preferences(self._pool, account.id))

    async def UpdatePreferences(
        self, request: notifications_pb2.UpdatePreferencesRequest, context: "_Context"
    ) -> notifications_pb2.Preferences:
        command = convert.update_preferences(request, calls.current().origin)
        return convert.preferences(await calls.submit(self._engine, command))

    async def ListInboxMessages(
        self, request: notifications_pb2.ListInboxMessagesRequest, context: "_Context"
    ) -> notifications_pb2.ListInboxMessagesResponse:
        page = self._pages.page(calls.current(), request)
        account = await self._visible(request.account)
        before = None if page.place is None else int(page.place)
        rows = await list_inbox(self._pool, account.id, unread_only=request.unread_only, before=before, limit=page.reach)
        language = language_for(account.language)
        messages, token = page.show(
            rows,
            lambda row: convert.inbox_message(row, _worded(row, language)),
            _position,
        )
        return notifications_pb2.ListInboxMessagesResponse(inbox_messages=messages, next_page_token=token)

    async def GetUnreadCount(
        self, request: notifications_pb2.GetUnreadCountRequest, context: "_Context"
    ) -> notifications_pb2.UnreadCount:
        account = await self._visible(request.account)
        return notifications_pb2.UnreadCount(unread_count=await count_unread(self._pool, account.id))

    async def MarkInboxMessagesRead(
        self, request: notifications_pb2.MarkInboxMessagesReadRequest, context: "_Context"
    ) -> notifications_pb2.MarkInboxMessagesReadResponse:
        for name in request.names:
            if not name.startswith(f"{request.account}/"):
                raise InboxMessageNotFound(inbox_message=name)
        command = convert.mark_read(request, calls.current().origin)
        marked = await calls.submit(self._engine, command)
        return notifications_pb2.MarkInboxMessagesReadResponse(marked_count=marked.count)

    async def _visible(self, name: str) -> Account:
        return await visible_account(self._pool, calls.current().origin, name)


def _worded(row: InboxMessage, language: str) -> Worded:
    """What a message says; nothing where this server does not know it, because a newer one wrote it."""
    try:
        return worded(row.template, msgspec.json.decode(row.parameters), language)
    except (KeyError, ValueError):
        return Worded("", "")


def _position(row: InboxMessage) -> str:
    return str(row.position)

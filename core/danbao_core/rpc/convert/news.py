"""Preferences, and what people were told in the app."""

from danbao.v1 import notifications_pb2
from danbao_core.engine import Origin
from danbao_core.ids import uuid_of
from danbao_core.news.commands import MarkRead, Preferences, UpdatePreferences, Ways
from danbao_core.news.rows import Category, InboxMessage
from danbao_core.notifications.templates import Worded
from danbao_core.rpc.convert.parts import id_of, timestamp

_Category = notifications_pb2.Preferences.Category
_Channel = notifications_pb2.Preferences.Channel
_CHANNELS = {"sms": _Channel.CHANNEL_SMS, "email": _Channel.CHANNEL_EMAIL, "inbox": _Channel.CHANNEL_INBOX}


def update_preferences(request: notifications_pb2.UpdatePreferencesRequest, origin: Origin) -> UpdatePreferences:
    """The command for a request."""
    ways = (
        Ways(Category(each.category), **{name: channel in each.channels for name, channel in _CHANNELS.items()})
        for each in request.preferences
    )
    return UpdatePreferences(origin=origin, account_id=id_of(request.account), ways=tuple(ways))


def preferences(found: Preferences) -> notifications_pb2.Preferences:
    """The resource for how every category is told."""
    return notifications_pb2.Preferences(
        name=f"accounts/{found.account_id}/preferences",
        preferences=[
            notifications_pb2.Preferences.Preference(
                category=_Category.ValueType(ways.category),
                channels=[channel for name, channel in _CHANNELS.items() if getattr(ways, name)],
            )
            for ways in found.ways
        ],
    )


def mark_read(request: notifications_pb2.MarkInboxMessagesReadRequest, origin: Origin) -> MarkRead:
    """The command for a request, whose names are all of its account."""
    message_ids = tuple(uuid_of(name.rpartition("/")[2]) for name in request.names)
    return MarkRead(origin=origin, account_id=id_of(request.account), message_ids=message_ids)


def inbox_message(row: InboxMessage, worded: Worded) -> notifications_pb2.InboxMessage:
    """The resource for a row, in its reader's words."""
    return notifications_pb2.InboxMessage(
        name=row.name,
        category=_Category.ValueType(row.category),
        template=row.template,
        subject=row.subject,
        title=worded.title,
        text=worded.text,
        create_time=timestamp(row.created_at),
        read_time=timestamp(row.read_at),
    )

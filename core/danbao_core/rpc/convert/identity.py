"""Identities and cards."""

from danbao.v1 import identity_pb2
from danbao_core.people.identity import Confirmed
from danbao_core.people.instruments import Instrument
from danbao_core.people.masks import mask_name, mask_number
from danbao_core.rpc.convert.parts import timestamp


def identity(known: Confirmed, real_name: str, number: str) -> identity_pb2.Identity:
    """The message for what is known; name and number, which are empty where nothing is, are masked here."""
    return identity_pb2.Identity(
        level=identity_pb2.Identity.Level.ValueType(known.level),
        channels=[identity_pb2.Identity.Channel.ValueType(each) for each in known.channels],
        real_name=mask_name(real_name),
        document=identity_pb2.Identity.Document.ValueType(known.document),
        number=mask_number(number),
    )


def instrument(row: Instrument) -> identity_pb2.Instrument:
    """The resource for a row."""
    return identity_pb2.Instrument(
        name=row.name,
        account=f"accounts/{row.account_id}",
        issuer_prefix=row.issuer_prefix,
        last_four=row.last_four,
        create_time=timestamp(row.created_at),
        unbind_time=timestamp(row.unbound_at),
    )

"""Service keys, merchants' plans, who did what, and the audit."""

from collections.abc import Iterable

from danbao.v1 import operations_pb2
from danbao_core.accounts import FreezeAccount, SetMerchantPlan, UnfreezeAccount
from danbao_core.audit import Check
from danbao_core.engine import Origin
from danbao_core.history import Fact, FactFilter
from danbao_core.ids import resource_name
from danbao_core.rpc.convert.parts import id_of, moment, table_of, timestamp
from danbao_core.service_keys import CreateServiceKey, RevokeServiceKey, RotateServiceKey, ServiceKey, Token


def create_service_key(request: operations_pb2.CreateServiceKeyRequest, origin: Origin, token: Token) -> CreateServiceKey:
    """The command for a request; the key gets the token's id."""
    return CreateServiceKey(
        origin=origin,
        id=token.key_id,
        service=request.service,
        scopes=frozenset(request.scopes),
        secret_hash=token.secret_hash,
        account_id=id_of(request.account) if request.account else None,
    )


def rotate_service_key(request: operations_pb2.RotateServiceKeyRequest, origin: Origin, token: Token) -> RotateServiceKey:
    """The command for a request."""
    return RotateServiceKey(
        origin=origin, key_id=token.key_id, secret_hash=token.secret_hash, grace_seconds=request.grace_seconds
    )


def revoke_service_key(request: operations_pb2.RevokeServiceKeyRequest, origin: Origin) -> RevokeServiceKey:
    """The command for a request."""
    return RevokeServiceKey(origin=origin, key_id=id_of(request.name))


def set_merchant_plan(request: operations_pb2.SetMerchantPlanRequest, origin: Origin) -> SetMerchantPlan:
    """The command for a request."""
    return SetMerchantPlan(
        origin=origin,
        account_id=id_of(request.account),
        fee_bps=request.fee_bps if request.HasField("fee_bps") else None,
        effective_at=moment("effective_time", request.effective_time) if request.HasField("effective_time") else None,
    )


def service_key(row: ServiceKey) -> operations_pb2.ServiceKey:
    """The resource for a row."""
    return operations_pb2.ServiceKey(
        name=f"serviceKeys/{row.id}",
        service=row.service,
        scopes=row.scopes.split(),
        account=f"accounts/{row.account_id}" if row.account_id else "",
        state=operations_pb2.ServiceKey.State.ValueType(row.state),
        create_time=timestamp(row.created_at),
        rotate_time=timestamp(row.rotated_at),
        old_secret_expire_time=timestamp(row.old_secret_expires_at),
        revoke_time=timestamp(row.revoked_at),
        root=f"serviceKeys/{row.root_id}",
    )


def fact_filter(request: operations_pb2.ListAuditEventsRequest) -> FactFilter:
    """Which facts a request asks for."""
    return FactFilter(
        subject=(table_of(request.subject), id_of(request.subject)) if request.subject else None,
        caller=request.caller,
        method=request.method,
        created_from=moment("created_from", request.created_from) if request.HasField("created_from") else None,
        created_before=moment("created_before", request.created_before) if request.HasField("created_before") else None,
    )


def audit_event(fact: Fact) -> operations_pb2.AuditEvent:
    """The resource for a fact."""
    return operations_pb2.AuditEvent(
        name=f"auditEvents/{fact.id}",
        subject=resource_name(fact.kind, fact.subject_id),
        method=fact.method,
        caller=fact.caller,
        service_key=f"serviceKeys/{fact.key_id}" if fact.key_id else "",
        peer=fact.peer,
        request_id=fact.request_id,
        memo=fact.memo,
        journal=f"journals/{fact.id}" if fact.moves_money else "",
        kind=fact.kind if fact.moves_money else "",
        create_time=timestamp(fact.created_at),
    )


def audit_checks(checks: Iterable[Check]) -> operations_pb2.AuditLedgerResponse:
    """What an audit found."""
    messages = [
        operations_pb2.AuditCheck(
            invariant=check.invariant, holds=check.holds, breach=check.breach or "", warning=check.is_warning
        )
        for check in checks
    ]
    holds = all(message.holds or message.warning for message in messages)
    return operations_pb2.AuditLedgerResponse(holds=holds, checks=messages)


def freeze_account(request: operations_pb2.FreezeAccountRequest, origin: Origin) -> FreezeAccount:
    """The command for a request."""
    return FreezeAccount(origin=origin, account_id=id_of(request.name), reason=request.reason)


def unfreeze_account(request: operations_pb2.UnfreezeAccountRequest, origin: Origin) -> UnfreezeAccount:
    """The command for a request."""
    return UnfreezeAccount(origin=origin, account_id=id_of(request.name), reason=request.reason)

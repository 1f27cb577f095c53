"""Service keys and the audit."""

from collections.abc import Iterable

from danbao.v1 import operations_pb2
from danbao_core.accounts import FreezeAccount, UnfreezeAccount
from danbao_core.engine import Origin
from danbao_core.rpc.convert.parts import id_of, timestamp
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


def audit_checks(checks: Iterable[tuple[str, str | None]]) -> operations_pb2.AuditLedgerResponse:
    """The audit's checks: each invariant's name and its first breach, None where it holds."""
    messages = [
        operations_pb2.AuditCheck(invariant=invariant, holds=breach is None, breach=breach or "")
        for invariant, breach in checks
    ]
    return operations_pb2.AuditLedgerResponse(holds=all(message.holds for message in messages), checks=messages)


def freeze_account(request: operations_pb2.FreezeAccountRequest, origin: Origin) -> FreezeAccount:
    """The command for a request."""
    return FreezeAccount(origin=origin, account_id=id_of(request.name), reason=request.reason)


def unfreeze_account(request: operations_pb2.UnfreezeAccountRequest, origin: Origin) -> UnfreezeAccount:
    """The command for a request."""
    return UnfreezeAccount(origin=origin, account_id=id_of(request.name), reason=request.reason)

"""Why a call failed: DanbaoError, and below it a class for each reason of the core.

try:
    await danbao.payments.pay(name)
except InsufficientFunds as error:
    ...
"""

from danbao_client.errors.base import DanbaoError as DanbaoError
from danbao_client.errors.base import FieldViolation as FieldViolation
from danbao_client.errors.reasons import *  # noqa: F403 - all of them

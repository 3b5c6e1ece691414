"""Why a subscription changed: what becomes of credits already given depends on it."""

from enum import StrEnum


class Cause(StrEnum):
    """The cause of one change. When several come together, the first of this list wins."""

    START = "START"  # it was created (R18, R23)
    END = "END"  # its end was set, moved or taken back (R32)
    PAYMENT = "PAYMENT"  # the payment it waited for arrived (R18)
    TRANSFER = "TRANSFER"  # it belongs to another resource
    ANCHOR = "ANCHOR"  # its billing cycle begins anew (R26)
    TRIAL = "TRIAL"  # its trial ends at another instant (R25)
    PLAN_CHANGE = "PLAN_CHANGE"  # another plan, or another billing period (R31)
    MIGRATION = "MIGRATION"  # another version of the same packages (R14)
    ADDONS = "ADDONS"  # add-ons bought or removed (R28–R30, R32)
    QUANTITY = "QUANTITY"  # quantities, units bought or custom values (R27)
    SCHEDULE = "SCHEDULE"  # an update was scheduled, moved along or taken back (R13)

"""Every way in which our API differs from the contract, and why.

Patterns of what `comparison.differences` says: `*` stands for anything. A difference that
none of them names fails a test, as does a pattern that names none.
"""

GENEROUS = "a request may say it like this, too; what the contract sends is understood"
NO_BILLING = "no billing provider is connected: it would change nothing, and is ignored"
NOT_KEPT = "refused unless it is empty, since it would be lost silently"
REFUSES = "a billing provider or a warehouse would have to answer; it always refuses, and says so"
WHOLE = "it is counted in whole units; a fraction is refused, not rounded"
IGNORED_HEADER = "a key belongs to one workspace; the header is ignored"
BY_COMMAS = "the text of the contract holds a list by commas"
NEWER = "newer clients ask for it"
BACK = "pages go back, too"

DIFFERENCES = {
    "* header X-ACCOUNT-ID: missing": IGNORED_HEADER,
    "* header X-ENVIRONMENT-ID: missing": IGNORED_HEADER,
    "POST * header Idempotency-Key: our own": "makes any POST safe to repeat",
    # What is asked for
    "* body*: null": GENEROUS,
    "* body*: optional": GENEROUS,
    "GET /api/v1/usage/{}/history/{} query resourceId: null is refused": (
        "a query has no null; without the parameter it is the customer as a whole"
    ),
    "GET * query eventType: array for string": BY_COMMAS,
    "GET * query groupBy: array for string": BY_COMMAS,
    "GET /api/v1-beta/customers/{}/governance query before: our own": BACK,
    "POST /api/v1/credits/consumption body.strict: our own": "refuses what would overdraw",
    "* body*.quantity: integer for number": WHOLE,
    "* body.defaultTrialConfig.duration: integer for number": WHOLE,
    "* body.billingInformation.invoiceDaysUntilDue: integer for number": WHOLE,
    "POST /api/v1/customers body.defaultPaymentMethod.cardExpiry*: integer for number": WHOLE,
    "PATCH * body.charges.overagePricingModels[[]].entitlement.usageLimit: integer for number": (
        WHOLE
    ),
    "PATCH * body.charges.overagePricingModels[[]].*: our own": (
        "prices of overage are read as all others are"
    ),
    "* body.appliedCoupon.couponId: required": "only coupons of the workspace can be applied",
    "* body.appliedCoupon.discount.*: missing": NOT_KEPT,
    "POST /api/v1/subscriptions/preview body.appliedCoupon.*: missing": NOT_KEPT,
    "* body.budget.*: missing": NOT_KEPT,
    "* body.minimumSpend.*: missing": NOT_KEPT,
    "* body.awaitPaymentConfirmation: missing": NO_BILLING,
    "* body.billingCountryCode: missing": NO_BILLING,
    "* body.billingInformation: missing": NO_BILLING,
    "* body.checkoutOptions: missing": NO_BILLING,
    "* body.salesforceId: missing": NO_BILLING,
    "POST /api/v1/subscriptions/{}/cancel body.prorate: missing": NO_BILLING,
    # What is answered
    "GET * answer.data*<CREDIT>.hasSoftLimit: our own": "says why more may be used than is left",
    "GET /api/v1-beta/customers/{}/governance answer.pagination.prev: our own": BACK,
    "GET /api/v1/credits/usage answer.data.series[[]].*eventCount: our own": NEWER,
    "POST /api/v1/subscriptions/preview answer.data.credits: our own": (
        "what happens to credits is what a preview is asked for"
    ),
    "POST /api/v1/subscriptions/preview answer.data.takesEffectAt: our own": (
        "a change may wait for the end of a period"
    ),
    "DELETE /api/v1/subscriptions/{}/future-update/pending-payment answer: missing": REFUSES,
    "POST /api/v1/data-export/scoped-token answer: missing": REFUSES,
    "POST /api/v1/data-export/sync answer: missing": REFUSES,
    "POST /api/v1/subscriptions/{}/usage/charge answer: missing": REFUSES,
    "POST /api/v1/subscriptions/{}/usage/sync answer: missing": REFUSES,
    # Addresses of our own
    "GET /livez: our own": "asked by whatever watches the process",
    "GET /readyz: our own": "asked by whatever watches the process",
    "GET /v1/*.json: our own": "SDKs read it at the edge",
}

"""A subscription goes to another resource, or somebody else pays for it (R32, R42)."""

from datetime import datetime

from subscriptions import customers, exclusivity, finding, news
from subscriptions.causes import Cause
from subscriptions.models import Subscription
from subscriptions.provisioning import InvalidResource
from workspace.actors import Actor
from workspace.acts import act


@act
def transfer(
    *, subscription_id: str, resource_id: str, actor: Actor, now: datetime
) -> Subscription:
    """Let a subscription belong to another resource of its customer, made if it is new.

    Its credits recur there from now on, less what was used of them in this period; what is
    left of them here is voided, all other credits stay where they are (R32, R42). A
    repeated transfer changes nothing.

    Raises:
        UnknownSubscription, SubscriptionEnded: there is none, or it is over.
        InvalidResource: its product has one subscription per customer.
        InvalidField: the resource's id breaks R1.
        SubscriptionExists: that resource has such a subscription at that time (R4).
    """
    subscription = finding.lock(subscription_id, now)
    finding.refuse_ended(subscription, now)
    if not subscription.product.multiple_subscriptions:
        raise InvalidResource(
            f"{subscription.product.name} has one subscription per customer: it takes no resource.",
            field="destination_resource_id",
        )
    before = subscription.resource
    resource = customers.resource(
        locked_customer=subscription.customer, public_id=resource_id, now=now
    )
    if resource == before:
        return subscription
    subscription.resource, subscription.updated_at = resource, now
    exclusivity.check(subscription)
    subscription.save(update_fields=["resource", "updated_at"])
    payload = {"resource": [before and before.public_id, resource.public_id]}
    news.record("subscription.transferred", subscription, payload, actor=actor, now=now)
    news.tell(subscription, Cause.TRANSFER, actor=actor, now=now)
    return subscription


@act
def delegate(
    *, subscription_id: str, customer_id: str, actor: Actor, now: datetime
) -> Subscription:
    """Let another customer pay for a subscription; its own customer takes that back.

    Credits and features stay with whom they are.

    Raises:
        UnknownSubscription, SubscriptionEnded: there is none, or it is over.
        UnknownCustomer, CustomerIsArchived: nobody who could pay.
    """
    subscription = finding.lock(subscription_id, now)
    finding.refuse_ended(subscription, now)
    payer = customers.find_active(customer_id)
    before = subscription.paying_customer or subscription.customer
    if payer == before:
        return subscription
    subscription.paying_customer = None if payer == subscription.customer else payer
    subscription.updated_at = now
    subscription.save(update_fields=["paying_customer", "updated_at"])
    payload = {"paying_customer": [before.public_id, payer.public_id]}
    news.record("subscription.delegated", subscription, payload, actor=actor, now=now)
    return subscription

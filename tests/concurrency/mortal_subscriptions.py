"""Verbs of subscriptions that must survive a crash; their credits move with them."""

from datetime import datetime, timedelta
from typing import Any

from catalog.models import CreditType, Package, Product
from catalog.models.products import CancellationTime, UsageReset
from catalog.publishing import Audience
from credits import resets
from credits.models import Pool
from subscriptions import (
    cancellation,
    customer_imports,
    provisioning,
    rollout,
    subscription_imports,
    tasks,
    transfer,
    updates,
)
from subscriptions.discounts import Discount
from subscriptions.models import Subscription
from subscriptions.updates import When
from tests.builders import (
    a_coupon,
    a_credit_type,
    a_customer,
    a_metered_feature,
    a_new_version,
    a_product,
    a_published_addon,
    a_published_plan,
    a_resource,
    a_subscription,
    some_credits,
    some_units,
)
from tests.concurrency.crashes import Verb, as_a_request
from tests.credits.paper import FEBRUARY, JANUARY, MID_JANUARY
from tests.credits.pools import consumed
from workspace.actors import SYSTEM

HOUR = timedelta(hours=1)

Arguments = dict[str, Any]


def used(subscription: Subscription, amount: int) -> None:
    """So much was used of what the subscription gives."""
    for pool in Pool.objects.filter(customer=subscription.customer):
        consumed(pool, amount, now=MID_JANUARY)


def a_plan_and_an_addon() -> Arguments:
    credit_type, feature = a_credit_type(now=JANUARY), a_metered_feature(now=JANUARY)
    addon = a_published_addon(entitlements=[some_credits(credit_type, 10)], now=JANUARY)
    plan = a_published_plan(
        product=addon.product,
        entitlements=[some_credits(credit_type, 100), some_units(feature)],
        compatible_addons=[addon],
        now=JANUARY,
    )
    return {
        "customer_id": a_customer(now=JANUARY).public_id,
        "plan_id": plan.public_id,
        "addon_id": addon.public_id,
    }


def start(customer_id: str, plan_id: str, addon_id: str) -> None:
    as_a_request(
        lambda: provisioning.start(
            public_id="the-subscription",
            customer_id=customer_id,
            plan_id=plan_id,
            addons=[(addon_id, 2)],
            started_at=JANUARY,
            actor=SYSTEM,
            now=MID_JANUARY,
        )
    )


def two_plans(product: Product) -> tuple[Package, Package, Package]:
    """A small plan, a large one, and an add-on to both that overrides them."""
    known, new = a_credit_type(now=JANUARY), a_credit_type("API Credits", now=JANUARY)
    addon = a_published_addon(
        product=product,
        entitlements=[some_credits(known, 500, behaviour="Override")],
        now=JANUARY,
    )
    small, large = (
        a_published_plan(
            product=product, entitlements=entitlements, compatible_addons=[addon], now=JANUARY
        )
        for entitlements in (
            [some_credits(known, 100)],
            [some_credits(known, 300), some_credits(new, 20)],
        )
    )
    return small, large, addon


def a_subscription_in_use() -> Arguments:
    """60 of 100 are used; the product lets use go along to another plan."""
    product = a_product(usage_reset=UsageReset.NEVER_RESET, now=JANUARY)
    small, large, addon = two_plans(product)
    subscription = a_subscription(plan=small, now=JANUARY)
    used(subscription, 60)
    return {
        "subscription_id": subscription.public_id,
        "plan_id": large.public_id,
        "addon_id": addon.public_id,
    }


def change_plan(
    subscription_id: str,
    plan_id: str,
    addon_id: str,
    when: When = When.IMMEDIATE,
    now: datetime = MID_JANUARY + HOUR,
) -> None:
    as_a_request(
        lambda: updates.update(
            subscription_id=subscription_id,
            plan_id=plan_id,
            addons=[(addon_id, 1)],
            when=when,
            actor=SYSTEM,
            now=now,
        )
    )


def schedule(subscription_id: str, plan_id: str, addon_id: str) -> None:
    change_plan(subscription_id, plan_id, addon_id, When.END_OF_BILLING_PERIOD)


def cancel(subscription_id: str, plan_id: str, addon_id: str) -> None:
    """At once: what it gave is taken away."""
    as_a_request(
        lambda: cancellation.cancel(
            subscription_id=subscription_id,
            time=CancellationTime.IMMEDIATE,
            actor=SYSTEM,
            now=MID_JANUARY + HOUR,
        )
    )


def an_update_that_is_due() -> Arguments:
    arguments = a_subscription_in_use()
    updates.update(
        subscription_id=arguments["subscription_id"],
        plan_id=arguments["plan_id"],
        addons=[(arguments["addon_id"], 1)],
        when=When.END_OF_BILLING_PERIOD,
        actor=SYSTEM,
        now=MID_JANUARY,
    )
    return {}


def come_due() -> None:
    """What two workers do about it."""
    tasks.write_down_updates(FEBRUARY)
    resets.sweep(now=FEBRUARY, seconds=60)


def a_subscription_of_a_resource() -> Arguments:
    product = a_product(multiple_subscriptions=True, now=JANUARY)
    small, _, addon = two_plans(product)
    customer = a_customer(now=JANUARY)
    resource = a_resource(customer, now=JANUARY)
    subscription = a_subscription(
        customer, small, addons=[(addon, 1)], resource_id=resource.public_id, now=JANUARY
    )
    used(subscription, 60)
    return {"subscription_id": subscription.public_id}


def move_to_another_resource(subscription_id: str) -> None:
    transfer.transfer(
        subscription_id=subscription_id,
        resource_id="another-resource",
        actor=SYSTEM,
        now=MID_JANUARY + HOUR,
    )


def a_subscription_and_who_pays() -> Arguments:
    return {
        "subscription_id": a_subscription(now=JANUARY).public_id,
        "customer_id": a_customer("Parent", now=JANUARY).public_id,
    }


def delegate(subscription_id: str, customer_id: str) -> None:
    transfer.delegate(
        subscription_id=subscription_id, customer_id=customer_id, actor=SYSTEM, now=MID_JANUARY
    )


def a_subscription_and_a_coupon() -> Arguments:
    """It has another coupon already, which goes."""
    before, after = a_coupon(now=JANUARY), a_coupon("Second offer", now=JANUARY)
    subscription = a_subscription(coupon=Discount(before.public_id), now=JANUARY)
    return {"subscription_id": subscription.public_id, "coupon_id": after.public_id}


def apply_coupon(subscription_id: str, coupon_id: str) -> None:
    as_a_request(
        lambda: updates.update(
            subscription_id=subscription_id,
            coupon=Discount(coupon_id),
            actor=SYSTEM,
            now=MID_JANUARY,
        )
    )


def two_subscriptions() -> tuple[Package, CreditType]:
    """To a plan of 100; one used 30 of them."""
    credit_type = a_credit_type(now=JANUARY)
    plan = a_published_plan(entitlements=[some_credits(credit_type, 100)], now=JANUARY)
    subscriptions = [a_subscription(plan=plan, now=JANUARY) for _ in range(2)]
    used(subscriptions[0], 30)
    return plan, credit_type


def subscriptions_left_behind() -> Arguments:
    """A version gives more of what there was, and something new."""
    plan, credit_type = two_subscriptions()
    another = a_credit_type("API Credits", now=JANUARY)
    a_new_version(
        plan,
        entitlements=[some_credits(credit_type, 150), some_credits(another, 20)],
        audience=Audience.ALL_CUSTOMERS,
        now=MID_JANUARY,
    )
    return {}


def subscriptions_to_be_migrated() -> Arguments:
    """A version was for new customers only; now the old ones get it, with its prices."""
    plan, credit_type = two_subscriptions()
    a_new_version(plan, entitlements=[some_credits(credit_type, 150)], now=MID_JANUARY)
    rollout.begin_migration(package_id=plan.pk, actor=SYSTEM, now=MID_JANUARY)
    return {}


def roll_out() -> None:
    tasks.roll_out(MID_JANUARY + HOUR)


def a_customer_who_is_known() -> Arguments:
    return {"customer_id": a_customer(now=JANUARY).public_id}


def import_customers(customer_id: str) -> None:
    customer_imports.bring_in(
        arrivals=[
            customer_imports.Arrival(
                public_id=customer_id,
                name="Acme Inc.",
                email="billing@acme.example",
                payment_method_id="pm-1",
                salesforce_id="sf-1",
            ),
            customer_imports.Arrival(public_id="imported", name="New", email=""),
        ],
        integration_id="billing",
        actor=SYSTEM,
        now=MID_JANUARY,
    )


def subscriptions_to_be_imported() -> Arguments:
    """The customer of the second row has such a subscription already."""
    arguments = a_plan_and_an_addon()
    other = a_customer(now=JANUARY).public_id
    provisioning.start(customer_id=other, plan_id=arguments["plan_id"], actor=SYSTEM, now=JANUARY)
    arrivals = [
        subscription_imports.Arrival(
            public_id=f"imported-{place}",
            customer_id=customer_id,
            plan_id=arguments["plan_id"],
            addons=[(arguments["addon_id"], 2)],
            started_at=JANUARY,
        )
        for place, customer_id in enumerate([arguments["customer_id"], other])
    ]
    subscription_imports.hand_in(arrivals=arrivals, actor=SYSTEM, now=MID_JANUARY)
    return {}


def import_subscriptions() -> None:
    tasks.import_subscriptions(MID_JANUARY)


VERBS = {
    "start": Verb(a_plan_and_an_addon, start),
    "change plan": Verb(a_subscription_in_use, change_plan),
    "schedule": Verb(a_subscription_in_use, schedule),
    "cancel": Verb(a_subscription_in_use, cancel),
    "scheduled update": Verb(an_update_that_is_due, come_due),
    "transfer": Verb(a_subscription_of_a_resource, move_to_another_resource),
    "delegate": Verb(a_subscription_and_who_pays, delegate),
    "coupon": Verb(a_subscription_and_a_coupon, apply_coupon),
    "roll out": Verb(subscriptions_left_behind, roll_out),
    "migrate": Verb(subscriptions_to_be_migrated, roll_out),
    "import customers": Verb(a_customer_who_is_known, import_customers),
    "import subscriptions": Verb(subscriptions_to_be_imported, import_subscriptions),
}

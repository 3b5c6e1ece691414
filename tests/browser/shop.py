"""A shop in which everything has happened, so that every screen has something to show."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.utils import timezone
from django_q.models import OrmQ, Schedule, Task

from catalog import archiving, drafts
from catalog.models import Behaviour, Coupon, CreditType, Package, Product
from catalog.publishing import Audience
from credits import consumption, pools, resets
from credits.book import GrantType
from credits.consumption import Demand
from credits.models import Pool
from subscriptions import (
    cancellation,
    customers,
    impacts,
    promotions,
    rollout,
    subscription_imports,
    tasks,
    updates,
)
from subscriptions.discounts import Discount
from subscriptions.models import Customer, PromotionalEntitlement, RolloutRun, Subscription
from subscriptions.promotions import Gift
from subscriptions.subscription_imports import Arrival
from subscriptions.updates import When
from tests.builders import (
    a_coupon,
    a_credit_type,
    a_customer,
    a_feature,
    a_metered_feature,
    a_new_version,
    a_plan,
    a_product,
    a_published_addon,
    a_published_plan,
    a_rate,
    a_subscription,
    an_addon,
    some_credits,
    some_entities,
    some_units,
)
from tests.credits.pools import granted, stored
from tests.workspace.builders import a_key, a_user
from workspace.actors import SYSTEM
from workspace.models import Role


@dataclass(frozen=True)
class Shop:
    """A catalog with open drafts, and customers who bought from it."""

    credit_type: CreditType
    product: Product
    pro: Package
    draft: Package
    customer: Customer
    subscription: Subscription
    promotion: PromotionalEntitlement
    coupon: Coupon


def a_shop() -> Shop:
    """Made through the verbs, now."""
    now = timezone.now()
    credit_type = a_credit_type(now=now)
    product = a_product("A product with a rather long name, as they come", now=now)
    images = a_metered_feature(unit_singular="image", unit_plural="images", now=now)
    seats = a_feature("Seats", now=now)
    extra = a_published_addon(
        "Extra credits", product=product, entitlements=[some_credits(credit_type, 1000)], now=now
    )
    override = a_published_addon(
        "A very large number of credits",
        product=product,
        entitlements=[some_credits(credit_type, 500_000, behaviour=Behaviour.OVERRIDE)],
        max_quantity=1,
        now=now,
    )
    pro = a_published_plan(
        product=product,
        entitlements=[some_credits(credit_type), some_units(a_feature("Projects", now=now))],
        mappings=[a_rate(images, credit_type)],
        compatible_addons=[extra, override],
        yearly=490,
        now=now,
    )
    a_credit_type("API Credits", now=now)
    everything = [some_credits(credit_type), some_units(seats)]
    draft = an_addon(
        "Not on sale yet",
        product=product,
        entitlements=everything,
        mappings=[a_rate(images, credit_type)],
        now=now,
    )
    a_plan(
        "Team",
        product=product,
        entitlements=everything,
        mappings=[a_rate(images, credit_type)],
        base_plan=pro,
        now=now,
    )
    customer = a_customer("Acme Studios and Daughters", email="billing@acme.example", now=now)
    coupon = a_coupon("A discount for those who came early", now=now)
    subscription = a_subscription(
        customer, pro, addons=[(extra, 3)], coupon=Discount(coupon.public_id), now=now
    )
    [promotion] = promotions.give(
        customer_id=customer.public_id,
        gifts=[Gift(feature_id=seats.public_id, period="1 month", usage_limit=5)],
        actor=SYSTEM,
        now=now,
    )
    some_entities(customer, "team", "red", "blue", now=now)
    _use(_pool(customer, credit_type, now), now)
    a_new_version(pro, now=now)
    _others(product, pro, extra, now)
    _archived(now)
    _at_work(credit_type, now)
    return Shop(credit_type, product, pro, draft, customer, subscription, promotion, coupon)


def _pool(customer: Customer, credit_type: CreditType, now: datetime) -> Pool:
    return stored(
        pools.locate(
            customer_id=customer.public_id,
            credit_type_id=credit_type.public_id,
            resource_id=None,
            now=now,
        )
    )


def _use(pool: Pool, now: datetime) -> None:
    """Grants in every state, and some use."""
    granted(pool, 50_000, name="Order 4711", payment_pending=True, now=now)
    granted(pool, 250, name="Gift", type=GrantType.PROMOTIONAL, now=now)
    granted(pool, 100, name="Later", effective_at=now + timedelta(days=2), now=now)
    demand = Demand(amount=Decimal(40), key="job-1", used_at=now, dimensions={"model": "large"})
    consumption.consume(pool_id=pool.pk, demand=demand, actor=SYSTEM, now=now)


def _others(product: Product, plan: Package, addon: Package, now: datetime) -> None:
    """A subscription in every state, with what waits for it."""
    a_subscription(a_customer("Pays later", now=now), plan, payment_pending=True, now=now)
    leaving = a_subscription(a_customer("Leaves", now=now), plan, now=now)
    cancellation.cancel(
        subscription_id=leaving.public_id, time="END_OF_BILLING_PERIOD", actor=SYSTEM, now=now
    )
    growing = a_subscription(a_customer("Grows", now=now), plan, now=now)
    updates.update(
        subscription_id=growing.public_id,
        addons=[(addon.public_id, 2)],
        when=When.END_OF_BILLING_PERIOD,
        actor=SYSTEM,
        now=now,
    )
    several = a_product("Workspaces", multiple_subscriptions=True, now=now)
    a_subscription(
        a_customer("Has workspaces", now=now),
        a_published_plan("One workspace", product=several, now=now),
        resource_id="berlin",
        now=now,
    )


def _archived(now: datetime) -> None:
    """One of everything that can be archived, archived; and somebody who left."""
    product = a_product("Discontinued", now=now)
    plan = a_published_plan("Old", product=a_product(now=now), now=now)
    addon = a_published_addon("Old extra", product=a_product(now=now), now=now)
    archiving.archive_product(product_id=product.pk, actor=SYSTEM, now=now)
    for package in (plan, addon):
        archiving.archive_package(package_id=package.pk, actor=SYSTEM, now=now)
    coupon = a_coupon("Expired offer", now=now)
    archiving.archive_coupon(coupon_id=coupon.pk, actor=SYSTEM, now=now)
    feature = a_feature("Fax", now=now)
    archiving.archive_feature(feature_id=feature.pk, actor=SYSTEM, now=now)
    credit_type = a_credit_type("Old credits", now=now)
    archiving.archive_credit_type(credit_type_id=credit_type.pk, actor=SYSTEM, now=now)
    customer = a_customer("Gone", now=now)
    customers.archive(customer_id=customer.public_id, actor=SYSTEM, now=now)
    a_user(Role.READ_ONLY, is_active=False)


def _at_work(credit_type: CreditType, now: datetime) -> None:
    """Rollouts that run and that failed, a preview, an import, a pool set aside, tasks."""
    a_key()
    failing = a_published_plan("Failing", entitlements=[some_credits(credit_type)], now=now)
    held = a_subscription(a_customer("Holds up", now=now), failing, now=now)
    resets.set_aside(
        pool_id=_pool(held.customer, credit_type, now).pk, because="ValueError: odd", now=now
    )
    a_new_version(failing, audience=Audience.ALL_CUSTOMERS, now=now)
    run = RolloutRun.objects.get(package=failing)
    rollout.begin(run_id=run.pk)
    rollout._note_failure(run=run, subscription_pk=held.pk, message="Odd", now=now)
    rollout.conclude(run_id=run.pk, now=now)
    moving = a_published_plan("Moving", entitlements=[some_credits(credit_type)], now=now)
    a_subscription(a_customer("Waits", now=now), moving, now=now)
    a_new_version(moving, audience=Audience.ALL_CUSTOMERS, now=now)
    reviewed = a_published_plan("Reviewed", entitlements=[some_credits(credit_type)], now=now)
    a_subscription(a_customer("Is looked at", now=now), reviewed, now=now)
    drafts.open_draft(package_id=reviewed.pk, actor=SYSTEM, now=now)
    impacts.begin(package_id=reviewed.pk, actor=SYSTEM, now=now)
    tasks.preview_impacts(now)
    drafts.open_draft(package_id=failing.pk, actor=SYSTEM, now=now)
    arrivals = [
        Arrival(public_id=name, customer_id=held.customer.public_id, plan_id=failing.public_id)
        for name in ("s1", "s2")
    ]
    subscription_imports.hand_in(arrivals=arrivals, actor=SYSTEM, now=now)
    tasks.import_subscriptions(now)
    Schedule.objects.create(name="sweep", func="math.copysign")
    OrmQ.objects.create(key="stipend", payload="", lock=now)
    for number, success in enumerate((True, False)):
        Task.objects.create(
            id=f"t{number}", name=f"task {number}", func="math.copysign",
            started=now, stopped=now, success=success,
        )  # fmt: skip

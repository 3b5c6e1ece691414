"""A believable company for the demo: a catalog, customers, and months of their use.

Everything goes through the real verbs with a moving `now`, so the ledger of the demo is
one that could have been. The same seed gives the same story.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from catalog import credit_types, entitlements, features, packages, prices, products, publishing
from catalog.entitlements import NewCredits, NewFeature
from catalog.models import (
    Aggregation,
    Behaviour,
    BillingPeriod,
    Cadence,
    CreditType,
    Feature,
    FeatureType,
    MeterType,
    Package,
    PackageKind,
    PricingType,
)
from catalog.prices import NewMapping
from catalog.publishing import Audience
from credits import consumption, events, grants, pools, resets
from credits.book import GrantType
from credits.consumption import Demand
from credits.events import Event
from credits.grants import Gift
from subscriptions import journeys, provisioning
from workspace.actors import SYSTEM

DAYS = 150
IMAGE_EVENT = "image.generated"
TEXT_EVENT = "text.generated"

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Account:
    """One customer of the story; `images` and `calls` are averages per day."""

    public_id: str
    name: str
    plan: str
    since_days: int
    images: float
    calls: float
    addons: tuple[tuple[str, int], ...] = ()
    billing_period: BillingPeriod = BillingPeriod.MONTHLY
    top_up: int = 0
    gift: int = 0


ACCOUNTS = (
    Account("acme", "Acme Studios", "pro", 140, 12, 1900, (("extra-api-credits", 3),), top_up=2000),
    Account("globex", "Globex Corporation", "pro", 121, 9, 12000, (("api-500k", 1),)),
    Account("initech", "Initech", "pro", 96, 3, 900, gift=500),
    Account("umbrella", "Umbrella Labs", "annual", 133, 20, 0, (), BillingPeriod.ANNUALLY),
    Account("hooli", "Hooli", "pro", 75, 19, 1500, (("extra-api-credits", 1),), top_up=5000),
    Account("stark", "Stark Industries", "annual", 60, 14, 0, (), BillingPeriod.ANNUALLY),
    Account("wayne", "Wayne Enterprises", "pro", 45, 6, 1300, (("extra-api-credits", 2),)),
    Account("tyrell", "Tyrell Corp", "free", 110, 1.2, 0),
    Account("cyberdyne", "Cyberdyne Systems", "free", 88, 2.4, 0, gift=250),
    Account("aperture", "Aperture Science", "free", 30, 0.6, 0),
    Account("soylent", "Soylent Foods", "free", 12, 0.4, 0),
    Account("wonka", "Wonka Industries", "pro", 20, 4, 700, gift=1000),
)


def load(*, now: datetime, progress: Progress) -> None:
    """Tell the whole story up to `now`."""
    begin = now - timedelta(days=DAYS)
    progress("Catalog: 2 credit types, 4 features, 3 plans, 2 add-ons")
    ai_credits, api_credits = _catalog(begin)
    chance = random.Random(42)  # noqa: S311 - a story, no secret
    for number, account in enumerate(ACCOUNTS, start=1):
        progress(f"Customer {number} of {len(ACCOUNTS)}: {account.name}")
        _live(account, ai_credits, api_credits, chance, now)
    resets.sweep(now=now, seconds=60)


def _catalog(now: datetime) -> tuple[CreditType, CreditType]:
    ai_credits, api_credits = (
        credit_types.create(
            public_id=public_id,
            name=name,
            description=description,
            unit_singular="credit",
            unit_plural="credits",
            actor=SYSTEM,
            now=now,
        )
        for public_id, name, description in (
            ("ai-credits", "AI Credits", "Pay for everything that a model generates."),
            ("api-credits", "API Credits", "Pay for calls of the public API."),
        )
    )
    images = _metered("ai-image-generation", "AI Image Generation", IMAGE_EVENT, "image", now)
    text = _metered("ai-text-generation", "AI Text Generation", TEXT_EVENT, "text", now)
    seats = features.create(
        public_id="seats",
        name="Seats",
        type=FeatureType.NUMBER,
        unit_singular="seat",
        unit_plural="seats",
        actor=SYSTEM,
        now=now,
    )
    sso = features.create(
        public_id="sso", name="Single sign-on", type=FeatureType.BOOLEAN, actor=SYSTEM, now=now
    )
    product = products.create(
        public_id="ai-studio",
        name="AI Studio",
        description="Images, text and an API.",
        actor=SYSTEM,
        now=now,
    )
    extra = _package(
        PackageKind.ADDON,
        "extra-api-credits",
        "Extra API Credits",
        [_credits(api_credits, 10_000, behaviour=Behaviour.INCREMENT)],
        product_id=product.pk,
        now=now,
        monthly=49,
    )
    override = _package(
        PackageKind.ADDON,
        "api-500k",
        "API 500k",
        [_credits(api_credits, 500_000, behaviour=Behaviour.OVERRIDE)],
        product_id=product.pk,
        now=now,
        monthly=499,
        max_quantity=1,
    )
    mappings = [
        NewMapping(feature=images, credit_type=ai_credits, rate=Decimal(10)),
        NewMapping(feature=text, credit_type=ai_credits, formula="0.002*input + 0.008*output"),
    ]
    _package(
        PackageKind.PLAN,
        "free",
        "Free",
        [_credits(ai_credits, 500), NewFeature(seats, {"usage_limit": 1})],
        product_id=product.pk,
        now=now,
        pricing_type=PricingType.FREE,
        mappings=mappings,
    )
    _package(
        PackageKind.PLAN,
        "pro",
        "Pro",
        [
            _credits(ai_credits, 5_000),
            _credits(api_credits, 50_000),
            NewFeature(seats, {"usage_limit": 5}),
            NewFeature(sso, {}),
        ],
        product_id=product.pk,
        now=now,
        monthly=99,
        yearly=990,
        compatible_addons=[extra, override],
        mappings=mappings,
    )
    _package(
        PackageKind.PLAN,
        "annual",
        "Annual",
        [
            _credits(ai_credits, 60_000, Cadence.YEAR),
            NewFeature(seats, {"usage_limit": 10}),
            NewFeature(sso, {}),
        ],
        product_id=product.pk,
        now=now,
        yearly=1_090,
        mappings=mappings,
    )
    return ai_credits, api_credits


def _metered(public_id: str, name: str, event: str, unit: str, now: datetime) -> Feature:
    return features.create(
        public_id=public_id,
        name=name,
        type=FeatureType.NUMBER,
        meter_type=MeterType.INCREMENTAL,
        aggregation=Aggregation.COUNT,
        meter_filters=features.event_filters(event),
        unit_singular=unit,
        unit_plural=f"{unit}s",
        actor=SYSTEM,
        now=now,
    )


def _credits(
    credit_type: CreditType,
    amount: int,
    cadence: Cadence = Cadence.MONTH,
    behaviour: Behaviour = Behaviour.INCREMENT,
) -> NewCredits:
    return NewCredits(
        credit_type, {"amount": Decimal(amount), "cadence": cadence, "behaviour": behaviour}
    )


def _package(
    kind: PackageKind,
    public_id: str,
    name: str,
    included: Sequence[NewCredits | NewFeature],
    *,
    product_id: int,
    now: datetime,
    pricing_type: PricingType = PricingType.PAID,
    monthly: int | None = None,
    yearly: int | None = None,
    mappings: Sequence[NewMapping] = (),
    compatible_addons: Sequence[Package] = (),
    max_quantity: int | None = None,
) -> Package:
    package = packages.create(
        kind=kind,
        product_id=product_id,
        public_id=public_id,
        name=name,
        pricing_type=pricing_type,
        max_quantity=max_quantity,
        actor=SYSTEM,
        now=now,
    )
    entitlements.include(package_id=package.pk, entitlements=included, actor=SYSTEM, now=now)
    if monthly is not None or yearly is not None:
        prices.set_base_prices(
            package_id=package.pk,
            monthly=None if monthly is None else Decimal(monthly),
            yearly=None if yearly is None else Decimal(yearly),
            actor=SYSTEM,
            now=now,
        )
    packages.edit(
        package_id=package.pk,
        mappings=list(mappings),
        compatible_addons=list(compatible_addons),
        actor=SYSTEM,
        now=now,
    )
    publishing.publish(
        package_id=package.pk, audience=Audience.NEW_CUSTOMERS, actor=SYSTEM, now=now
    )
    return package


def _live(
    account: Account,
    ai_credits: CreditType,
    api_credits: CreditType,
    chance: random.Random,
    now: datetime,
) -> None:
    """One customer's life: subscribe, use a little every day, be given something."""
    joined = (now - timedelta(days=account.since_days)).replace(minute=0, second=0, microsecond=0)
    journeys.begin(
        public_id=account.public_id,
        name=account.name,
        email=f"billing@{account.public_id}.example",
        actor=SYSTEM,
        now=joined,
    )
    provisioning.start(
        customer_id=account.public_id,
        plan_id=account.plan,
        addons=list(account.addons),
        billing_period=account.billing_period,
        actor=SYSTEM,
        now=joined,
    )
    ai_pool, api_pool = (
        pools.locate(
            customer_id=account.public_id,
            credit_type_id=credit_type.public_id,
            resource_id=None,
            now=joined,
        )
        for credit_type in (ai_credits, api_credits if account.calls else ai_credits)
    )
    day = joined
    for number in range(account.since_days):
        day += timedelta(days=1)
        if number == account.since_days // 2:
            _give(account, ai_pool, day)
        if day >= now:
            break
        _use(account, api_pool, number, chance, day)


def _give(account: Account, pool_id: int, now: datetime) -> None:
    if account.top_up:
        gift = Gift(
            type=GrantType.PAID,
            amount=Decimal(account.top_up),
            name="Top-up",
            unit_cost=Decimal("0.02"),
            expires_at=now + timedelta(days=365),
        )
        grants.grant(pool_id=pool_id, gift=gift, actor=SYSTEM, now=now)
    if account.gift:
        gift = Gift(
            type=GrantType.PROMOTIONAL,
            amount=Decimal(account.gift),
            name="Welcome credits",
            comment="Thank you for your patience during the outage.",
            priority=5,
            expires_at=now + timedelta(days=60),
        )
        grants.grant(pool_id=pool_id, gift=gift, actor=SYSTEM, now=now)


def _use(
    account: Account, api_pool: int, number: int, chance: random.Random, now: datetime
) -> None:
    """A day's work: busier in the week, and never the same twice."""
    pace = (0.35 if now.weekday() >= 5 else 1.15) * chance.uniform(0.6, 1.4)
    today = [
        Event(
            customer_id=account.public_id,
            name=IMAGE_EVENT,
            key=f"{account.public_id}-image-{number}-{image}",
            occurred_at=now - timedelta(minutes=chance.randrange(1, 600)),
            dimensions={"model": chance.choice(["fast", "fast", "large"])},
        )
        for image in range(round(account.images * pace))
    ]
    today += [
        Event(
            customer_id=account.public_id,
            name=TEXT_EVENT,
            key=f"{account.public_id}-text-{number}-{text}",
            occurred_at=now - timedelta(minutes=chance.randrange(1, 600)),
            dimensions={"input": chance.randrange(200, 4000), "output": chance.randrange(50, 900)},
        )
        for text in range(round(account.images * pace / 3))
    ]
    if today:
        events.report(events=today, actor=SYSTEM, now=now)
    calls = round(account.calls * pace)
    if calls:
        demand = Demand(
            amount=Decimal(calls),
            key=f"{account.public_id}-calls-{number}",
            used_at=now,
            dimensions={"endpoint": "/v2/generate"},
        )
        consumption.consume(pool_id=api_pool, demand=demand, actor=SYSTEM, now=now)

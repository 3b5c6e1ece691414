"""Subscriptions over HTTP: provisioned, read, changed, canceled, migrated."""

from typing import Any

from rest_framework.request import Request

from subscriptions import (
    billing,
    cancellation,
    finding,
    migration,
    provisioning,
    subscription_imports,
    transfer,
    updates,
)
from subscriptions.api import orders
from subscriptions.api.answers import (
    ChangedShape,
    ImportTaskShape,
    ProvisionedShape,
    SubscriptionAnswer,
    SubscriptionShape,
    shown,
)
from subscriptions.models import Status, Subscription
from subscriptions.models.subscriptions import SubscriptionQuerySet
from workspace.api.responses import Response
from workspace.api.terms import speaks
from workspace.api.views import ApiView


class SubscriptionsApiView(ApiView):
    """What views of subscriptions have in common."""

    names = {
        "public_id": "id",
        "started_at": "startDate",
        "ends_at": "cancellationDate",
        "trial": "trialOverrideConfiguration",
    }

    def read(self, subscription: Subscription) -> SubscriptionShape:
        """A subscription as it is now, with its own values."""
        if subscription.next_update_at is not None and subscription.next_update_at <= self.now:
            updates.write_down(subscription_pk=subscription.pk, now=self.now)
        rows = shown(Subscription.objects.filter(pk=subscription.pk), with_values=True)
        context = {"now": self.now, "with_values": True}
        return SubscriptionAnswer(context=context).to_representation(rows.get())


class SubscriptionsView(SubscriptionsApiView):
    """`/subscriptions`."""

    @speaks(query=orders.SubscriptionFilters, page=SubscriptionAnswer)
    def get(self, request: Request) -> Response:
        """List subscriptions, after what has taken effect was written down."""
        updates.write_down_due(self.now)
        rows = self._chosen(self.read_query())
        return self.page_of(shown(rows), context={"now": self.now})

    @speaks(body=orders.ProvisionBody, answer=ProvisionedShape, status=201)
    def post(self, request: Request) -> Response:
        """Subscribe a customer to a plan, or put the subscription they have on it (R31)."""
        body = self.read_body()
        subscription = self._changed_plan(body) or provisioning.start(
            **orders.order_of(body, self.now), actor=self.actor, now=self.now
        )
        is_waiting = subscription.next_update_at is not None
        answer: ProvisionedShape = {
            "id": subscription.public_id,
            "status": "SUCCESS",
            "subscription": self.read(subscription),
            "isScheduled": is_waiting or subscription.status_at(self.now) == Status.NOT_STARTED,
            "entitlements": None,
            "checkoutBillingId": None,
            "checkoutUrl": None,
        }
        return self.answer(answer)

    def _changed_plan(self, body: dict[str, Any]) -> Subscription | None:
        """The subscription that has gone over to the plan; None if a new one is wanted."""
        held = updates.running_beside(
            customer_id=body["customer_id"],
            plan_id=body["plan_id"],
            resource_id=body.get("resource_id"),
            now=self.now,
        )
        if held is None or held.plan.public_id == body["plan_id"]:
            return None
        changes = orders.plan_change_of(body, self.now)
        if changes is None:
            return None
        return updates.update(
            subscription_id=held.public_id,
            when=body.get("schedule_strategy"),
            **changes,
            actor=self.actor,
            now=self.now,
        )

    def _chosen(self, query: dict[str, Any]) -> SubscriptionQuerySet:
        rows = Subscription.objects.all()
        columns = {
            "customer_id": "customer__public_id",
            "plan_id": "plan__public_id",
            "resource_id": "resource__public_id",
            "pricing_type": "plan_version__pricing_type__in",
        }
        for name, column in columns.items():
            if query.get(name):
                rows = rows.filter(**{column: query[name]})
        for operator, instant in query.get("created_at", {}).items():
            rows = rows.filter(**{f"created_at__{operator}": instant})
        if query.get("status"):
            rows = rows.with_any_status(query["status"], self.now)
        return rows


class ImportSubscriptionsView(SubscriptionsApiView):
    """`/subscriptions/import`."""

    @speaks(body=orders.ImportSubscriptionsBody, answer=ImportTaskShape, status=201)
    def post(self, request: Request) -> Response:
        """Take subscriptions of another system, which the worker starts."""
        body = self.read_body()
        run = subscription_imports.hand_in(
            arrivals=body["subscriptions"], actor=self.actor, now=self.now
        )
        return self.answer({"taskId": run.public_id})


class SubscriptionView(SubscriptionsApiView):
    """`/subscriptions/{id}`."""

    @speaks(answer=SubscriptionAnswer)
    def get(self, request: Request, subscription_id: str) -> Response:
        """Read a subscription."""
        return self.answer(self.read(finding.find(subscription_id)))

    @speaks(body=orders.UpdateBody, answer=SubscriptionAnswer)
    def patch(self, request: Request, subscription_id: str) -> Response:
        """Change a subscription, at once or when its `scheduleStrategy` says."""
        body = self.read_body()
        subscription = updates.update(
            subscription_id=subscription_id,
            when=body.get("schedule_strategy", updates.When.IMMEDIATE),
            **orders.changes_of(body, self.now),
            actor=self.actor,
            now=self.now,
        )
        return self.answer(self.read(subscription))


class ScheduledUpdateView(SubscriptionsApiView):
    """`/subscriptions/{id}/future-update/schedule`."""

    @speaks(answer=ChangedShape)
    def delete(self, request: Request, subscription_id: str) -> Response:
        """Take a scheduled update back."""
        subscription = updates.cancel_scheduled(
            subscription_id=subscription_id, actor=self.actor, now=self.now
        )
        return self.answer({"id": subscription.public_id})


class CancelSubscriptionView(SubscriptionsApiView):
    """`/subscriptions/{id}/cancel`."""

    @speaks(body=orders.CancelBody, answer=SubscriptionAnswer)
    def post(self, request: Request, subscription_id: str) -> Response:
        """End a subscription now, with its period, or on a date."""
        body = self.read_body()
        subscription = cancellation.cancel(
            subscription_id=subscription_id,
            time=body.get("cancellation_time"),
            ends_at=body.get("end_date"),
            action=body["cancellation_action"],
            actor=self.actor,
            now=self.now,
        )
        return self.answer(self.read(subscription))


class PendingPaymentView(SubscriptionsApiView):
    """`/subscriptions/{id}/future-update/pending-payment`."""

    @speaks()
    def delete(self, request: Request, subscription_id: str) -> Response:
        """Refuse: no update waits for a payment."""
        billing.cancel_pending_payment(subscription_id=subscription_id)


class TransferSubscriptionView(SubscriptionsApiView):
    """`/subscriptions/{id}/transfer`."""

    @speaks(body=orders.TransferBody, answer=SubscriptionAnswer)
    def post(self, request: Request, subscription_id: str) -> Response:
        """Let a subscription belong to another resource."""
        body = self.read_body()
        subscription = transfer.transfer(
            subscription_id=subscription_id,
            resource_id=body["destination_resource_id"],
            actor=self.actor,
            now=self.now,
        )
        return self.answer(self.read(subscription))


class DelegateSubscriptionView(SubscriptionsApiView):
    """`/subscriptions/{id}/delegate`."""

    @speaks(body=orders.DelegateBody, answer=SubscriptionAnswer)
    def post(self, request: Request, subscription_id: str) -> Response:
        """Let another customer pay for a subscription."""
        body = self.read_body()
        subscription = transfer.delegate(
            subscription_id=subscription_id,
            customer_id=body["target_customer_id"],
            actor=self.actor,
            now=self.now,
        )
        return self.answer(self.read(subscription))


class InvoicePaidView(SubscriptionsApiView):
    """`/subscriptions/{id}/invoice/paid`."""

    @speaks(answer=ChangedShape)
    def post(self, request: Request, subscription_id: str) -> Response:
        """Let a subscription begin that waited for its first payment (R18)."""
        subscription = updates.confirm_payment(
            subscription_id=subscription_id, actor=self.actor, now=self.now
        )
        return self.answer({"id": subscription.public_id})


class ChargeUsageView(SubscriptionsApiView):
    """`/subscriptions/{id}/usage/charge`."""

    @speaks(body=orders.ChargeUsageBody)
    def post(self, request: Request, subscription_id: str) -> Response:
        """Refuse: that takes a billing provider."""
        self.read_body()
        billing.charge_usage(subscription_id=subscription_id)


class SyncUsageView(SubscriptionsApiView):
    """`/subscriptions/{id}/usage/sync`."""

    @speaks()
    def post(self, request: Request, subscription_id: str) -> Response:
        """Refuse: that takes a billing provider."""
        billing.sync_usage(subscription_id=subscription_id)


class MigrateSubscriptionView(SubscriptionsApiView):
    """`/subscriptions/{id}/migrate`."""

    @speaks(body=orders.MigrateBody, answer=SubscriptionAnswer)
    def post(self, request: Request, subscription_id: str) -> Response:
        """Move a subscription to the latest versions and prices."""
        body = self.read_body()
        time = body.get("subscription_migration_time")
        subscription = migration.migrate(
            subscription_id=subscription_id,
            at_period_end=time == updates.When.END_OF_BILLING_PERIOD,
            actor=self.actor,
            now=self.now,
        )
        return self.answer(self.read(subscription))

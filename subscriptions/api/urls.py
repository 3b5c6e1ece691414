"""Addresses of customers and subscriptions, below `/api/v1/`."""

from django.urls import path

from subscriptions.api import customers, integrations, previews, promotions, subscriptions

urlpatterns = [
    path("customers", customers.CustomersView.as_view()),
    path("customers/import", customers.ImportCustomersView.as_view()),
    path("customers/<str:customer_id>", customers.CustomerView.as_view()),
    path("customers/<str:customer_id>/archive", customers.ArchiveCustomerView.as_view()),
    path("customers/<str:customer_id>/unarchive", customers.UnarchiveCustomerView.as_view()),
    path("customers/<str:customer_id>/resources", customers.ResourcesView.as_view()),
    path("customers/<str:customer_id>/integrations", integrations.IntegrationsView.as_view()),
    path(
        "customers/<str:customer_id>/integrations/<str:integration_id>",
        integrations.IntegrationView.as_view(),
    ),
    path("customers/<str:customer_id>/payment-method", customers.PaymentMethodView.as_view()),
    path(
        "customers/<str:customer_id>/promotional-entitlements",
        promotions.PromotionalEntitlementsView.as_view(),
    ),
    path(
        "customers/<str:customer_id>/promotional-entitlements/<str:feature_id>",
        promotions.PromotionalEntitlementView.as_view(),
    ),
    path("subscriptions", subscriptions.SubscriptionsView.as_view()),
    path("subscriptions/import", subscriptions.ImportSubscriptionsView.as_view()),
    path("subscriptions/preview", previews.PreviewView.as_view()),
    path("subscriptions/<str:subscription_id>", subscriptions.SubscriptionView.as_view()),
    path(
        "subscriptions/<str:subscription_id>/cancel",
        subscriptions.CancelSubscriptionView.as_view(),
    ),
    path(
        "subscriptions/<str:subscription_id>/future-update/schedule",
        subscriptions.ScheduledUpdateView.as_view(),
    ),
    path(
        "subscriptions/<str:subscription_id>/future-update/pending-payment",
        subscriptions.PendingPaymentView.as_view(),
    ),
    path(
        "subscriptions/<str:subscription_id>/transfer",
        subscriptions.TransferSubscriptionView.as_view(),
    ),
    path(
        "subscriptions/<str:subscription_id>/delegate",
        subscriptions.DelegateSubscriptionView.as_view(),
    ),
    path(
        "subscriptions/<str:subscription_id>/invoice/paid",
        subscriptions.InvoicePaidView.as_view(),
    ),
    path(
        "subscriptions/<str:subscription_id>/usage/charge",
        subscriptions.ChargeUsageView.as_view(),
    ),
    path("subscriptions/<str:subscription_id>/usage/sync", subscriptions.SyncUsageView.as_view()),
    path(
        "subscriptions/<str:subscription_id>/migrate",
        subscriptions.MigrateSubscriptionView.as_view(),
    ),
]

"""What subscriptions tell, and ask, the apps to their right.

Told inside the transaction of the change, after the subscription's rows are saved. Each is
sent with sender Subscription and `subscription`, `actor`, `now`:

`subscription_started`: it was created; it may start later (R18).
`subscription_changed`: what it includes, or when, changed. `subscriptions` in place of
    `subscription`: many may change at once, for one cause. Also `cause`, a
    `subscriptions.causes.Cause`, and `resets`: of a plan change, whether use starts afresh
    instead of being carried over (R31). A receiver may answer what it granted at once: by
    the key of the subscription, then of the credit type.
`subscription_ended`: its end is set or reached (R32).

Asked, with nothing written:

`subscription_previewed`: sender Subscription, `preview`, a `subscriptions.previews.Preview`,
    and `now`. A receiver answers with a list of `subscriptions.previews.CreditLine`.
`migration_previewed`: what would other versions do? Sender Subscription, `migrations`, a list of
    `subscriptions.impacts.Migration`, and `now`. A receiver answers
    with the `subscriptions.impacts.Effect`s of each, by the key of the subscription.
`subscription_change_previewed`: likewise; answered with a list of
    `subscriptions.previews.CreditChange`.
"""

from django.dispatch import Signal

subscription_started = Signal()
subscription_changed = Signal()
subscription_ended = Signal()
subscription_previewed = Signal()
migration_previewed = Signal()
subscription_change_previewed = Signal()

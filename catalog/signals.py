"""What the catalog tells the apps to its right, inside the transaction of the change.

`package_published`: sender Package, `version`, `previous`, `audience`, `preview_id` (the preview
    of its impact that was reviewed, or None), `actor`, `now`. A receiver that leaves work to a
    worker answers with a name for it, a text.
`credit_type_archived`: sender CreditType, `credit_type`, `actor`, `now` (R3).
`product_changed`: sender Product, `product`, `changed` (names of fields), `actor`, `now`.

A receiver that raises a `DomainError` refuses the change as a whole: so subscriptions keep
`multiple_subscriptions` fixed after the first of them (R4).
"""

from django.dispatch import Signal

package_published = Signal()
credit_type_archived = Signal()
product_changed = Signal()

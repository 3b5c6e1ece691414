"""Screens about credits: two tabs of a customer, adjustments, grants, bulk changes, resets."""

from credits.admin import bulk, grants, palette, pools

__all__ = ["bulk", "grants", "palette", "pools"]

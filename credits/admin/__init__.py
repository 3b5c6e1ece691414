"""Screens about credits: two tabs of a customer, adjustments, grants, bulk changes, resets."""

from credits.admin import bulk, grants, home, palette, pools

__all__ = ["bulk", "grants", "home", "palette", "pools"]

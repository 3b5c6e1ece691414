"""Screens about credits: two tabs of a customer, adjustments, grants, and resets."""

from credits.admin import grants, palette, pools

__all__ = ["grants", "palette", "pools"]

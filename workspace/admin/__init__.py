"""Screens of this room, and the frame of those of all others."""

from django.contrib import admin

from workspace.admin import activity, keys, tasks, users

admin.site.index_title = "Overview"

__all__ = ["activity", "keys", "tasks", "users"]

"""How dates look where Django writes them; `workspace.templatetags.stipend` does the same."""

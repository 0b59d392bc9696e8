"""Policies of care: rules in modules, numbers in TOML."""

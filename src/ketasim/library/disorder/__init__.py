"""Disorders: equations in modules, numbers in TOML."""

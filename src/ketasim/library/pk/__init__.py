"""Pharmacokinetic models: entries (TOML) and the structures they name."""

"""Mechanisms beyond pharmacokinetics: entries (TOML) and the classes they name."""

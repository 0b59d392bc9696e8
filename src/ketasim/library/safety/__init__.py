"""Side effects: equations in modules, numbers in TOML."""

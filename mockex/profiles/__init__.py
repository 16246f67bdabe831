"""The profiles as dated data: one TOML file for each product and state, and how they are read."""

"""plasma.toml: schema, command line, environment."""

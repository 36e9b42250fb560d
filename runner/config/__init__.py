"""plasma.toml: its schema, its flags, and the command line that follows from it."""

"""What plasma-tui can put right itself, after a person has seen what it will do."""

"""What a person sees and types: the command `plasma-tui` and its screens."""

"""Shell scripts: what they would start, read without running anything."""

"""Pictures in a terminal: what it can show, decoding with bounds, half blocks, the Kitty protocol."""

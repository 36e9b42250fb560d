"""Everything of plasma-tui that works without a screen: it runs, watches and judges a training."""

"""Looking back on a run: what came of it, which checkpoint is best, and what can be told of it."""

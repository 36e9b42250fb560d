"""Pure drawing: numbers to rows of text."""

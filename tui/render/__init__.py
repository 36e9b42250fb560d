"""Pure drawing: numbers and words in, rows of text out. No widget, no clock, no file."""

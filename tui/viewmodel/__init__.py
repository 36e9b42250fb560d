"""A snapshot and a clock in; words, numbers and roles out. Pure, and tested without a screen."""

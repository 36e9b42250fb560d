"""Python programs and notebooks: the commands that they would start, by their syntax tree."""

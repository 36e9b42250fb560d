"""The trainer's console: bytes -> lines -> events, pure and incremental."""

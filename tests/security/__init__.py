"""Section by section of SECURITY.md: what each guard prevents, tried out. `guards.toml` names the guards, and
`python -m tests.security.without_guard` shows that these tests fail without them."""

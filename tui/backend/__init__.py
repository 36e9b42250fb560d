"""The one door from the screen to the runner: `door.Backend` does, `results` is what comes back."""

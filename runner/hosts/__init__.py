"""Other machines, by ssh alone: the hosts of the user's config.toml, one ssh command per question, and its
bounded, untrusted answer. In: names that ssh knows. Out: `HostRuns`. Begin at `runs.ask`."""

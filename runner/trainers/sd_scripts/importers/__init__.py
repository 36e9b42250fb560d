"""From what a person already has (a shell script, a kohya_ss JSON, an sd-scripts TOML, the folders of
this machine) to a plasma.toml. Reads files, runs nothing of them."""

"""One module per command, or per few that belong together; each has `run(options) -> exit code`."""

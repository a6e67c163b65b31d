"""One self-contained HTML page about a job: what was trained, what came out, what happened on the way."""

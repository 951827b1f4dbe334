"""People: who uses the console, their sessions, what they did, and what they ask the pipeline to do."""

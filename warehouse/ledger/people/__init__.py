"""Who works at the console: people, their sessions, and what they changed."""

"""Telling people: which conditions open an incident, which incidents are mailed when, and how mails leave."""

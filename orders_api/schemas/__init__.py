"""The shapes of the API, described for OpenAPI. Documents are served from rendered text and are not built from these models;
a test validates what is served against them.
"""

"""The JSON Schemas of everything that leaves the process, a folder a version."""

"""The plugin host, and what plugin authors need: hooks, specs and reports."""

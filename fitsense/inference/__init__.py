"""Models and the runtimes that compute their branches."""

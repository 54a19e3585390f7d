"""Video in and out, by PyAV."""

"""Image arrays: resizing, downsampling and frame rate limits."""

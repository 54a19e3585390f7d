"""Arrays of pixels in, arrays out: resizing, downsampling, and which frames to keep."""

"""The server's sessions: queues, batching, and event buffers."""

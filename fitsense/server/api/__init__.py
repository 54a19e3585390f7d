"""The server's interfaces: HTTP, WebSocket, and their documents."""

"""The server: fitsense over HTTP, WebSocket and Server-Sent Events; needs ``fitsense[server]``.

::

    sources, pushed frames, uploads  ->  session queues  ->  batch worker  ->  event buffers  ->  clients
"""

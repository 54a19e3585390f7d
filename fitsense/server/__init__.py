"""fitsense over the network: HTTP, WebSocket and Server-Sent Events; needs ``fitsense[server]``.

::

    sources, pushed frames, uploads  ->  lanes  ->  one worker  ->  feeds  ->  whoever reads
"""

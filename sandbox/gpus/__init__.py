"""The simulated GPUs of a sandbox: what dcgm-exporter would report about every card of every node.

`python -m sandbox.gpus --kubeconfig FILE --port PORT` watches nodes and pods through the API server, gives each running pod
its cards, and answers `/metrics` for the whole cluster on one endpoint, with the labels that dcgm-exporter sets itself
(`Hostname`, `namespace`, `pod`, ...): scrape it with `honor_labels`.

Layers, from pure to wired: `hardware`, `curves`, `thermals` (one card over time) < `cards`, `exposition` (names and text)
< `inventory`, `fleet` (the cluster) < `memory`, `server`, `__main__` (files, sockets, threads). It shares no code with the
product's parsing: tests that read its figures would otherwise agree with themselves.
"""

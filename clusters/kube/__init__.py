"""THE Kubernetes I/O: the only package that talks to API servers.

Raw JSON over one urllib3 pool per cluster, parsed by orjson into small frozen dataclasses. The official client's typed models are
not used: they cost seconds for thousands of pods, and its import alone 24 MB and a third of a second in every process.
"""

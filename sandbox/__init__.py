"""A real Kubernetes control plane on loopback, for the demo, the tests and the benchmarks.

etcd, the API server, the controller manager, the scheduler, Kueue, KWOK, kube-state-metrics and Prometheus run as plain
processes; only nodes, containers and GPUs are simulated. The package knows `aidashboard.kit` and `aidashboard.stack` and
nothing else of the product, which meets it by URL and token like any other cluster.
"""

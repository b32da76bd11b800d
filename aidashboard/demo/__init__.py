"""`aidashboard demo`: the product, a sandbox cluster beside it, and an example organisation made through the product's own services.

`run` starts everything, `cluster` the sandbox, `seed` fills in people, the cluster and the quota tree (in a process of its own, the only
part with Django), `progress` says how far it is.
"""

"""Plays the teams of a scenario on a cluster: submits their jobs, notebooks and services for as long as it runs.

`python -m sandbox.driver --kubeconfig FILE --scenario demo --seed N` waits for each team's namespace to have a LocalQueue
`default`, then keeps the team busy: jobs come in waves, some fail, some starve, some hoard. It goes through the API server
like anybody's `kubectl`, as the administrator, and knows nothing of the product. Stopping it leaves the work alone; started
again it goes on with what it finds.
"""

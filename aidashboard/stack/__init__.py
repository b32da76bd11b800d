"""Everything that runs the product on one machine: supervised processes, embedded PostgreSQL and Valkey, the whole stack.

No Django in here: the stack starts the processes that load it.
"""

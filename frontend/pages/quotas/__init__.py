"""The quota pages: the tree table, the panel of one node, the forms and the draft."""

"""One action on many orders: the orders that were chosen, what is done to which of them, and what became of each."""

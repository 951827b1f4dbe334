"""`python -m orders_api`: the Orders API as a process."""

from __future__ import annotations

import gc

if __name__ == "__main__":
    gc.disable()  # loading leaves no garbage, and looking for some takes a quarter of the start; on again once it serves
    from orders_api.start import serve

    serve()

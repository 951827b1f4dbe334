"""The contract that is shipped, kept by every marketplace of ours."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("orders_pipeline.marketplaces.acceptance")

from orders_pipeline.marketplaces.acceptance import *  # noqa: E402, F403 - its tests and fixtures are this module's

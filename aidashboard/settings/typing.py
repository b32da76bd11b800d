"""The settings that the type checker loads: the product's own, with values that open nothing."""

import os

os.environ.setdefault("AIDASHBOARD_DATABASE_URL", "postgresql://typing@localhost/typing")
os.environ.setdefault("AIDASHBOARD_REDIS_URL", "redis://localhost")
os.environ.setdefault("AIDASHBOARD_SECRET_KEY", "typing-typing-typing-typing-typing-typing")
os.environ.setdefault("AIDASHBOARD_ENCRYPTION_KEY", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")

from aidashboard.settings.base import *  # noqa: F403

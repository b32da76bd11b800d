"""The settings of the test run: as in production, but for cheap password hashes and static files without a manifest."""

from aidashboard.settings.base import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
ALLOWED_HOSTS = ["*"]
ACCOUNT_RATE_LIMITS = False  # type: ignore[assignment]  # tests sign in more often than people do
CELERY_TASK_ALWAYS_EAGER = False

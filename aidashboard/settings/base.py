"""Django's settings for every process of the product. Values come from `env.py`; groups that belong together have files of
their own and are imported here."""

import os
from pathlib import Path

from aidashboard.settings.database import build_database
from aidashboard.settings.env import Environment
from aidashboard.settings.logs import build_logging
from aidashboard.settings.security import CONTENT_SECURITY_POLICY as CONTENT_SECURITY_POLICY

ENVIRONMENT = Environment(os.environ)
BASE_DIR = Path(__file__).resolve().parent.parent.parent

SECRET_KEY = ENVIRONMENT.secret("SECRET_KEY", shortest=32)
ENCRYPTION_KEY = ENVIRONMENT.fernet_key("ENCRYPTION_KEY")
DEBUG = ENVIRONMENT.flag("DEBUG")
ALLOWED_HOSTS = ENVIRONMENT.names("ALLOWED_HOSTS")
PUBLIC_URL = ENVIRONMENT.url("PUBLIC_URL", "http", "https")
PROMETHEUS_URL = ENVIRONMENT.optional_url("PROMETHEUS_URL", "http", "https")
PROGRESS_FILE = ENVIRONMENT.text("PROGRESS_FILE", accept=lambda value: True)

INSTALLED_APPS = [
    "aidashboard.apps.AidashboardConfig",
    "accounts",
    "clusters",
    "quotas",
    "monitoring",
    "workloads",
    "frontend",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.humanize",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "allauth",
    "allauth.account",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "django_htmx",
    "template_partials",
    "django_structlog",
    "csp",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    # Below whitenoise, whose files are compressed already; above all that writes into a body.
    "frontend.middleware.CompressionMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_structlog.middlewares.RequestMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "frontend.middleware.ErrorPageMiddleware",
]

ROOT_URLCONF = "aidashboard.urls"
ASGI_APPLICATION = "aidashboard.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "frontend.context.shell",
            ],
        },
    }
]

# --- database ---------------------------------------------------------------------------------------------------------
DATABASES = {"default": build_database(ENVIRONMENT.url("DATABASE_URL", "postgresql", "postgres"))}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Redis or Valkey: database 0 broker, 1 results, 2 cache and change events ------------------------------------------------
REDIS_URL = ENVIRONMENT.redis_url("REDIS_URL")


def redis_database(number: int, *, celery: bool = False) -> str:
    """The address of one numbered database, in redis-py's spelling or in Celery's."""
    if REDIS_URL.startswith("unix://"):
        path = REDIS_URL.removeprefix("unix://")
        return f"redis+socket://{path}?virtual_host={number}" if celery else f"unix://{path}?db={number}"
    return f"{REDIS_URL}/{number}"


CELERY_BROKER_URL = redis_database(0, celery=True)
CELERY_RESULT_BACKEND = redis_database(1, celery=True)
EVENTS_REDIS_URL = redis_database(2)
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": redis_database(2),
        # A server that hangs must cost a page seconds, not for ever: what is cached can be had without it.
        "OPTIONS": {"socket_timeout": 2, "socket_connect_timeout": 2},
    }
}

CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_ROUTES = {"*.reconcile_*": {"queue": "reconcile"}, "monitoring.*": {"queue": "metrics"}}
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# A web request that enqueues must not hang with the broker: it gives up, and the sweep repairs.
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0.1, "interval_max": 0.1}
CELERY_BROKER_TRANSPORT_OPTIONS = {"socket_timeout": 5, "socket_connect_timeout": 2, "visibility_timeout": 600}

# --- people ---------------------------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]
ACCOUNT_ADAPTER = "frontend.account_adapter.ClosedAccountAdapter"
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_RATE_LIMITS = {"login_failed": "10/m/ip,5/5m/key"}

# --- REST -----------------------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.api.authentication.BearerTokenAuthentication",
        "accounts.api.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["accounts.api.permissions.RoutePermission"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_FILTER_BACKENDS": [
        "django_filters.rest_framework.DjangoFilterBackend",
        "aidashboard.kit.paging.TotalOrdering",
    ],
    "DEFAULT_PAGINATION_CLASS": "aidashboard.kit.paging.PageNumberPages",
    # OPTIONS tells nothing that the OpenAPI document does not tell better.
    "DEFAULT_METADATA_CLASS": None,
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "aidashboard.api_errors.handle_api_error",
    "PAGE_SIZE": 50,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "AI Dashboard API",
    "DESCRIPTION": "Everything the pages can do: clusters, quota trees, namespaces, workloads, people, audit.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["accounts.api.permissions.RoutePermission"],
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "WorkloadStateEnum": "workloads.selectors.STATES",
        "GpuStateEnum": "monitoring.api.serializers.GPU_STATES",
        "SyncStateEnum": "clusters.models.SyncState",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "aidashboard.api_schema.describe_problems",
    ],
}

# --- languages, files, cookies --------------------------------------------------------------------------------------------
LANGUAGE_CODE = "en"
# One more language is one more catalogue; offering it without one would only change the page's `lang`.
LANGUAGES = [("en", "English")]
USE_TZ = True
TIME_ZONE = "UTC"

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STORAGES = {"staticfiles": {"BACKEND": "frontend.static_storage.HashedModuleStorage"}}
WHITENOISE_MAX_AGE = 31536000

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 12 * 3600
_is_https = PUBLIC_URL.startswith("https://")
SESSION_COOKIE_SECURE = _is_https
CSRF_COOKIE_SECURE = _is_https
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
CSRF_FAILURE_VIEW = "frontend.views.errors.csrf_failed"
SECURE_HSTS_SECONDS = 31536000 if _is_https else 0
# HTTPS ends at the proxy in front of us, which also redirects; the cluster-internal probe speaks plain HTTP.
SILENCED_SYSTEM_CHECKS = ["security.W008"]

LOGGING = build_logging(
    level=ENVIRONMENT.choice("LOG_LEVEL", "DEBUG", "INFO", "WARNING", "ERROR"),
    style=ENVIRONMENT.choice("LOG_FORMAT", "json", "console"),
)
DJANGO_STRUCTLOG_CELERY_ENABLED = False

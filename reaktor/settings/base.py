"""Settings that every environment shares; local, test and production say what differs.

Chat's own figures live in REAKTOR (reaktor.config.model.Config), Django's and its libraries' here.
Only composition roots (asgi, urls, commands, app configs) read settings; the rest is handed values.
"""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

from reaktor.config.environment import config_from
from reaktor.config.model import ConfigError
from reaktor.config.secrets import with_files
from reaktor.errors import ErrorCode
from reaktor.process.layer import MEMORY_LAYER, redis_layer
from reaktor.settings.storages import files_storage
from reaktor.web.cors_policy import rest_policies
from reaktor.web.edge import FRAME_OPTIONS, OPENER_POLICY, REFERRER_POLICY

BASE_DIR = Path(__file__).resolve().parent.parent.parent

os.environ.setdefault("DATA_DIR", str(BASE_DIR / "var"))
try:
    REAKTOR = replace(config_from(with_files(os.environ)), cluster_id=os.environ.get("REAKTOR_CLUSTER_ID", ""))
except ConfigError as error:
    raise ImproperlyConfigured(str(error)) from error

DATA_DIR = REAKTOR.data_dir
if REAKTOR.is_host_named:
    # For log lines. What the machine is called, whoever collects them knows.
    os.environ["REAKTOR_HOST"] = REAKTOR.host_name
# Only the supervisor makes a process a worker: it sets this in the environment of the children that it starts, and
# REAKTOR_CLUSTER_ID, which others read in the database when they need it.
CLUSTER_ID_READER = "chat.selectors.cluster_id"
IS_WORKER = "REAKTOR_WORKER" in os.environ

PRODUCTION = False
MISSING_SECRETS: tuple[str, ...] = ()
DEBUG = False
ALLOWED_HOSTS = list(REAKTOR.web.hosts)
CSRF_TRUSTED_ORIGINS = list(REAKTOR.web.csrf_origins)

INSTALLED_APPS = [
    # Without "daphne": as an app it imports Twisted into every command. All that it would give is a runserver, and chat
    # has its own.
    "chat",
    "accounts",
    "accounts.staff.StaffAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "channels",
    "rest_framework",
    "rest_framework_simplejwt.token_blacklist",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "django_otp.plugins.otp_static",
    "drf_spectacular",
    "drf_spectacular_sidecar",
]

MIDDLEWARE = [
    "reaktor.web.cors.CorsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    # Around whoever answers: files are to be as safe as pages.
    "chat.web.middleware.ContentSecurityPolicyMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "chat.admin.memory.give_back",
]

ROOT_URLCONF = "reaktor.urls"
ASGI_APPLICATION = "reaktor.asgi.application"
APPEND_SLASH = False
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "chat.admin.menu.menu",
            ]
        },
    }
]

SQLITE_CACHE_KIB = 4_096
"""For each connection, and a worker has 37: the system's own cache of the file serves all of them and all workers.

No mmap either: each connection maps the file for itself, so that a worker's size grew by what the file did, many times.
"""
SQLITE_OPTIONS: dict[str, Any] = {
    # A writer that starts as a reader and upgrades fails at once when another one writes; IMMEDIATE waits its turn.
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    # FULL: what is acknowledged survives a power cut; group commit pays for the fsync. On macOS an fsync ends in the
    # disk's own memory unless fullfsync says otherwise; elsewhere that changes nothing.
    "init_command": (
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA fullfsync=ON; "
        f"PRAGMA cache_size=-{SQLITE_CACHE_KIB}; PRAGMA temp_store=MEMORY"
    ),
}


POOL_WAIT_S = 2.0
"""How long a REST request waits for a connection before it is refused with 503."""
POOL_RETRY_S = 0.5
# libpq's own, which the server never hears of, so that a pooler takes them. A route that drops packets without a word
# is noticed in about ten seconds; the kernel's own patience is a quarter of an hour, or hours where nothing is sent.
POSTGRESQL_LINE: dict[str, Any] = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 8_000,
}


def database(url: str, *, pool: int = 0) -> dict[str, Any]:
    """Django's database settings for a URL, with what each engine needs for many short transactions.

    `pool`: PostgreSQL connections that this process holds at most; 0: each thread has its own.
    """
    return _completed(environ.Env.db_url_config(url), pool)


def sqlite(path: Path) -> dict[str, Any]:
    """The same for a file. Not by way of a URL, where a path with `#` or `?` would be another file."""
    return _completed({"ENGINE": "django.db.backends.sqlite3", "NAME": str(path)}, 0)


def _completed(found: dict[str, Any], pool: int) -> dict[str, Any]:
    # REST runs in threads that stay (reaktor.web.threads): their connections may stay with them.
    found.setdefault("CONN_MAX_AGE", 600)
    if found["ENGINE"].endswith("sqlite3"):
        found["OPTIONS"] = {**SQLITE_OPTIONS, **found.get("OPTIONS", {})}
        return found
    found["CONN_HEALTH_CHECKS"] = True
    options = found["OPTIONS"] = {**POSTGRESQL_LINE, **found.get("OPTIONS", {})}
    if pool:
        # A connection goes back to the pool with each answer; docs/deployment.md has what that costs, and saves.
        found["CONN_MAX_AGE"] = 0
        # Retrying by itself the pool would wait longer each time, and miss that the database is back.
        options["pool"] = {"min_size": 1, "max_size": pool, "timeout": POOL_WAIT_S, "reconnect_timeout": POOL_RETRY_S}
    return found


DATABASES = {
    # Other processes (commands, runserver) have few threads, or nobody to share with. What they lock or lift for their
    # session must not become a stranger's, as it would in a pooler.
    "default": database(REAKTOR.database_url, pool=REAKTOR.database.pool)
    if REAKTOR.database_url and IS_WORKER
    else database(REAKTOR.database_direct_url or REAKTOR.database_url)
    if REAKTOR.database_url
    else sqlite(DATA_DIR / "reaktor.sqlite3")
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CHANNEL_LAYERS = {"default": redis_layer(REAKTOR.redis) if IS_WORKER and REAKTOR.redis else MEMORY_LAYER}

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["accounts.backends.AccountBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "accounts.hashers.ImportedBcryptHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
OTP_TOTP_ISSUER = "Reaktor"
# accounts.limits slows down guesses in all processes, and never for more than minutes; django-otp's own way has no end.
OTP_TOTP_THROTTLE_FACTOR = OTP_STATIC_THROTTLE_FACTOR = 0
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 8}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["accounts.authentication.BearerAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["reaktor.web.rest.OrjsonRenderer"],
    "DEFAULT_PARSER_CLASSES": ["reaktor.web.rest.OrjsonParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "reaktor.web.rest.exception_handler",
    "UNAUTHENTICATED_USER": None,
    "URL_FORMAT_OVERRIDE": None,
}
# Who may call from pages of other origins: the seed contract's clients from anywhere, the rest as configured.
CORS = rest_policies(REAKTOR)
SIMPLE_JWT = {
    # SIGNING_KEY: local, test and production say where theirs comes from.
    "ALGORITHM": "HS256",
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=15),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=30),
    "USER_ID_CLAIM": "sub",
    "AUDIENCE": "reaktor",
    "UPDATE_LAST_LOGIN": False,
    # A clock that was put back a little, or another host's: tokens "from the future". Their end is accounts.tokens'.
    "LEEWAY": timedelta(seconds=60),
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Reaktor",
    "DESCRIPTION": "The REST interface of the chat server. Live events come over /ws/v1 (see asyncapi.json).",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SCHEMA_COERCE_PATH_PK_SUFFIX": False,
    # A PATCH's required fields are required.
    "COMPONENT_SPLIT_PATCH": False,
    "SORT_OPERATIONS": False,
    # They would repeat the values.
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "ENUM_NAME_OVERRIDES": {
        "ChannelKind": ["public", "unlisted", "private", "direct", "group"],
        "NewChannelKind": ["public", "unlisted", "private"],
        "SanctionKind": ["kick", "mute", "ban"],
        "ErrorCode": [code.value for code in ErrorCode],
    },
}

# Without EMAIL_URL nothing is ever sent: accounts.mailing asks REAKTOR.mail.
vars().update(environ.Env.email_url_config(REAKTOR.mail.url or "dummymail://"))
DEFAULT_FROM_EMAIL = REAKTOR.mail.sender
# Each wait for the mail server; a mail has several.
EMAIL_TIMEOUT = 10

STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": REAKTOR.files_dir}},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    "files": files_storage(REAKTOR),
}

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "/static/"
WHITENOISE_USE_FINDERS = True
DATA_UPLOAD_MAX_MEMORY_SIZE = REAKTOR.limits.body_bytes
X_FRAME_OPTIONS = FRAME_OPTIONS
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = REFERRER_POLICY
SECURE_CROSS_ORIGIN_OPENER_POLICY = OPENER_POLICY

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "human": {"()": "reaktor.observe.logs.HumanFormatter"},
        "json": {"()": "reaktor.observe.logs.JsonFormatter"},
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": REAKTOR.log_format}},
    "root": {"handlers": ["stderr"], "level": REAKTOR.log_level},
    "loggers": {
        # Django's own handlers write beside ours while DEBUG is on, and mask nothing.
        "django": {"handlers": [], "level": "INFO"},
        "daphne": {"level": "WARNING"},
        # Long tracebacks for each lost connection; reaktor.process.bus says it in a line.
        "channels_redis": {"level": "CRITICAL"},
        "django.request": {"level": "ERROR"},
        # A traceback for every request with a foreign Host header; the access log has the answer, 400.
        "django.security": {"level": "CRITICAL"},
        "asyncio": {"level": "WARNING"},
        # Lines with the addresses of browsers, which are secrets.
        "httpcore": {"level": "WARNING"},
        # A line for each attempt; whoever needed the connection says that the database is away.
        "psycopg.pool": {"level": "ERROR"},
    },
}

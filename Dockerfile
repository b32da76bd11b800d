# One image for web, worker, beat and observer; docker-compose.yml and the Helm chart choose by command.
# Locked packages, static files made while building, no root, no compiler, no Node at run time.

FROM python:3.11-slim AS packages
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/aidashboard
ENV PATH=/opt/aidashboard/bin:$PATH
COPY requirements.lock /tmp/requirements.lock
RUN pip install --require-hashes --no-deps -r /tmp/requirements.lock

# Only the two folders of static files leave this stage.
FROM packages AS assets
WORKDIR /srv/aidashboard
COPY package.json package-lock.json .npmrc requirements.lock manage.py ./
COPY aidashboard aidashboard
COPY accounts accounts
COPY clusters clusters
COPY quotas quotas
COPY monitoring monitoring
COPY workloads workloads
COPY frontend frontend
# Runs `npm ci` (with a Node of its own from a wheel, as this image has none), then collects and hashes.
RUN python -m frontend.assets

FROM python:3.11-slim
RUN groupadd --gid 10001 aidashboard \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin aidashboard
COPY --from=packages /opt/aidashboard /opt/aidashboard
WORKDIR /srv/aidashboard
COPY manage.py ./
COPY aidashboard aidashboard
COPY accounts accounts
COPY clusters clusters
COPY quotas quotas
COPY monitoring monitoring
COPY workloads workloads
COPY frontend frontend
COPY --from=assets /srv/aidashboard/frontend/static/vendor frontend/static/vendor
COPY --from=assets /srv/aidashboard/staticfiles staticfiles
# Compiled here, because the user of the container may not write here.
RUN /opt/aidashboard/bin/python -m compileall -q aidashboard accounts clusters quotas monitoring workloads frontend
ENV PATH=/opt/aidashboard/bin:$PATH \
    DJANGO_SETTINGS_MODULE=aidashboard.settings.base \
    MALLOC_ARENA_MAX=2 \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-m", "aidashboard.stack.health", "127.0.0.1", "8080"]
CMD ["python", "-m", "uvicorn", "aidashboard.asgi:application", "--lifespan", "off", "--no-access-log", "--no-server-header", "--timeout-graceful-shutdown", "2", "--host", "0.0.0.0", "--port", "8080"]

# One image for everything that is ours: `danbao migrate`, `danbao serve`, `danbao keys ...` and the worker, which is
# `python -m danbao_workers`. Postgres and Valkey are elsewhere: their wheels are only for `danbao up`.

FROM python:3.13-slim AS build
WORKDIR /source
RUN python -m venv /opt/danbao
COPY pyproject.toml README.md LICENSE ./
COPY protos/danbao protos/danbao
COPY core core
COPY workers workers
COPY clients clients
RUN /opt/danbao/bin/pip install --no-cache-dir --disable-pip-version-check '.[server]'

FROM python:3.13-slim
RUN groupadd --gid 10001 danbao && useradd --uid 10001 --gid danbao --no-create-home --shell /usr/sbin/nologin danbao
COPY --from=build /opt/danbao /opt/danbao
# DANBAO_ADDRESS is where commands inside the container, the health check among them, find its own server.
ENV PATH=/opt/danbao/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 DANBAO_ADDRESS=localhost:50051
USER 10001:10001
WORKDIR /
EXPOSE 50051
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --start-interval=2s --retries=2 CMD ["danbao", "health"]
CMD ["danbao", "serve"]

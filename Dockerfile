# Fieldmark as a container. Two targets from one description: `cpu` (the default) and `gpu`.
#
#   docker build --tag fieldmark:cpu .
#   docker build --tag fieldmark:gpu --target gpu .
#
# The Python is the one that the tests run on. The image holds the bundles of models/zoo; mount others and name them
# with --store. It listens on the container's loopback unless told otherwise. docker-compose.yml runs its parts, `gateway`
# and `worker`, in containers of their own.

FROM python:3.11-slim-bookworm AS base
ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1

FROM base AS source
WORKDIR /src
RUN python -m venv /opt/fieldmark
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY export ./export
COPY fieldmark ./fieldmark
COPY models ./models
COPY service ./service

FROM source AS build-cpu
RUN /opt/fieldmark/bin/pip install --no-cache-dir --constraint constraints.txt ".[cpu,otel,redis]"

FROM source AS build-gpu
RUN /opt/fieldmark/bin/pip install --no-cache-dir --constraint constraints.txt ".[gpu,otel,redis]"

FROM base AS runtime
RUN useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin fieldmark
COPY models/zoo /srv/fieldmark/zoo
ENV PATH=/opt/fieldmark/bin:$PATH
WORKDIR /srv/fieldmark
EXPOSE 8000
# Healthy means that a request would succeed, so that what depends on the service starts after it can answer.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz', timeout=2)"]
# SIGTERM drains: accepted requests are answered before the processes leave.
STOPSIGNAL SIGTERM
ENTRYPOINT ["fieldmark"]
CMD ["serve", "--store", "/srv/fieldmark/zoo"]

FROM runtime AS gpu
COPY --from=build-gpu /opt/fieldmark /opt/fieldmark
USER fieldmark
CMD ["serve", "--store", "/srv/fieldmark/zoo", "--device", "cuda"]

FROM runtime AS cpu
COPY --from=build-cpu /opt/fieldmark /opt/fieldmark
USER fieldmark
